"""Text broken into lines as it comes: a line that is out never changes."""

from __future__ import annotations

import re
from collections.abc import Iterable

from rich.cells import get_character_cell_size
from rich.style import Style

from ocx.output.live_style import Run

# A word, or one character that is as wide as two letters: those may be parted from each other.
_WIDE = (
    "\u1100-\u115f\u2e80-\ua4cf\uac00-\ud7a3\uf900-\ufaff\ufe30-\ufe6f\uff00-\uff60\uffe0-\uffe6"
)
_PIECE = re.compile(rf"\n|\s+|[{_WIDE}]|[^\s{_WIDE}]+")
_WIDE_ONE = re.compile(f"[{_WIDE}]")
# These never begin a line.
_CLINGS = frozenset("，。、；：？！）」』】》〉〕・ー々")


def cells(text: str) -> int:
    """The columns that `text` takes, rather too many than too few."""
    if text.isascii():
        return len(text)
    # A variation selector makes the character before it as wide as two in some terminals.
    return sum(map(get_character_cell_size, text)) + text.count("\ufe0f")


def fold(text: str, width: int) -> list[str]:
    """`text` cut into pieces that fit; a character wider than `width` stands alone."""
    if text.isascii():
        return [text[at : at + width] for at in range(0, len(text), width)] or [""]
    pieces, start, used = [], 0, 0
    for place, character in enumerate(text):
        size = cells(character)
        if used + size > width and place > start:
            pieces.append(text[start:place])
            start, used = place, 0
        used += size
    return [*pieces, text[start:]]


class Wrapper:
    """Breaks styled text at spaces and around wide characters; folds what is too long for a line.

    However the text is cut into pieces, the lines are the same.
    """

    def __init__(self, width: int) -> None:
        self.width = max(width, 1)
        self.lines: list[list[Run]] = []
        """The finished ones; whoever feeds takes them away."""
        self._line: list[Run] = []
        self._used = 0
        self._space: list[Run] = []
        self._word: list[Run] = []
        self._word_cells = 0
        self._after_wide = False

    def copy(self) -> Wrapper:
        twin = Wrapper(self.width)
        twin._line, twin._used = self._line[:], self._used
        twin._space, twin._word = self._space[:], self._word[:]
        twin._word_cells, twin._after_wide = self._word_cells, self._after_wide
        return twin

    def resized(self, width: int) -> Wrapper:
        """The unfinished line, to go on in another width."""
        twin = Wrapper(width)
        for text, style in [*self._line, *self._space, *self._word]:
            twin.feed(text, style)
        return twin

    def feed(self, text: str, style: Style) -> None:
        for piece in _PIECE.findall(text):
            if piece == "\n":
                self.break_line()
            elif piece.isspace():
                self._place_word()
                self._space.append((piece.replace("\t", " "), style))
            else:
                self._extend_word(piece, style)

    def break_line(self) -> None:
        self._place_word()
        self._end_line()
        self._space = []

    def finish(self) -> list[list[Run]]:
        """All lines that are left."""
        self._place_word()
        if self._line:
            self._end_line()
        done, self.lines = self.lines, []
        return done

    def take(self) -> list[list[Run]]:
        done, self.lines = self.lines, []
        return done

    def _extend_word(self, piece: str, style: Style) -> None:
        size = cells(piece)
        wide = _WIDE_ONE.fullmatch(piece) is not None
        clings = wide and (piece in _CLINGS or not size)
        if (wide and not clings) or (self._after_wide and not wide):
            self._place_word()
        self._after_wide = wide
        self._word.append((piece, style))
        self._word_cells += size
        if self._word_cells > self.width:
            self._fold_word()

    def _fold_word(self) -> None:
        """What no line can hold begins on a line of its own and fills it."""
        if self._line:
            self._end_line()
        self._space = []
        while self._word_cells > self.width:
            room = self.width
            taken: list[Run] = []
            while self._word:
                text, style = self._word[0]
                head = fold(text, room)[0] if room else ""
                if not head or (cells(head) > room and taken):
                    break
                taken.append((head, style))
                room = max(room - cells(head), 0)
                rest = text[len(head) :]
                self._word[:1] = [(rest, style)] if rest else []
                if rest:
                    break
            self._line = taken
            self._word_cells = sum(cells(text) for text, _ in self._word)
            self._end_line()

    def _place_word(self) -> None:
        if not self._word:
            return
        space = sum(cells(text) for text, _ in self._space)
        if self._line and self._used + space + self._word_cells > self.width:
            self._end_line()
        elif self._line:
            self._line += self._space
            self._used += space
        self._line += self._word
        self._used += self._word_cells
        self._space, self._word, self._word_cells = [], [], 0
        self._after_wide = False

    def _end_line(self) -> None:
        self.lines.append(self._line)
        self._line, self._used = [], 0


def wrapped(runs: Iterable[Run], width: int) -> list[list[Run]]:
    """All lines of a whole text."""
    wrapper = Wrapper(width)
    for text, style in runs:
        wrapper.feed(text, style)
    return wrapper.finish()
