"""`ocx models`: the ids that the account may use."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from fnmatch import fnmatchcase
from typing import Any

from ocx.api.models import ModelFacts, model_facts, model_ids
from ocx.cli import Text, option
from ocx.commands import print_json, waiting
from ocx.config.paths import write_models
from ocx.config.settings import Settings
from ocx.context import Context
from ocx.errors import RejectedError, UsageError
from ocx.keys.client import open_client
from ocx.output.columns import Column, write_table
from ocx.text import did_you_mean, one_line, plain_number

_COLUMNS = (
    Column("MODEL", "accent", whole=True),
    Column("USED AS", "dim", whole=True),
    Column("CONTEXT", right=True, optional=2),
    Column("PRICE/M", right=True, optional=3),
    Column("OWNER", "dim", whole=True, optional=4),
    Column("MODALITIES", whole=True, optional=5),
    Column("SHUTDOWN", "warning", whole=True, optional=1),
)


def models(
    ctx: Context,
    filter_: Text = option("[FILTER]", "Part of an id, or a glob."),
    exists: bool = option("--exists", "Print nothing; exit 7 where FILTER is no model id.", False),
    columns: bool = option("--columns", "In a pipe, all that is said of each, as TSV.", False),
) -> None:
    """List the models that the account may use.

    A terminal shows context length, prices of a million tokens, owner, modalities and the day of
    the shutdown where the endpoint names them for any model; a pipe gets one id a line.
    """
    if columns and ctx.json:
        raise UsageError("--json is the answer as it was sent; leave out --columns")
    if exists and not filter_:
        raise UsageError("--exists needs a model id", hint="ocx models gpt-4o --exists")
    settings = ctx.settings()
    with open_client(ctx, settings) as client, waiting(ctx, "the models", client):
        reply = client.models()
    ids = model_ids(reply.json)
    write_models(ctx.terminal.env, settings, ids, ctx.terminal.stderr.keys)
    if exists:
        _check_exists(settings, filter_ or "", ids)
        return
    chosen = matching(ids, filter_)
    if ctx.json:
        print_json(ctx, _filtered(reply.json, set(chosen)) if filter_ else reply.json)
    elif facts := [each for each in model_facts(reply.json) if each.id in set(chosen)]:
        if ctx.terminal.stdout_tty:
            _write_table(ctx, settings, facts)
        else:
            for each in facts:
                told = (each.id, *_cells(each)) if columns else (each.id,)
                ctx.terminal.print("\t".join(map(one_line, told)))
    if filter_ and not chosen:
        ctx.note(f"no model matches {filter_!r}; `ocx models` lists all {len(ids)}")


def matching(ids: Sequence[str], pattern: str | None) -> list[str]:
    """The ids that hold `pattern`, or match it as a glob; case does not count."""
    wanted = (pattern or "").lower()
    if not any(character in wanted for character in "*?["):
        wanted = f"*{wanted}*"
    return [name for name in ids if fnmatchcase(name.lower(), wanted)]


def _check_exists(settings: Settings, name: str, ids: Sequence[str]) -> None:
    if settings.aliases.get(name, name) in ids:
        return
    hint = did_you_mean(name, ids, "") or "`ocx models` lists what there is"
    raise RejectedError(f"no model called {name!r}", hint=hint)


def _filtered(document: Any, chosen: set[str]) -> Any:
    if isinstance(document, Mapping) and isinstance(document.get("data"), list):
        kept = [m for m in document["data"] if isinstance(m, Mapping) and m.get("id") in chosen]
        return {**document, "data": kept}
    return sorted(chosen)


def _write_table(ctx: Context, settings: Settings, models: Sequence[ModelFacts]) -> None:
    """Whole ids on any screen: what else does not fit beside them is left out, and said."""
    rows = []
    for each in models:
        context, *price, owner, modalities, shutdown = _cells(each)
        said = (context, " + ".join(filter(None, price)), owner, modalities, shutdown)
        rows.append((each.id, _marks(settings, each.id), *map(one_line, said)))
    if left_out := write_table(ctx, _COLUMNS, rows):
        named = ", ".join(left_out).lower()
        ctx.note(f"no room for {named}: `ocx models --columns | cat` has them")


def _cells(model: ModelFacts) -> tuple[str, ...]:
    """All but the id, in the order of `--columns`."""
    price = model.price
    return (
        "" if model.context is None else str(model.context),
        "" if price is None else plain_number(price.prompt),
        "" if price is None else plain_number(price.completion),
        model.owner,
        model.modalities,
        model.shutdown,
    )


def _marks(settings: Settings, name: str) -> str:
    marks = [f"alias {alias}" for alias, target in settings.aliases.items() if target == name]
    return ", ".join((["default"] if name == settings.model else []) + marks)
