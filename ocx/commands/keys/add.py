"""`ocx keys add`."""

from __future__ import annotations

from typing import Annotated

import typer

from ocx.commands.options import KeyName
from ocx.config.values import check_name
from ocx.keys import adding
from ocx.keys.credentials import StoredKey, key_document, load_keys, now
from ocx.output.json_output import write_json
from ocx.runtime import Runtime


def add(
    run: Runtime,
    name: KeyName = "main",
    no_check: Annotated[
        bool, typer.Option("--no-check", help="Store it without asking the endpoint.")
    ] = False,
) -> None:
    """Store a key under NAME.

    The key is read from stdin, from --key-file, or asked for without showing it; never from an
    argument. The endpoint of the profile is asked first whether it knows the key. A profile that
    has no key yet uses this one from now on.
    """
    check_name(name, "key")
    adding.refuse_stored(load_keys(run.terminal.env), name)
    settings = run.settings()
    secret = adding.read(run, settings, name)
    verdict = None if no_check else adding.ask(run, settings, secret)
    stored = StoredKey(name, secret, now(), settings.base_url)
    adding.store(run, stored)
    users = adding.use_where_none(run, settings, stored)
    if run.json:
        write_json(
            run.terminal, {**key_document(stored, users), "state": verdict and verdict.state}
        )
