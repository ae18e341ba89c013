"""Tables: aligned for a person, TSV without truncation for a pipe."""

from __future__ import annotations

from collections.abc import Sequence

from ocx.escaping import one_line
from ocx.terminal import Terminal


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
    from rich.console import Console  # a terminal can wait for rich, a pipe cannot
    from rich.table import Table
    from rich.text import Text

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


def _cell(value: str) -> str:
    """A field of TSV cannot hold a tab or a line break."""
    return value.replace("\t", " ").replace("\r", " ").replace("\n", " ")
