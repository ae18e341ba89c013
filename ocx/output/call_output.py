"""One call of the history as text: Markdown-like in a pipe, laid out on a terminal."""

from __future__ import annotations

from typing import Any

from ocx.history.call import Entry
from ocx.output.history_output import ANSWER, call_facts, call_texts
from ocx.output.table import Column, Table, styled_text
from ocx.terminal import Terminal
from ocx.text import one_line


def write_call(
    terminal: Terminal, entry: Entry, messages: list[dict[str, Any]], *, color: str
) -> None:
    """Print a call for a person; on a terminal the answer is rendered as `ocx chat` did."""
    facts, texts = call_facts(entry), call_texts(entry, messages)
    if not terminal.stdout_tty:
        head = "\n".join(f"{name}: {value}" for name, value in facts)
        parts = "".join(f"\n\n## {name}\n\n{text}" for name, text in texts)
        terminal.print(head + parts.rstrip("\n"))
        return
    columns = (Column("", "dim"), Column(""))
    table = Table(terminal, columns, facts, color=color)
    table.write(facts)
    for name, text in texts:
        title = styled_text(one_line(name), "bold", color=terminal.stdout_color(color))
        terminal.print(f"\n{title}\n", styled=True)
        if name == ANSWER:
            _write_answer(terminal, text, color=color)
        else:
            terminal.print(text.rstrip("\n"))


def _write_answer(terminal: Terminal, text: str, *, color: str) -> None:
    from ocx.output.markdown import MarkdownWriter  # rich, only if somebody looks

    writer = MarkdownWriter(terminal.stdout, terminal, color=terminal.stdout_color(color))
    writer.write(text)
    writer.finish(complete=True)
