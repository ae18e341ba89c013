"""How text stands on a line: how wide a character is, where a line may break, what is CJK.

A terminal's line is measured in cells; a wide character takes two. Words are parted at spaces.
Beside a wide character a line may also break without one, unless the characters forbid it, by the
classes CL, CP, EX, IS, IN, NS, CJ, PO, HY and QU (not at the start of a line) and OP, PR and QU
(not at its end) of Unicode Standard Annex #14. Korean is written with spaces, so its syllables are
letters here (section 8.1 of the annex). Python has no table of these classes; the general
categories Pe and Pf, Ps and Pi, Sc stand for CL and CP, OP, PR.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import cache, lru_cache
from itertools import pairwise
from typing import Generic, TypeVar
from unicodedata import category, east_asian_width

_JOINER = "\u200d"
_WIDENER = "\ufe0f"  # shows the character before it as an emoji: two cells
# A no-break space is a letter, and one of no width a space.
_SPACES = " \t\v\f\r\x85\u2028\u2029\u205f\u3000\u200b" + "".join(
    map(chr, (*range(0x2000, 0x2007), *range(0x2008, 0x200B)))
)
_CJK = (
    *(_HANGUL := ((0x1100, 0x11FF), (0x3130, 0x318F), (0xA960, 0xA97F), (0xAC00, 0xD7FF))),
    (0x2E80, 0x2FFF), (0x3001, 0xA4CF), (0xF900, 0xFAFF), (0xFE10, 0xFE1F), (0xFE30, 0xFE6F),
    (0xFF01, 0xFFEE), (0x1AFF0, 0x1B16F), (0x20000, 0x3FFFF),
)  # fmt: skip

# What never begins a line: of IN, NS, CJ, PO, IS and EX, and by custom dashes and middle dots.
_CLINGS = frozenset(
    ".,:;!?-/|~%'\"…‥․⋯–—―‐‑‧·・･、。，．､｡：；！？﹐﹑﹒﹔﹕﹖﹗‼‽⁇⁈⁉～〜／°‰‱′″‴℃℉％﹪¢￠"
    "々〻ゝゞヽヾ゠゛゜ﾞﾟーｰぁぃぅぇぉっゃゅょゎゕゖァィゥェォッャュョヮヵヶ"
    "ㇰㇱㇲㇳㇴㇵㇶㇷㇸㇹㇺㇻㇼㇽㇾㇿｧｨｩｪｫｬｭｮｯ"
)
_HOLDS = frozenset("'\"\\+±№＋")
# These may begin a line after a space: `.profile`, `--flag`.
_FREE_AT_SPACE = frozenset("'\"-/.,:;%|~·°‐")
_POSTFIX_MONEY = "¢￠"

S = TypeVar("S")


@lru_cache(4096)
def _width(character: str) -> int:
    code = ord(character)
    kind = category(character)
    if kind == "Cn":  # newer than Python's table: an emoji, or a Han character
        return 2 if 0x1F300 <= code <= 0x1FAFF or 0x20000 <= code <= 0x3FFFD else 1
    if kind[0] == "M" or 0x1160 <= code <= 0x11FF or 0xD7B0 <= code <= 0xD7FF:
        return 0
    if kind in {"Cf", "Cc"}:
        return 1 if code == 0xAD or 0x600 <= code <= 0x8FF else 0
    return 2 if east_asian_width(character) in "WF" else 1


def cells(text: str) -> int:
    """The cells that `text` takes; rather too many than too few where terminals differ.

    They do where a joiner makes one emoji of several: each is counted.
    """
    if text.isascii():
        return len(text)
    count = sum(map(_width, text))
    if _WIDENER in text:
        count += sum(_width(a) == 1 for a, b in pairwise(text) if b == _WIDENER)
    return count


@cache
def _pieces() -> re.Pattern[str]:
    """A line break, spaces, a word of a script without wide characters, or any other character.

    Compiled on use, which takes milliseconds.
    """
    word = "!-~\u00a0-\u10ff\u1200-\u1fff\uac00-\ud7a3"
    return re.compile(rf"\n|[{_SPACES}]+|[{word}]+|.", re.DOTALL)


def is_wide(character: str) -> bool:
    return _width(character) == 2


@lru_cache(4096)
def is_cjk(character: str) -> bool:
    """Whether it is Chinese, Japanese or Korean: a character, a mark or a full-width form."""
    return any(first <= ord(character) <= last for first, last in _CJK)


@lru_cache(4096)
def _is_broken_around(character: str) -> bool:
    """Whether a line may break beside it without a space."""
    if any(first <= ord(character) <= last for first, last in _HANGUL):
        return False
    return _width(character) == 2 or "\uff61" <= character <= "\uff9f"  # half-width kana


@lru_cache(4096)
def _clings(character: str) -> bool:
    return character in _CLINGS or category(character) in {"Pe", "Pf"}


@lru_cache(4096)
def _holds(character: str) -> bool:
    if character in _POSTFIX_MONEY:
        return False
    return character in _HOLDS or category(character) in {"Ps", "Pi", "Sc"}


def are_one(before: str, after: str) -> bool:
    """Whether they are parts of one character: an emoji, a flag, a letter with its marks."""
    if after < "\u0300":
        return False
    return (
        before == _JOINER
        or _width(after) == 0
        or "\U0001f3fb" <= after <= "\U0001f3ff"  # the colour of a skin
        or ("\U0001f1e6" <= after <= "\U0001f1ff" and "\U0001f1e6" <= before <= "\U0001f1ff")
    )


def may_part(before: str, after: str) -> bool:
    """Whether a line may end with `before` and the next begin with `after`, without a space."""
    if before < "\x7f" and after < "\x7f":
        return False
    if _clings(after) or _holds(before) or are_one(before, after):
        return False
    return _is_broken_around(before) or _is_broken_around(after)


def may_part_at_space(before: str, after: str) -> bool:
    """The same if spaces stand between them."""
    if _clings(after) and after not in _FREE_AT_SPACE and (after not in "”’" or is_cjk(before)):
        return False
    opens = before in "￥＄￡￦" or category(before) in {"Ps", "Pi"}
    return not opens or (before in "“‘" and not is_cjk(after))


def _stick(before: str, after: str) -> bool:
    """Whether they stay on one line even in what has no place to break, if that is possible."""
    return not (before < "\x7f" and after < "\x7f") and (_clings(after) or _holds(before))


def is_break_dropped(before: str, after: str) -> bool:
    """Whether a line break in the source between them is no space: Chinese and Japanese have none.

    Source: CSS Text 3, section 4.1.3, which also leaves it between a quotation mark and them.
    """
    sides = [(_is_broken_around(each) and is_cjk(each), each) for each in (before, after)]
    return any(wide for wide, _ in sides) and all(wide or each in "“”‘’…—·" for wide, each in sides)


def folds(text: str, width: int, *, prose: bool = True) -> list[int]:
    """Where `text`, which has no better place to break, is to be parted to fit into `width`.

    A character with its marks stays whole, if need be alone on a line that is too narrow for it.

    Args:
        prose: what must not begin or end a line does not, if anything else is possible.
    """
    if text.isascii():
        return list(range(width, len(text), width))
    places: list[int] = []
    start = used = 0
    good, good_used = 0, 0
    flags = 0
    before = ""
    for place, after in enumerate(text):
        one = place > 0 and are_one(before, after)
        flag = "\U0001f1e6" <= after <= "\U0001f1ff"
        if one and flag and before != _JOINER:
            one = flags % 2 == 1
        flags = flags + 1 if flag else 0
        size = _width(after)
        if after == _WIDENER and before and _width(before) == 1:
            size = 1
        if not one and place:
            if not (prose and _stick(before, after)):
                good, good_used = place, used
            while used + size > width and place > start:
                if good <= start:
                    good, good_used = place, used
                places.append(good)
                start, used = good, used - good_used
        used += size
        before = after
    return places


def parted(runs: list[tuple[str, S]], places: list[int]) -> list[list[tuple[str, S]]]:
    """The runs in pieces that end at these places of their whole text."""
    parts: list[list[tuple[str, S]]] = [[]]
    start = 0
    for text, style in runs:
        used = 0
        while len(parts) <= len(places) and places[len(parts) - 1] < start + len(text):
            place = places[len(parts) - 1] - start
            if place > used:
                parts[-1].append((text[used:place], style))
            used = place
            parts.append([])
        parts[-1].append((text[used:], style))
        start += len(text)
    return parts


class Wrapper(Generic[S]):
    """Breaks styled text into lines; a line that is out never changes.

    However the text is cut into pieces, the lines are the same.

    Args:
        fold: whether what is too long for a line is parted; else it stands alone, and too long.
    """

    def __init__(self, width: int, *, fold: bool = True) -> None:
        self.width = max(width, 1)
        self._fold = fold
        self._lines: list[list[tuple[str, S]]] = []
        self._line: list[tuple[str, S]] = []
        self._used = 0
        self._gap: list[tuple[str, S]] = []
        self._word: list[tuple[str, S]] = []
        self._word_cells = 0
        self._after: list[tuple[str, S]] = []
        self._last = ""
        """The last character of the word, without marks."""

    def copy(self) -> Wrapper[S]:
        twin: Wrapper[S] = object.__new__(Wrapper)
        twin.__dict__.update(self.__dict__)
        twin._lines, twin._line, twin._gap = self._lines[:], self._line[:], self._gap[:]
        twin._word, twin._after = self._word[:], self._after[:]
        return twin

    def resized(self, width: int) -> Wrapper[S]:
        """The unfinished line, to go on in another width."""
        twin: Wrapper[S] = Wrapper(width, fold=self._fold)
        for text, style in [*self._line, *self._gap, *self._word, *self._after]:
            twin.feed(text, style)
        return twin

    def feed(self, text: str, style: S) -> None:
        for piece in _pieces().findall(text):
            first = piece[0]
            if first == "\n":
                self.break_line()
            elif first in _SPACES:
                self._after.append((piece.replace("\t", " "), style))
            else:
                self._extend_word(piece, style)

    def break_line(self) -> None:
        self._place_word()
        self._end_line()
        self._gap, self._after = [], []

    def take(self) -> list[list[tuple[str, S]]]:
        """The finished lines, once."""
        done, self._lines = self._lines, []
        return done

    def finish(self) -> list[list[tuple[str, S]]]:
        """All lines that are left."""
        self._place_word()
        if self._line:
            self._end_line()
        return self.take()

    def _extend_word(self, piece: str, style: S) -> None:
        first, size = piece[0], cells(piece)
        if self._after:
            self._go_on_after_space(first, size)
        elif self._word and may_part(self._last, first):
            self._place_word()
        if first == _WIDENER and self._word and _width(self._last) == 1:
            size += 1
        self._word.append((piece, style))
        self._word_cells += size
        if (size and first != _WIDENER) or first == _JOINER:
            self._last = piece[-1]
        if self._word_cells > self.width and self._fold:
            self._fold_word()

    def _go_on_after_space(self, first: str, size: int) -> None:
        space = sum(cells(text) for text, _ in self._after)
        fits = self._word_cells + space + size <= self.width
        if self._word and fits and not may_part_at_space(self._last, first):
            self._word += self._after
            self._word_cells += space
        else:
            self._place_word()
            self._gap += self._after
        self._after = []

    def _fold_word(self) -> None:
        """What no line can hold begins on a line of its own and fills it."""
        if self._line:
            self._end_line()
        self._gap = []
        text = "".join(text for text, _ in self._word)
        places = folds(text, self.width)
        *full, self._word = parted(self._word, places)
        for self._line in full:
            self._end_line()
        self._word_cells = cells(text[places[-1] :]) if places else self._word_cells

    def _place_word(self) -> None:
        if not self._word:
            return
        space = sum(cells(text) for text, _ in self._gap)
        if self._line and self._used + space + self._word_cells > self.width:
            self._end_line()
        elif self._line:
            self._line += self._gap
            self._used += space
        self._line += self._word
        self._used += self._word_cells
        self._gap, self._word, self._word_cells = [], [], 0

    def _end_line(self) -> None:
        self._lines.append(self._line)
        self._line, self._used = [], 0


def wrapped_runs(runs: Iterable[tuple[str, S]], width: int) -> list[list[tuple[str, S]]]:
    """All lines of a whole styled text."""
    wrapper: Wrapper[S] = Wrapper(width)
    for text, style in runs:
        wrapper.feed(text, style)
    return wrapper.finish()


def wrapped(text: str, width: int, *, fold: bool = True) -> list[str]:
    """The lines of `text` in at most `width` cells; without `fold` a long word is left whole."""
    wrapper: Wrapper[None] = Wrapper(width, fold=fold)
    wrapper.feed(text, None)
    return ["".join(piece for piece, _ in line) for line in wrapper.finish()] or [""]


def shortened(text: str, width: int) -> str:
    """`text` in at most `width` cells, with `…` for what is left out."""
    if cells(text) <= width:
        return text
    return f"{cut(text, width - 1).rstrip()}…"


def cut(text: str, width: int) -> str:
    """What of `text` fits into `width` cells, at least one character of it."""
    return text[: next(iter(folds(text, max(width, 1), prose=False)), len(text))]
