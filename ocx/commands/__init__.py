"""One file a noun: options in, one call below, output. Here is what several of them share."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated

from ocx.cli.options import Option

if TYPE_CHECKING:
    from ocx.api import Client
    from ocx.runtime import Runtime

Yes = Annotated[bool, Option("--yes -y", "Do not ask.")]


@contextmanager
def waiting(run: Runtime, what: str, client: Client | None = None) -> Iterator[None]:
    """Show a person at a terminal that the block waits for `what`.

    Args:
        client: the one that asks; then it is also shown that it connects.
    """
    if not run.animates:
        yield
        return
    from ocx.output.live_stderr import answer_of, elapsed, spinning  # only if somebody looks

    state = elapsed(f"waiting for {what}") if client is None else answer_of(client, what)
    with spinning(run, state):
        yield
