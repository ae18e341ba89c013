"""A key that cannot be printed by accident, and the filter that catches the rest."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence

_PREFIX = re.compile(r"sk-(?:live-(?:local-)?)?")
_KEY_SHAPED = re.compile(r"(?<![A-Za-z0-9_-])sk-[A-Za-z0-9_-]{8,}+(?!…)")  # not a mask again
_VALID = re.compile(r"[!-~]{1,512}")
_SHOWN_FROM = 20  # below that, four characters would be a good part of the key


class Secret:
    """A key; str and repr are masked, `reveal()` is the only way to the text."""

    __slots__ = ("_text",)

    def __init__(self, text: str) -> None:
        self._text = text

    def reveal(self) -> str:
        return self._text

    def masked(self) -> str:
        """`sk-live-…a1b2`: the public prefix and the last four, only from 20 characters on."""
        found = _PREFIX.match(self._text)
        prefix = found.group() if found else ""
        return f"{prefix}…{self._text[-4:]}" if len(self._text) >= _SHOWN_FROM else f"{prefix}…"

    def is_valid(self) -> bool:
        """1 to 512 printable ASCII characters: what can stand in a header."""
        return _VALID.fullmatch(self._text) is not None

    __str__ = masked

    def __repr__(self) -> str:
        return f"Secret({self.masked()})"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and other._text == self._text

    def __hash__(self) -> int:
        return hash(self._text)


def mask(text: str, keys: Sequence[Secret]) -> str:
    """`text` with every given key masked, but for those of one to three characters.

    They would turn every message into masks.
    """
    for key in keys:
        if len(key.reveal()) >= 4:
            text = text.replace(key.reveal(), key.masked())
            if "\\" in text or "\0" in text:
                text = re.sub(_spelled(key.reveal()), _masks(key), text)
    return text


class StreamMask:
    """`mask` for text that comes in pieces: what may be the beginning of a key waits for the rest.

    `feed` gives what is sure, `end` the rest.
    """

    def __init__(self, keys: Sequence[Secret]) -> None:
        self._keys = keys
        self._held = ""

    def feed(self, text: str) -> str:
        text = mask(self._held + text, self._keys)
        cut = min((_begins_at(text, key.reveal()) for key in self._keys), default=len(text))
        self._held = text[cut:]
        return text[:cut]

    def end(self) -> str:
        text, self._held = self._held, ""
        return text


_LONGEST_SPELLING = 7  # \u0041 and a NUL


def _begins_at(text: str, key: str) -> int:
    """Where the end of `text` may begin a spelling of `key`; its length if nowhere."""
    first = max(0, len(text) - _LONGEST_SPELLING * len(key))
    starts = (at for at in range(first, len(text)) if text[at] in {key[:1], "\\"})
    return next((at for at in starts if _may_become(text[at:], key)), len(text))


def _may_become(text: str, key: str) -> bool:
    """Whether more text can make this a spelling of `key`, as `_spelled` has them."""
    places = {0}
    for number, char in enumerate(key):
        after = set()
        for place in places:
            rest = text[place:].lstrip("\0") if number else text
            forms = ((char, rest), (f"\\{char}", rest), (f"\\u00{ord(char):02x}", rest.lower()))
            for form, found in forms:
                if len(found) < len(form) and form.startswith(found):
                    return True
                if found.startswith(form):
                    after.add(len(text) - len(rest) + len(form))
        places = after
    return False


def _spelled(key: str) -> str:
    """A pattern of the key as it is, escaped in JSON, and in UTF-16 or split by NUL."""
    one = (rf"(?:\\?{re.escape(char)}|\\u00(?i:{ord(char):02x}))" for char in key)
    return r"\0*".join(one)


def _masks(key: Secret) -> Callable[[re.Match[str]], str]:
    return lambda _: key.masked()


def redact(text: str, keys: tuple[Secret, ...] = ()) -> str:
    """`text` with every given key, and everything shaped like one, masked."""
    text = mask(text, keys)
    if "sk-" not in text:
        return text
    return _KEY_SHAPED.sub(lambda match: Secret(match.group()).masked(), text)
