"""Text broken into lines as it comes, by the rules of `ocx.typography`; messages of stderr."""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import cache
from typing import Generic, TypeVar

from ocx.typography import (
    FLAG,
    JOINED,
    JOINER,
    KEEPS,
    SPACE,
    SPACES,
    STAYS,
    WIDE,
    WIDENER,
    cells,
    folds,
    is_widened,
    may_part_at_space,
    traits,
)

S = TypeVar("S")


@cache
def _pieces() -> re.Pattern[str]:
    """A line break, spaces, a word of a script without wide characters, or any other character.

    A combining mark stands alone: it may follow a wide character.

    Compiled on use, which takes milliseconds.
    """
    word = "!-~\u00a0-\u02ff\u0370-\u10ff\u1200-\u1fff\uac00-\ud7a3"
    return re.compile(rf"\n|[{SPACES}]+|[{word}]+|.", re.DOTALL)


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
        self._gap: list[tuple[str, S]] = []  # the spaces before the word
        self._gap_cells = 0
        self._word: list[tuple[str, S]] = []
        self._word_cells = 0
        self._after: list[tuple[str, S]] = []  # the spaces after it
        self._after_cells = 0
        # The spaces in the word where it is parted if it is too long: from which run to which,
        # the cells before them, and their own.
        self._joint: tuple[int, int, int, int] | None = None
        self._last = " "  # the last character of the word, without marks
        self._last_traits = 0

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
            its = traits(first)
            if its & SPACE:
                spaces = piece.replace("\t", " ")
                self._after.append((spaces, style))
                self._after_cells += cells(spaces)
                continue
            if first == "\n":
                self.break_line()
                continue
            size = cells(piece)
            if self._after:
                self._go_on_after_space(first)
            elif self._word:
                # Written out here: it is done for each Chinese character.
                last = self._last_traits
                if (its | last) & WIDE and not (its & STAYS or last & KEEPS or its & last & FLAG):
                    self._place_word()
                elif first == WIDENER and is_widened(self._word[-1][0][-1]):
                    size = 1
            self._word.append((piece, style))
            self._word_cells += size
            if its & (JOINED | JOINER | WIDE) != JOINED:
                self._last = piece[-1]
                self._last_traits = its if piece == first else traits(self._last)
            if self._word_cells > self.width:
                self._part_word()

    def break_line(self) -> None:
        self._place_word()
        self._end_line()
        self._gap, self._after = [], []
        self._gap_cells = self._after_cells = 0

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

    def _go_on_after_space(self, first: str) -> None:
        if self._word and not may_part_at_space(self._last, first):
            start = len(self._word)
            self._word += self._after
            self._joint = start, len(self._word), self._word_cells, self._after_cells
            self._word_cells += self._after_cells
        else:
            self._place_word()
            self._gap += self._after
            self._gap_cells += self._after_cells
        self._after, self._after_cells = [], 0

    def _part_word(self) -> None:
        """What no line can hold begins a new one: parted at its last spaces, else folded."""
        if self._line:
            self._end_line()
        if self._joint:
            start, end, before, gap = self._joint
            word, word_cells = self._word, self._word_cells
            self._word, self._word_cells = word[:start], before
            self._place_word()
            self._gap, self._gap_cells = word[start:end], gap
            self._word, self._word_cells = word[end:], word_cells - before - gap
        if self._word_cells <= self.width or not self._fold:
            return
        if self._line:
            self._end_line()
        self._gap, self._gap_cells = [], 0
        text = "".join(text for text, _ in self._word)
        places = folds(text, self.width)
        *full, self._word = parted(self._word, places)
        for self._line in full:
            self._end_line()
        self._word_cells = cells(text[places[-1] :]) if places else self._word_cells

    def _place_word(self) -> None:
        word = self._word
        if not word:
            return
        line = self._line
        if line:
            used = self._used + self._gap_cells + self._word_cells
            if used > self.width:
                self._end_line()
                line = self._line
                used = self._word_cells
            else:
                word = self._gap + word
        else:
            used = self._word_cells
        for text, style in word:
            # One run for what follows in one style: the fewer, the faster they are painted.
            if line and line[-1][1] is style:
                line[-1] = (line[-1][0] + text, style)
            else:
                line.append((text, style))
        self._used = used
        self._gap, self._gap_cells = [], 0
        self._word, self._word_cells = [], 0
        self._joint = None

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


_COLORS = {"error: ": "31", "warning: ": "33"}
_DIM = ("hint: ", "usage: ", "cost: ", "request id: ")
_LABEL = re.compile(r" *(?:ocx: |hint: |usage: |cost: )?")
# A name and the gap before what is said of it, as in a list of commands.
_NAME = re.compile(r" *\S+(?: \S+)* {2,}(?=\S)")
_LEAST = 20  # columns for the text, whatever stands before it


def for_person(text: str, width: int | None, *, color: bool) -> str:
    """A message as a terminal shows it.

    A line goes on below its text; a word that is longer than a line, as a URL, is left whole.

    Args:
        width: columns of the terminal; None if nothing is to be wrapped.
    """
    return "\n".join(_shown(line, width, color=color) for line in text.split("\n"))


def _shown(line: str, width: int | None, *, color: bool) -> str:
    lines = [line] if width is None or cells(line) <= width else _wrapped(line, width)
    if not color:
        return "\n".join(lines)
    if line.startswith(_DIM):
        return "\n".join(f"\x1b[2m{each}\x1b[0m" for each in lines)
    first = lines[0]
    for word, code in _COLORS.items():
        if first.startswith(f"ocx: {word}"):
            first = f"ocx: \x1b[{code}m{word.strip()}\x1b[0m {first[len('ocx: ' + word) :]}"
    return "\n".join([first, *lines[1:]])


def _wrapped(line: str, width: int) -> list[str]:
    found = _NAME.match(line[: width // 2]) or _LABEL.match(line)
    head = found.group() if found and width - found.end() >= _LEAST else ""
    first, *rest = wrapped(line[len(head) :], width - cells(head), fold=False)
    indent = " " * cells(head)
    return [head + first, *(indent + each for each in rest)]
