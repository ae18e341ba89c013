"""`ocx keys rotate`."""

from __future__ import annotations

from ocx.commands.options import KeyName
from ocx.config.profiles import load, users_of
from ocx.errors import UsageError
from ocx.keys import adding
from ocx.keys.adding import settings_of
from ocx.keys.credentials import StoredKey, key_document, load_keys, now, stored_key
from ocx.output.json_output import write_json
from ocx.runtime import Runtime


def rotate(run: Runtime, name: KeyName) -> None:
    """Replace a key by a new one, which is checked first.

    The new key is read like that of `ocx keys add`. Whatever fails, the old one stays.
    """
    old = stored_key(load_keys(run.terminal.env), name)
    settings = settings_of(run, old)
    secret = adding.read(run, settings, name)
    if secret == old.secret:
        raise UsageError(
            f"that is the key that {name} holds already",
            hint="create a new one in the provider's dashboard",
        )
    verdict = adding.ask(run, settings, secret)
    new = StoredKey(name, secret, now(), settings.base_url)
    adding.replace_key(run, old, new)
    run.note(f"the old key {old.secret.masked()} works until it is revoked in the dashboard")
    if run.json:
        users = users_of(load(run.terminal.env), name)
        write_json(run.terminal, {**key_document(new, users), "state": verdict.state})
