"""The output of a run: a file that can be resumed, or stdout."""

from __future__ import annotations

import re
import stat
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from ocx.batch.batch_row import kept_row
from ocx.batch.input import FileInput, Input
from ocx.batch.journal import Journal
from ocx.batch.merged_file import Adoption, MergedFile
from ocx.batch.options import RowsOut
from ocx.batch.parquet import SUFFIX, AnswerColumn, ParquetFile
from ocx.batch.row import Result
from ocx.batch.row_formats import BatchRows, MergedJson, MergedTable, RowFormat, TextLines
from ocx.batch.shards import Shard, output_name
from ocx.batch.store import BatchFile, EndedRow, ReorderBuffer, RowOutput, not_empty
from ocx.errors import UsageError
from ocx.output.writers import Sink, escaped_json, is_device_name, open_output_file
from ocx.terminal import Terminal
from ocx.text import CONTROL

if TYPE_CHECKING:
    from ocx.chat.schema import Schema


class PrintedRows(RowOutput):
    """Rows on stdout, or in a device or pipe. For a person control characters are written out.

    Args:
        kept: for answers to equal requests.
    """

    def __init__(
        self,
        out: Sink,
        form: RowFormat,
        buffer: ReorderBuffer | None = None,
        *,
        to_person: bool = False,
        kept: Journal | None = None,
    ) -> None:
        super().__init__(form, buffer, dedup=kept is not None)
        self._out = out
        self._to_person = to_person
        self._kept = kept
        if kept is not None:
            self._files.append(kept)
        if header := form.header():
            out.write(header)

    def _keep(self, row: EndedRow, result: Result, *, waits: bool) -> None:  # noqa: ARG002
        if self._kept is not None:
            start = self._kept.append(kept_row(result, b"", whole=True))
            self._remember(result, start, in_journal=True)

    def _write(self, rows: Sequence[EndedRow]) -> Sequence[Result]:
        if data := b"".join([row.data for row in rows]):
            if self._to_person and re.search(CONTROL, text := data.decode("utf-8", "replace")):
                data = escaped_json(text).encode()
            self._out.write(data)
        return super()._write(rows)


def output_path(out: RowsOut, shard: Shard | None) -> Path | None:
    """The file that the rows go to, None for stdout. Raises UsageError."""
    if out.output is None or out.to_stdout:
        return None
    return Path(output_name(out.output, shard))


def is_stream(path: Path) -> bool:
    """A device, a pipe or what is open already: written row by row, and never resumed."""
    if is_device_name(str(path)):
        return True
    try:
        mode = path.stat().st_mode
    except OSError:
        return False
    return not (stat.S_ISREG(mode) or stat.S_ISDIR(mode))


def beside_path(name: str | None, shard: Shard | None) -> str | None:
    """The file of --report or --junit, with `{shard}` filled in."""
    return shard.fill_in(name) if name is not None and shard is not None else name


def resumes(out: RowsOut, shard: Shard | None) -> bool:
    """Whether to go on with what is there: a task that a cluster restarts runs the same command."""
    return out.resume or (shard is not None and shard.source != "--shard")


def check_empty(path: Path, *, resume: bool) -> bool:
    """Whether there is nothing to go on with. Raises UsageError for a file with content."""
    try:
        size = path.stat().st_size if path.is_file() else 0
    except OSError:
        return True
    if size and not resume:
        raise not_empty(path)
    return not size


def make_format(out: RowsOut, rows: Input, schema: Schema | None, base_url: str) -> RowFormat:
    """What makes the bytes of a row. Raises UsageError for an input that cannot be merged."""
    if out.row_format == "text":
        return TextLines()
    if out.output is not None and out.output.lower().endswith(SUFFIX):
        if not out.merge or rows.form != "parquet" or not isinstance(rows, FileInput):
            raise UsageError(
                "a Parquet output is a Parquet input with its answers added", hint="add --merge"
            )
        return AnswerColumn(rows.path, out.field)
    if not out.merge:
        return BatchRows(base_url)
    if rows.form in {"jsonl", "text", "parquet"}:
        return MergedJson(out.field, parse=schema is not None)
    properties = schema.document.get("properties") if schema is not None else None
    added = tuple(properties) if isinstance(properties, dict) else ()
    return MergedTable(tuple(rows.columns()), rows.dialect, out.field, added)


@contextmanager
def open_output(
    terminal: Terminal,
    path: Path | None,
    out: RowsOut,
    form: RowFormat,
    *,
    resume: bool,
    adoption: Adoption | None = None,
) -> Iterator[RowOutput]:
    """Lock and take up the file, or print; closed at the end. Raises UsageError, OcxError."""
    buffer: ReorderBuffer | None = ReorderBuffer() if out.in_order else None
    with ExitStack() as stack:
        if path is None or is_stream(path):
            to: Sink = terminal.stdout
            if path is not None:
                if out.resume:
                    raise UsageError(f"--resume goes on with a file, and {path} is none")
                target = to = open_output_file(terminal, str(path))
                stack.callback(target.complete)
            kept = stack.enter_context(Journal(None)) if out.dedup else None
            to_person = path is None and terminal.stdout_tty
            yield PrintedRows(to, form, buffer, to_person=to_person, kept=kept)
            return
        taken = {"resume": resume, "dedup": out.dedup}
        if form.tells_ids:
            yield stack.enter_context(BatchFile(path, form, buffer, **taken))
        elif isinstance(form, AnswerColumn):
            yield stack.enter_context(ParquetFile(path, form, adoption=adoption, **taken))
        else:
            merged = MergedFile(path, form, buffer, adoption=adoption, **taken)
            yield stack.enter_context(merged)
