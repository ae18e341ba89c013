"""A key that cannot be printed by accident, and the filter that catches the rest."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping, Sequence

_PREFIX = re.compile(r"sk-(?:live-(?:local-)?)?")
_KEY_SHAPED = re.compile(r"(?<![A-Za-z0-9_-])sk-[A-Za-z0-9_-]{8,}+(?!…)")  # not a mask again
PROVIDER_KEY = re.compile(r"(?<![A-Za-z0-9_-])sk-live-[A-Za-z0-9_-]{8,}")
_VALID = re.compile(r"[!-~]{1,512}")
_SHOWN_FROM = 20  # below that, four characters would be a good part of the key
_MASKED_FROM = 8
_DUMMIES = frozenset(
    "api-key apikey changeme dummy-key lm-studio lmstudio no-key-required not-needed notneeded"
    " placeholder required sk-no-key-required".split()
)
"""What servers without keys are given, eight characters at least: no secrets."""
_SECRET_HEADERS = (
    "key", "token", "secret", "cookie", "auth", "pass", "credential", "bearer", "session", "sign",
    "jwt", "subscription",
)  # fmt: skip
_SHAPE_BEGUN = re.compile(r"(?<![A-Za-z0-9_-])s(?:k(?:-[A-Za-z0-9_-]*)?)?\Z")
_LONGEST = 600  # characters of the end of a text in which a shape may begin
_WIDEST = 8  # characters for one of a secret: backslashes, `u00` and two digits, a NUL


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

    def is_secret(self) -> bool:
        """Whether it is worth masking: not too short, and not a word that stands for no key."""
        return len(self._text) >= _MASKED_FROM and self._text.lower() not in _DUMMIES

    __str__ = masked

    def __repr__(self) -> str:
        return f"Secret({self.masked()})"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and other._text == self._text

    def __hash__(self) -> int:
        return hash(self._text)


def is_secret_header(name: str) -> bool:
    """Whether its name says that a header holds a secret."""
    return any(word in name.lower() for word in _SECRET_HEADERS)


def secrets_of(headers: Mapping[str, str], *proxies: str | None) -> list[Secret]:
    """The values of headers that hold secrets, and the passwords of proxy URLs."""
    found = [text.strip() for name, text in headers.items() if is_secret_header(name)]
    for proxy in proxies:
        user = (proxy or "").rpartition("@")[0].rpartition("/")[2]
        found.append(user.partition(":")[2])
    # Behind a scheme (`Bearer …`) the secret stands alone in what a server repeats.
    found += [text.rpartition(" ")[2] for text in found if " " in text]
    return [Secret(text) for text in found if Secret(text).is_secret()]


def word_of_argv(word: str) -> str:
    """A word that should be a name, fit to be repeated: one that may be a key is cut.

    It may be one if it looks like a key of the provider's, or has digits and both cases in more
    than 20 characters, and is no path to a folder that is there.
    """
    kinds = (str.isdigit, str.isupper, str.islower)
    mixed = len(word) > _SHOWN_FROM and all(any(map(kind, word)) for kind in kinds)
    if not mixed and not _KEY_SHAPED.search(word):
        return word
    folder = os.path.dirname(word)  # noqa: PTH120 - pathlib costs each start its import
    return word if folder and os.path.isdir(folder) else f"{word[:4]}…"  # noqa: PTH112


def mask_keys(text: str, keys: Sequence[Secret]) -> str:
    """`text` with every given secret masked, however JSON, a URL or UTF-16 may spell it.

    Those of less than eight characters stay, and the words that servers without keys are given:
    they would turn every message into masks.
    """
    for key in keys:
        if not key.is_secret():
            continue
        text = text.replace(key.reveal(), key.masked())
        if "\\" in text or "\0" in text or "%" in text:
            text = re.sub(_spelled(key.reveal()), key.masked().replace("\\", r"\\"), text)
    return text


def _spelled(key: str) -> str:
    """A pattern of the key as it is, escaped in JSON or a URL, and in UTF-16 or split by NUL.

    JSON in a string of JSON has several backslashes for one.
    """
    one = (
        rf"\\*(?:{re.escape(char)}|(?<=\\)u00(?i:{ord(char):02x})|%(?i:{ord(char):02x}))"
        for char in key
    )
    return r"\0*".join(one)


def mask_all(text: str, keys: Sequence[Secret] = ()) -> str:
    """`text` with every given key, and everything shaped like one, masked."""
    text = mask_keys(text, keys)
    if "sk-" not in text:
        return text
    return _KEY_SHAPED.sub(lambda match: Secret(match.group()).masked(), text)


def key_shaped(text: str) -> list[Secret]:
    """Everything in `text` that is shaped like a key."""
    return [Secret(found) for found in dict.fromkeys(_KEY_SHAPED.findall(text))]


class StreamMask:
    """The same for a text that comes in pieces: what may begin a secret waits for the next piece.

    Args:
        shaped: also mask everything shaped like a key, as `mask_all` does.
    """

    def __init__(self, keys: Sequence[Secret], *, shaped: bool = False) -> None:
        self.keys = keys
        self._shaped = shaped
        self._held = ""
        self._told = ""  # the last that was shown, if it may begin a secret

    def feed(self, piece: str) -> str:
        """What can be shown now of all that came."""
        text = self._mask(self._told + self._held + piece)
        at = self._open_from(text)
        shown, self._held = text[:at], text[at:]
        if self._told.startswith(shown):
            self._told = self._told[len(shown) :]
            self._held = self._held.removeprefix(self._told)
            return ""
        told, self._told = self._told, ""
        return shown.removeprefix(told)

    def end(self) -> str:
        """What was held back: no secret, if nothing follows; what does is masked with it."""
        held, self._held = self._held, ""
        self._told += held
        return held

    def _mask(self, text: str) -> str:
        if not self._shaped:
            return mask_keys(text, self.keys)
        # A shape that reaches the end may go on.
        begun = _SHAPE_BEGUN.search(text[-_LONGEST:])
        at = len(text) - len(begun.group()) if begun else len(text)
        return mask_all(text[:at], self.keys) + mask_keys(text[at:], self.keys)

    def _open_from(self, text: str) -> int:
        """Where the last part begins that may become a secret; the length if there is none."""
        found = [len(text)]
        if text.endswith("\n"):  # none holds a line end
            return len(text)
        if self._shaped and (begun := _SHAPE_BEGUN.search(text[-_LONGEST:])):
            found.append(len(text) - len(begun.group()))
        for key in self.keys:
            if key.is_secret():
                secret = key.reveal()
                first = max(0, len(text) - _WIDEST * len(secret))
                starts = (at for at in range(first, len(text)) if _begins(text, at, secret))
                found.append(next(starts, len(text)))
        return min(found)


def _begins(text: str, at: int, secret: str) -> bool:
    """Whether all of `text` from `at` on spells a part of the secret that is not all of it."""
    if text[at] not in (secret[0], "\\", "%"):
        return False
    for char in secret:
        while at < len(text) and text[at] == "\0":
            at += 1
        while at < len(text) and text[at] == "\\":
            at += 1
        if at >= len(text):
            return True
        slashed = text[at - 1 : at] == "\\"
        code = _code(char, text[at], slashed)
        given = text[at + 1 : at + 1 + len(code)].lower()
        if code and code.startswith(given):
            if len(given) < len(code):
                return True
            at += 1 + len(code)
        elif text[at] == char:
            at += 1
        elif char != "\\" or not slashed:
            return False
    return False


def _code(char: str, mark: str, slashed: bool) -> str:
    """The digits that spell `char` behind this mark; empty if it is none."""
    if mark == "%":
        return f"{ord(char):02x}"
    return f"00{ord(char):02x}" if mark == "u" and slashed else ""
