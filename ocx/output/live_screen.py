"""The end of the screen: finished lines above, and the tail below them, drawn over and over."""

from __future__ import annotations

from collections.abc import Sequence

_BEGIN, _END = "\x1b[?2026h", "\x1b[?2026l"
"""Around a frame, which a terminal that knows them shows at once; the others ignore them."""
_HIDE, _SHOW = "\x1b[?25l", "\x1b[?25h"
_NO_WRAP, _WRAP = "\x1b[?7l", "\x1b[?7h"
_ERASE = "\x1b[J"
_UNKNOWN = "\n"  # no line is this


class Screen:
    """Makes the bytes of each frame.

    Between two frames the cursor stands, hidden, at the beginning of the tail, not at its end: a
    terminal that is resized may break the lines of the tail anew, but keeps the cursor at its
    text. So everything from the cursor on is ours to erase, whatever the size has become.
    """

    def __init__(self) -> None:
        self._tail: list[str] = []
        self._hidden = False

    def frame(self, finished: Sequence[str], tail: Sequence[str], rows: int) -> str:
        """Print the finished lines for good and the end of the tail below them.

        Args:
            rows: of the screen; the tail is never as tall.
        """
        tail = list(tail[-max(rows - 1, 1) :])
        if not finished and tail == self._tail:
            return ""
        # What becomes final is written anew: something typed may stand in it.
        same = 0 if finished else _common(self._tail, tail)
        lines = [*finished, *tail[same:]]
        final = len(finished)
        move, row = self._below(same)
        out = [_BEGIN, "" if self._hidden else _HIDE, "\r", move]
        out += [f"{line}\r\n" for line in lines[:final]]
        row += final
        if lines[final:]:
            # A line that the terminal thinks wider than we do must not make the tail taller.
            out += [_NO_WRAP, "\r\n".join(lines[final:]), _WRAP]
            row += len(lines) - final - 1
        out += ["\r", _move("A", row - len(finished)), _END]
        self._tail, self._hidden = tail, True
        return "".join(out)

    def _below(self, same: int) -> tuple[str, int]:
        """From the beginning of the tail to below its lines that stay; nothing else of it does.

        Returns: how to get there, and the row, counted from the beginning of the tail.
        """
        if same < len(self._tail):
            return _move("B", same) + _ERASE, same
        # The next line may not be there yet: only a newline scrolls.
        return _move("B", same - 1) + ("\r\n" if same else ""), same

    def resized(self) -> None:
        """The lines of the tail may stand anywhere now."""
        self._tail = [_UNKNOWN] if self._tail else []

    def leave(self) -> str:
        """The tail stays as it is, and the cursor comes to stand below it; then it begins anew."""
        if not self._hidden:
            return ""
        below = f"{_move('B', len(self._tail) - 1)}\r\n" if self._tail else ""
        self._tail, self._hidden = [], False
        return f"\r{below}{_SHOW}"

    def end(self, finished: Sequence[str]) -> str:
        """Print what is left; the cursor comes to stand below it. Nothing of the tail stays."""
        if not self._hidden and not finished:
            return ""
        text = "".join(f"{line}\r\n" for line in finished)
        erase, self._tail = f"\r{_ERASE}" if self._tail else "", []
        return f"{_BEGIN}{erase}{text}{_SHOW}{_END}"


def _common(old: Sequence[str], new: Sequence[str]) -> int:
    """How many lines at the beginning are the same."""
    count = 0
    while count < min(len(old), len(new)) and old[count] == new[count]:
        count += 1
    return count


def _move(direction: str, lines: int) -> str:
    return f"\x1b[{lines}{direction}" if lines > 0 else ""
