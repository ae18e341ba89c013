"""The columns of an input against what the prompt and the options name: told before any row."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from ocx.batch.rows.composer import Composer, missing_fields, named_fields
from ocx.chat.parameters import is_parameter, known_as, written
from ocx.errors import UsageError
from ocx.suggest import nearest

_SHOWN = 20


def check_columns(composer: Composer, columns: Sequence[str], name: str) -> None:
    """Check that the rows of a table, all alike, can become requests of their own.

    Args:
        columns: those of the file `name`.

    Raises:
        UsageError: a column that is named is not there, or none is named.
    """
    template = composer.template
    missing = [*missing_fields(template, columns)] if template is not None else []
    others = (composer.id_column, composer.attach_field)
    missing += [column for column in others if column and not known_as(column, columns)]
    if missing:
        raise _no_column(missing, columns, name, written_as_place=missing[0] not in others)
    if composer.attach_field is not None or {"prompt", "messages", "body"} & {*columns}:
        return
    if template is None:
        raise UsageError(
            f"{name} has no column prompt, and there is no PROMPT; its columns: {_listed(columns)}",
            hint=f'give one that names a column, for example "Summarize: {_some(columns)}"',
        )
    if not named_fields(template, columns):
        raise UsageError(
            f"the prompt names no column of {name}, so that each row would ask the same;"
            f" its columns: {_listed(columns)}",
            hint=f'name one, for example "Summarize: {_some(columns)}"',
        )


def _no_column(
    missing: Sequence[str], columns: Sequence[str], name: str, *, written_as_place: bool
) -> UsageError:
    found = nearest(missing[0], columns)
    word = "column" if len(missing) == 1 else "columns"
    hint = "$$ stands for a dollar sign, ${ANY NAME} for any column"
    if found is not None:
        hint = f"did you mean {written(found) if written_as_place else found}?"
    return UsageError(
        f"{name} has no {word} {', '.join(missing)}; its columns: {_listed(columns)}", hint=hint
    )


def _some(columns: Sequence[str]) -> str:
    """The place of a column, the last that has one."""
    return written(next((c for c in reversed(columns) if is_parameter(c)), columns[-1]))


def _listed(columns: Iterable[str]) -> str:
    names = list(columns)
    more = f", and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    return ", ".join(names[:_SHOWN]) + more
