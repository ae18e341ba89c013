"""`ocx keys check`."""

from __future__ import annotations

from typing import Annotated

import typer

from ocx.commands.context import shared
from ocx.commands.keys_check import check_all, check_one, end_as
from ocx.errors import UsageError
from ocx.output.json_output import write_json
from ocx.output.table import write_table
from ocx.runtime import Runtime


@shared
def check(
    run: Runtime,
    name: Annotated[
        str | None, typer.Argument(metavar="[NAME]", help="A stored key; else the one in force.")
    ] = None,
    all_: Annotated[bool, typer.Option("--all", help="Check every stored key.")] = False,
) -> None:
    """Ask the endpoint whether a key is valid.

    Exit code 0 valid, 4 invalid, 5 no credits, 8 the endpoint does not tell; with --all 13 where
    they differ.
    """
    if all_ and name is not None:
        raise UsageError("--all and a NAME exclude each other")
    checked = check_all(run) if all_ else [check_one(run, name)]
    documents = [item.as_json() for item in checked]
    if run.json:
        write_json(run.terminal, documents if all_ else documents[0])
    else:
        rows = [(d["name"], d["key"] or "", d["state"], d["detail"]) for d in documents]
        write_table(run.terminal, ("NAME", "KEY", "STATE", ""), rows, color=run.color)
    end_as([item.verdict for item in checked])
