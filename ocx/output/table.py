"""Tables: aligned for a person, with bars for numbers; TSV without truncation for a pipe."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from ocx.escaping import one_line
from ocx.terminal import Terminal

if TYPE_CHECKING:
    from decimal import Decimal

_EIGHTHS = " ▏▎▍▌▋▊▉"


def write_table(
    terminal: Terminal,
    headers: Sequence[str],
    rows: Sequence[Sequence[str]],
    *,
    color: str = "auto",
) -> None:
    """Print `rows` of text; the header only on a terminal, where columns are aligned."""
    if not terminal.stdout_tty:
        for row in rows:
            terminal.print("\t".join(_cell(value) for value in row))
        return
    from rich.console import Console  # noqa: PLC0415 - a terminal can wait for rich, a pipe cannot
    from rich.table import Table  # noqa: PLC0415 - the same
    from rich.text import Text  # noqa: PLC0415 - the same

    table = Table(box=None, pad_edge=False, header_style="bold", show_edge=False)
    for header in headers:
        table.add_column(header, overflow="fold")
    for row in rows:
        table.add_row(*(Text(one_line(value)) for value in row))
    console = Console(
        width=terminal.width,
        force_terminal=True,
        no_color=not terminal.stdout_color(color),
        highlight=False,
        legacy_windows=False,
    )
    with console.capture() as capture:
        console.print(table)
    lines = capture.get().splitlines()
    terminal.stdout.write("".join(line.rstrip() + "\n" for line in lines).encode())


def bars(numbers: Sequence[int | Decimal], width: int) -> list[str]:
    """A bar for each number, the largest as wide as `width`; a small one is never invisible."""
    largest = max(numbers, default=0)
    return [_bar(number, largest, width) for number in numbers]


def _cell(value: str) -> str:
    """A field of TSV cannot hold a tab or a line break."""
    return value.replace("\t", " ").replace("\r", " ").replace("\n", " ")


def _bar(number: int | Decimal, largest: int | Decimal, width: int) -> str:
    if not number or not largest:
        return ""
    eighths = max(1, round(number * width * 8 / largest))
    full, rest = divmod(eighths, 8)
    return "█" * full + (_EIGHTHS[rest] if rest else "")
