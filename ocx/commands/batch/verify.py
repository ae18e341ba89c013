"""`ocx batch verify`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from ocx.batch.ending import unknown_reasons
from ocx.batch.input import FileSource
from ocx.batch.options import RowForm
from ocx.batch.request_builder import Composer
from ocx.batch.row import BadRow, Row
from ocx.batch.verify import Verification
from ocx.output.json_output import write_json, write_json_line
from ocx.runtime import Runtime


def verify(
    run: Runtime,
    source: Annotated[str, typer.Argument(metavar="IN", help="The rows of the run.")],
    outputs: Annotated[
        list[Path], typer.Argument(metavar="OUT", help="Its output, or those of all shards.")
    ],
    form: RowForm,
    failed: Annotated[
        bool, typer.Option("--failed", help="Print the rows that are missing or failed.")
    ] = False,
) -> None:
    """Check that an output holds every row of its input, once and answered.

    Exit 13 tells that rows are missing, failed or doubled. --failed prints the first two as JSON
    Lines with their ids: `ocx batch verify in.jsonl out.jsonl --failed | ocx batch - …`.
    """
    composer = Composer(id_column=form.id_column)
    rows = FileSource(Path(source), form.form_of(source), composer, form.dialect())
    found = Verification(outputs)
    for row in found.faulty(rows.rows()):
        if failed:
            write_json_line(run.terminal, _fields(row, form))
    for warning in unknown_reasons(found.unknown_reasons):
        run.warn(warning)
    if run.json and not failed:
        write_json(run.terminal, found.document())
    elif not run.quiet and not failed and found.complete:
        counted = "1 row" if found.rows == 1 else f"{found.rows:,} rows"
        run.note(f"{counted}, each there once and answered")
    if not found.complete:
        raise found.error()


def _fields(row: Row | BadRow, form: RowForm) -> dict[str, object]:
    """The row for another run, under the id that it has in this one."""
    fields = dict(row.source or {})
    if form.id_column is not None or "custom_id" in fields or "id" in fields:
        return fields
    return {"custom_id": row.id, **fields}
