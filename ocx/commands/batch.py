"""`ocx batch`: many prompts in one run, or an estimate of one; and what checks its output."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from ocx.batch.execution import estimate, execute
from ocx.batch.input import FileInput
from ocx.batch.options import BatchOptions, RowForm
from ocx.batch.request_builder import RequestBuilder
from ocx.batch.row import BadRow, Row
from ocx.batch.setup import make_setup
from ocx.batch.summary import unknown_reasons
from ocx.batch.verify import Verification
from ocx.cli import Option, option
from ocx.commands import print_json
from ocx.context import Context
from ocx.output.writers import write_json_line
from ocx.text import counted


def batch(ctx: Context, options: BatchOptions) -> None:
    """Send many prompts in one run: resumable, within a budget.

    IN is JSON Lines (requests as OpenAI's Batch API has them, chat bodies, or objects with a
    prompt or with the fields that PROMPT names), CSV or TSV with a header, or text with --text;
    `.gz` is unpacked. A file is checked whole before anything is sent. Rows are written as they
    end; the same command with --resume goes on where a run was ended, however that was.
    """
    setup = make_setup(ctx, options)
    if options.budget.estimate:
        estimate(setup)
    else:
        execute(setup)


def verify(
    ctx: Context,
    source: Annotated[str, Option("IN", "The rows of the run.")],
    outputs: Annotated[tuple[Path, ...], Option("OUT", "Its output, or those of all shards.")],
    *,
    failed: bool = option("--failed", "Print the rows that are missing or failed.", False),
    form: RowForm,
) -> None:
    """Check that an output holds every row of its input, once and answered.

    Exit 13 tells that rows are missing, failed or doubled. --failed prints the first two as JSON
    Lines with their ids: `ocx batch verify in.jsonl out.jsonl --failed | ocx batch - …`.
    """
    builder = RequestBuilder(id_column=form.id_column)
    rows = FileInput(Path(source), form.form_of(source), builder, form.dialect())
    found = Verification(outputs)
    for row in found.faulty(rows.rows()):
        if failed:
            write_json_line(ctx.terminal, _fields(row, form))
    for warning in unknown_reasons(found.unknown_reasons):
        ctx.warn(warning)
    if ctx.json and not failed:
        print_json(ctx, found.document())
    elif not ctx.quiet and not failed and found.complete:
        ctx.note(f"{counted(found.rows, 'row')}, each there once and answered")
    if not found.complete:
        raise found.error()


def _fields(row: Row | BadRow, form: RowForm) -> dict[str, object]:
    """The row for another run, under the id that it has in this one."""
    fields = dict(row.source or {})
    if form.id_column is not None or "custom_id" in fields or "id" in fields:
        return fields
    return {"custom_id": row.id, **fields}
