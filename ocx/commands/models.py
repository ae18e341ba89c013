"""`ocx models`: the ids that the account may use."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ocx.api.types import model_ids
from ocx.commands.context import waiting
from ocx.config.completion_cache import write_models
from ocx.errors import RejectedError, UsageError
from ocx.escaping import one_line
from ocx.keyring.client import open_client
from ocx.output.json_output import write_json
from ocx.output.table import Column, write_table
from ocx.runtime import Runtime
from ocx.suggest import nearest

if TYPE_CHECKING:
    from ocx.config.settings import Settings


def models(
    run: Runtime,
    filter_: Annotated[
        str | None,
        typer.Argument(metavar="[FILTER]", help="Part of an id, or a glob.", show_default=False),
    ] = None,
    exists: Annotated[
        bool, typer.Option("--exists", help="Print nothing; exit 7 where FILTER is no model id.")
    ] = False,
) -> None:
    """List the models that the account may use."""
    if exists and not filter_:
        raise UsageError("--exists needs a model id", hint="ocx models gpt-4o --exists")
    settings = run.settings()
    with open_client(run, settings) as client, waiting(run, "the models", client):
        reply = client.models()
    ids = model_ids(reply.json)
    write_models(run.terminal.env, settings, ids)
    if exists:
        _check_exists(settings, filter_ or "", ids)
        return
    chosen = matching(ids, filter_)
    if run.json:
        write_json(run.terminal, _filtered(reply.json, set(chosen)) if filter_ else reply.json)
    else:
        _write_ids(run, settings, chosen)
    if filter_ and not chosen:
        run.note(f"no model matches {filter_!r}; `ocx models` lists all {len(ids)}")


def matching(ids: Sequence[str], pattern: str | None) -> list[str]:
    """The ids that hold `pattern`, or match it as a glob; case does not count."""
    if not pattern:
        return list(ids)
    wanted = pattern.lower()
    if any(character in wanted for character in "*?["):
        return [name for name in ids if fnmatchcase(name.lower(), wanted)]
    return [name for name in ids if wanted in name.lower()]


def _check_exists(settings: Settings, name: str, ids: Sequence[str]) -> None:
    if settings.aliases.get(name, name) in ids:
        return
    near = nearest(name, ids)
    hint = f"did you mean {near}?" if near else "`ocx models` lists what there is"
    raise RejectedError(f"no model called {name!r}", hint=hint)


def _filtered(document: Any, chosen: set[str]) -> Any:
    if isinstance(document, Mapping) and isinstance(document.get("data"), list):
        kept = [m for m in document["data"] if isinstance(m, Mapping) and m.get("id") in chosen]
        return {**document, "data": kept}
    return sorted(chosen)


def _write_ids(run: Runtime, settings: Settings, ids: Sequence[str]) -> None:
    if not run.terminal.stdout_tty:
        for name in ids:
            run.terminal.print(one_line(name))
        return
    if ids:
        rows = [(name, _marks(settings, name)) for name in ids]
        columns = (Column("MODEL", "accent"), Column("USED AS", "dim"))
        write_table(run.terminal, columns, rows, color=run.color)


def _marks(settings: Settings, name: str) -> str:
    marks = [f"alias {alias}" for alias, target in settings.aliases.items() if target == name]
    return ", ".join((["default"] if name == settings.model else []) + marks)
