"""Clean text from deltas: a surrogate pair may be split between two of them; pure."""

from __future__ import annotations

import re

_SURROGATE = "[\ud800-\udfff]"


class SurrogateJoiner:
    """Clean text from deltas: half a surrogate pair waits for its partner in the next one.

    `feed` may keep back one code unit, which `end` returns. Halves without a partner
    become U+FFFD, so that the text can always be encoded.
    """

    def __init__(self) -> None:
        self._half = ""

    def feed(self, text: str) -> str:
        if self._half:
            text, self._half = self._half + text, ""
        elif text.isascii():
            return text
        if not re.search(_SURROGATE, text):
            return text
        if "\ud800" <= text[-1] <= "\udbff":
            text, self._half = text[:-1], text[-1]
        return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")

    def end(self) -> str:
        half, self._half = self._half, ""
        return "\ufffd" if half else ""
