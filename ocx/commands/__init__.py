"""One file a noun: options in, one call below, output. Here is what several of them share."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated, Any

from ocx.cli import Option
from ocx.errors import UsageError

if TYPE_CHECKING:
    from ocx.api import Client
    from ocx.context import Context
    from ocx.output.columns import Column, Row

Yes = Annotated[bool, Option("--yes -y", "Do not ask.")]


@contextmanager
def waiting(ctx: Context, what: str, client: Client | None = None) -> Iterator[None]:
    """Show a person at a terminal that the block waits for `what`.

    Args:
        client: the one that asks; then it is also shown that it connects.
    """
    if not ctx.animates:
        yield
        return
    from ocx.output.live_stderr import answer_of, elapsed, spinning  # only if somebody looks

    state = elapsed(f"waiting for {what}") if client is None else answer_of(client, what)
    with spinning(ctx, state):
        yield


def print_result(
    ctx: Context, document: Any, columns: Sequence[str | Column], rows: Iterable[Row]
) -> None:
    """Print a result: `document` with --json, else a table."""
    if ctx.json:
        print_json(ctx, document)
        return
    from ocx.output.columns import write_table  # not for every command

    write_table(ctx, columns, list(rows))


def print_json(ctx: Context, document: Any) -> None:
    from ocx.output.writers import write_json  # start-up that a script can save

    write_json(ctx.terminal, document)


def chosen_format(ctx: Context, name: str | None, formats: Sequence[str], default: str) -> str:
    """What --format says, or --json.

    Raises:
        UsageError: there is no such format, or they exclude each other.
    """
    if name is not None and name not in formats:
        raise UsageError(f"--format takes {', '.join(formats)}")
    if ctx.json and name not in {None, "json"}:
        raise UsageError("--json is --format json, and takes no other")
    return "json" if ctx.json else name or default
