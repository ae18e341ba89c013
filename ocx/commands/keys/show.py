"""`ocx keys show`."""

from __future__ import annotations

from typing import Annotated

import typer

from ocx.commands.options import KeyName
from ocx.config.profiles import load, users_of
from ocx.keys.credentials import key_document, load_keys, stored_key
from ocx.output.json_output import write_json
from ocx.runtime import Runtime


def show(
    run: Runtime,
    name: KeyName,
    reveal: Annotated[bool, typer.Option("--reveal", help="Print the key itself.")] = False,
) -> None:
    """Show a key, masked unless --reveal is given."""
    key = stored_key(load_keys(run.terminal.env), name)
    text = key.secret.reveal() if reveal else key.secret.masked()
    if run.json:
        users = users_of(load(run.terminal.env), name)
        write_json(run.terminal, {**key_document(key, users), "key": text})
    else:
        run.terminal.print(text)
