"""The checks of `ocx doctor`, each printed as soon as it is made."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol

from ocx.output.table import Cell, Column, Style, Table, styled_text
from ocx.terminal import Terminal
from ocx.text import one_line

_STYLES: dict[str, Style] = {"ok": "good", "warning": "warning", "failed": "bad", "skipped": "dim"}
_COLUMNS = (Column("STATE"), Column("CHECK", "accent"), Column("DETAIL"))


class Check(Protocol):
    """What was looked at and what was found; `state` is ok, warning, failed or skipped."""

    @property
    def name(self) -> str: ...
    @property
    def state(self) -> str: ...
    @property
    def detail(self) -> str: ...
    @property
    def hint(self) -> str | None: ...


def check_writer(
    terminal: Terminal, names: Sequence[str], *, color: str
) -> Callable[[Check], None]:
    """What prints one check: in columns on a terminal, wide enough for `names`; else a line."""
    if not terminal.stdout_tty:
        return lambda check: _write_line(terminal, check, color)
    widest = [(state, name, "-" * terminal.width) for state in _STYLES for name in names]
    table = Table(terminal, _COLUMNS, widest, color=color)
    begun = False

    def write(check: Check) -> None:
        nonlocal begun
        if not begun:
            table.write_heading()
        begun = True
        table.write([(Cell(check.state, _STYLES[check.state]), check.name, check.detail)])
        if check.hint:
            table.write([("", "", Cell(f"-> {check.hint}", "dim"))])

    return write


def _write_line(terminal: Terminal, check: Check, color: str) -> None:
    style, state = _STYLES[check.state], f"{check.state:<8}"
    shown = styled_text(state, style, color=terminal.stdout_color(color))
    terminal.print(f"{shown} {check.name}: {one_line(check.detail)}", styled=True)
    if check.hint:
        terminal.print(f"{'':8} -> {one_line(check.hint)}")
