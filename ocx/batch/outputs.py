"""The output of a run: a file that can be resumed, or stdout."""

from __future__ import annotations

import re
import stat
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from ocx.batch.batch_run import Output
from ocx.batch.input import Input
from ocx.batch.options import RowsOut
from ocx.batch.output.adoption import Adoption
from ocx.batch.output.ordered import Window, spool_path
from ocx.batch.parquet import SUFFIX, AnswerLines, answers_path
from ocx.batch.result import Result
from ocx.batch.row_formats import BatchRows, MergedJson, MergedTable, Renderer, TextLines
from ocx.batch.shards import Shard, output_name
from ocx.batch.store import Store
from ocx.errors import UsageError
from ocx.output.answer_writers import Sink
from ocx.output.output_file import is_device_name, open_target
from ocx.output.results import escaped_json
from ocx.terminal import Terminal
from ocx.text import CONTROL

if TYPE_CHECKING:
    from ocx.chat.schema import Schema


@dataclass
class Opened:
    """Attributes:
    store: the file; None for stdout.
    window: for rows in the order of the input.
    """

    output: Output
    store: Store | None = None
    window: Window | None = None


class PrintedRows:
    """Rows on stdout, or in a device or pipe. For a person control characters are written out."""

    def __init__(self, out: Sink, renderer: Renderer, *, to_person: bool = False) -> None:
        self._out = out
        self._renderer = renderer
        self._to_person = to_person
        if header := renderer.header():
            out.write(header)

    def append(self, results: Sequence[Result]) -> None:
        rows = b"".join([self._renderer.row(result) for result in results])
        self._out.write(_shown(rows) if self._to_person else rows)

    def sync(self) -> None:
        """Nothing is held back."""


def output_path(out: RowsOut, shard: Shard | None) -> Path | None:
    """The file that the rows go to, None for stdout. Raises UsageError."""
    if out.output is None or out.to_stdout:
        return None
    return Path(output_name(out.output, shard))


def is_parquet(out: RowsOut) -> bool:
    """The output is a Parquet file."""
    return out.output is not None and out.output.lower().endswith(SUFFIX)


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
    if name is None or shard is None:
        return name
    return name.replace("{shard}", str(shard.index))


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
        raise UsageError(f"{path} is not empty", hint="--resume goes on with it, or use another -o")
    return not size


def make_renderer(out: RowsOut, rows: Input, schema: Schema | None, base_url: str) -> Renderer:
    """What makes the bytes of a row. Raises UsageError for an input that cannot be merged."""
    if out.row_format == "text":
        return TextLines()
    if is_parquet(out):
        if not out.merge or rows.form != "parquet":
            raise UsageError(
                "a Parquet output is a Parquet input with its answers added", hint="add --merge"
            )
        return AnswerLines()
    if not out.merge:
        return BatchRows(base_url)
    if rows.form in {"jsonl", "text", "parquet"}:
        return MergedJson(out.field, parse=schema is not None)
    properties = _properties(schema)
    return MergedTable(tuple(rows.columns()), rows.dialect, out.field, properties)


@contextmanager
def open_output(
    terminal: Terminal,
    path: Path | None,
    out: RowsOut,
    renderer: Renderer,
    *,
    resume: bool,
    adoption: Adoption | None = None,
) -> Iterator[Opened]:
    """Lock and take up the file, or print; closed at the end. Raises UsageError, OcxError."""
    with ExitStack() as stack:
        if path is None:
            window = Window() if out.in_order else None
            rows = PrintedRows(terminal.stdout, renderer, to_person=terminal.stdout_tty)
            yield Opened(rows, None, window)
            return
        if is_stream(path):
            if out.resume:
                raise UsageError(f"--resume goes on with a file, and {path} is none")
            target = open_target(terminal, str(path))
            stack.callback(target.complete)
            yield Opened(PrintedRows(target, renderer), None, Window() if out.in_order else None)
            return
        if is_parquet(out):
            path = answers_path(path)
        store = Store(path, renderer, resume=resume, by_request=out.dedup, adoption=adoption)
        stack.callback(store.close)
        in_order = out.in_order and not is_parquet(out)  # its order comes at the end
        window = Window(spool_path(store.path)) if in_order else None
        if window is not None:
            stack.callback(window.close)
        yield Opened(store, store, window)


def _properties(schema: Schema | None) -> Sequence[str]:
    found = schema.document.get("properties") if schema is not None else None
    return tuple(found) if isinstance(found, dict) else ()


def _shown(row: bytes) -> bytes:
    text = row.decode("utf-8", "replace")
    return (escaped_json(text) if re.search(CONTROL, text) else text).encode()
