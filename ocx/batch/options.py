"""The options of `ocx batch` that no single call has, in groups as those of `ocx.chat.options`.

With what some of them mean: the shard and the names of the files.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from ocx.batch.control import DRAIN, MAX_OUTAGE
from ocx.batch.finished_rows import Retry
from ocx.batch.records import Dialect, Format, format_of
from ocx.chat.options import (
    ENCODING,
    AnswerChecks,
    Instructions,
    ModelOptions,
    check_output_name,
    check_report,
)
from ocx.cli import OptionGroup, Text, Texts, option
from ocx.decoding import STDIN, check_encoding
from ocx.errors import UsageError
from ocx.record import record

_DELIMITERS = {"tab": "\t", "\\t": "\t", "comma": ",", "semicolon": ";"}


@record
class RowForm(OptionGroup):
    """How the rows of an input are read."""

    heading = "Rows in"

    text: bool = option("--text", "Each line is a prompt.", False)
    input_format: Format | None = option(
        "--input-format jsonl|csv|tsv|text|parquet", "What IN holds, if its name does not tell."
    )
    id_column: Text = option(
        "--id-column NAME", "Field that holds the id of a row (custom_id, id)."
    )
    delimiter: Text = option(
        "--delimiter C", "Between the fields of a table: , ; tab (else the header tells)."
    )
    encoding: Text = option(*ENCODING)

    def form_of(self, name: str) -> Format:
        """What an input holds. Raises UsageError if nothing tells."""
        if self.text:
            return "text"
        if self.input_format is not None:
            return self.input_format
        return "jsonl" if name == STDIN else format_of(name)

    def dialect(self) -> Dialect:
        """How the file is written, as far as it was told. Raises UsageError."""
        sign = _DELIMITERS.get(self.delimiter or "", self.delimiter)
        if sign is not None and (len(sign) != 1 or sign in '"\r\n'):
            raise UsageError(f"--delimiter takes one character, or tab, not {self.delimiter!r}")
        return Dialect(sign, check_encoding(self.encoding))

    def check(self, *, json: bool) -> None:  # noqa: ARG002 - it goes with each of these
        if self.text and self.input_format not in {None, "text"}:
            raise UsageError("--text and --input-format exclude each other")


@record
class RowsIn(RowForm):
    """Which rows there are, and what they ask."""

    source: Text = option("[IN]", "File of the rows, or - for stdin.")
    words: Texts = option(
        "[PROMPT]...", "Prompt for each row; $NAME stands for its field NAME.", ()
    )
    attach_field: Text = option("--attach-field NAME", "Field that names a file or URL to attach.")
    limit: int | None = option("--limit N", "Only the first N rows.", None, 1)
    sample: int | None = option("--sample N", "Only N rows, chosen at random.", None, 1)
    seed: int = option("--seed N", "Seed of the random choice.", 0)
    keep_going: bool = option(
        "--keep-going", "Write error rows for input that is wrong; send the rest.", False
    )


@record
class RowsOut(OptionGroup):
    """What is written, and what an earlier run has written already."""

    heading = "Rows out"

    output: Text = option("--output -o FILE", "Append the rows to this file; {shard} is filled in.")
    resume: bool = option("--resume", "Go on with FILE: what it holds is not sent again.", False)
    retry: Retry = option(
        "--retry-errors retryable|all|none", "Failed rows that --resume sends again.", "retryable"
    )
    ordered: bool = option("--ordered", "Write the rows in the order of IN.", False)
    merge: bool = option("--merge", "Write each row of IN with its answer added.", False)
    field: str = option("--field NAME", "What --merge calls the answer.", "answer")
    row_format: Literal["jsonl", "text"] = option(
        "--format jsonl|text", "Batch rows, or the answers alone, a line each.", "jsonl"
    )
    dedup: bool = option("--dedup", "Send equal requests once.", False)
    report: Text = option("--report FILE", "Write the summary as JSON; {shard} is filled in.")
    junit: Text = option("--junit FILE", "Write rows with `expect` as test cases, for a CI server.")
    progress: Literal["auto", "plain", "json", "off"] = option(
        "--progress auto|plain|json|off", "Progress on stderr.", "auto"
    )

    @property
    def in_order(self) -> bool:
        """A table stays as it was; lines of text have no id, so that their order must tell."""
        return self.ordered or self.merge or self.row_format == "text"

    def path(self, shard: Shard | None) -> Path | None:
        """The file that the rows go to, None for stdout.

        Raises: UsageError if shards would share it.
        """
        if self.output is None or self.to_stdout:
            return None
        if "{shard}" in self.output:
            if shard is None:
                raise UsageError("{shard} in -o, but there is no shard", hint="add --shard I/N")
        elif shard is not None and shard.source != "--shard":
            raise UsageError(
                f"the tasks of {shard.source} would share the output {self.output}",
                hint="use a name with {shard}: -o out-{shard}.jsonl",
            )
        return Path(with_shard(self.output, shard))

    @property
    def to_stdout(self) -> bool:
        return self.output in {None, "-", "/dev/stdout"}

    def check(self, *, json: bool) -> None:
        check_output_name(self.output)
        check_report(self.report, self.output)
        check_report(self.junit, self.output, "--junit")
        if self.resume and self.to_stdout:
            raise UsageError("--resume goes on with a file", hint="name it with -o")
        if self.merge and self.row_format == "text":
            raise UsageError("--merge and --format text exclude each other")
        if json and self.report == "-":
            raise UsageError("--json and --report - both print the summary on stdout")


@record
class RateOptions(OptionGroup):
    """How fast the rows are sent, at most."""

    heading = "Speed"

    jobs: int = option("--jobs -j N", "Most requests at once.", 32, 1, 10_000)
    rpm: float | None = option("--rpm N", "Requests a minute, at most.")
    tpm: float | None = option("--tpm N", "Tokens a minute, at most.")

    def check(self, *, json: bool) -> None:  # noqa: ARG002 - it goes with each of these
        for flag, value in (("--rpm", self.rpm), ("--tpm", self.tpm)):
            if value is not None and not value > 0:
                raise UsageError(f"{flag} must be above 0")


@record
class BatchBudget(OptionGroup):
    """What the run may cost. Unknown counts as too much: nothing is sent then."""

    heading = "Budget"

    max_credits: Text = option("--max-credits N", "Credits that this run may take.")
    min_balance: Text = option("--min-balance N", "Stop before the balance is below N.")
    estimate: bool = option(
        "--estimate", "Show what is left to do and its cost; send only --sample N.", False
    )


@record
class FailureLimits(OptionGroup):
    """When the run gives up."""

    heading = "Failures"

    max_failures: Texts = option(
        "--max-failures N|P%|N-in-a-row",
        "Stop after more than N failed rows, P %, or N in a row (repeatable).",
        (),
    )
    max_outage: float = option(
        "--max-outage SECONDS", "How long to wait for a server that is down.", MAX_OUTAGE
    )
    drain: float = option(
        "--drain SECONDS", "Seconds that running requests may take after Ctrl-C.", DRAIN
    )

    def check(self, *, json: bool) -> None:  # noqa: ARG002 - it goes with each of these
        for flag, value in (("--max-outage", self.max_outage), ("--drain", self.drain)):
            if not 0 <= value < float("inf"):
                raise UsageError(f"{flag} takes seconds from 0")


@record
class ShardOption(OptionGroup):
    """Which of the rows are this machine's."""

    heading = "Shards"

    shard: Text = option(
        "--shard I/N", "Only the rows of shard I of N, from 0; else the cluster's index."
    )


@record
class BatchOptions(OptionGroup):
    """All options of one run."""

    rows_in: RowsIn = field(default_factory=RowsIn)
    instructions: Instructions = field(default_factory=Instructions)
    model: ModelOptions = field(default_factory=ModelOptions)
    checks: AnswerChecks = field(default_factory=AnswerChecks)
    rows_out: RowsOut = field(default_factory=RowsOut)
    rates: RateOptions = field(default_factory=RateOptions)
    budget: BatchBudget = field(default_factory=BatchBudget)
    failures: FailureLimits = field(default_factory=FailureLimits)
    shards: ShardOption = field(default_factory=ShardOption)

    @property
    def sends(self) -> bool:
        """Not so an estimate without a sample."""
        return not self.budget.estimate or self.rows_in.sample is not None


_SHARD = re.compile(r"(\d{1,9})/(\d{1,9})")
_NUMBER = re.compile(r"\d{1,9}")


@dataclass(frozen=True)
class Shard:
    """Shard `index` (from 0) of `count`; the rows whose `sha256(id) mod count` is `index`.

    Raises: UsageError if there is none.
    """

    index: int
    count: int
    source: str = "--shard"

    def __post_init__(self) -> None:
        if self.count < 1 or not 0 <= self.index < self.count:
            raise UsageError(
                f"{self.source}: there is no shard {self.index} of {self.count}",
                hint="shards count from 0 to N - 1",
            )

    def __contains__(self, row_id: str) -> bool:
        digest = hashlib.sha256(row_id.encode("utf-8", "surrogatepass")).digest()
        return int.from_bytes(digest, "big") % self.count == self.index


def find_shard(flag: str | None, env: Mapping[str, str]) -> Shard | None:
    """The shard of `--shard`, else of Slurm, Kubernetes or AWS Batch; None means all rows.

    Raises: UsageError for what names no shard.
    """
    if flag is not None:
        match = _SHARD.fullmatch(flag)
        if match is None:
            raise UsageError(f"--shard takes I/N, not {flag!r}", hint="for example --shard 0/8")
        return Shard(int(match[1]), int(match[2]))
    if env.get("SLURM_ARRAY_TASK_ID"):
        return _slurm(env)
    for name in ("JOB_COMPLETION_INDEX", "AWS_BATCH_JOB_ARRAY_INDEX"):
        # An array job that is no batch of ours has no count: then every task takes all rows.
        if env.get(name) and env.get("OCX_SHARDS"):
            return Shard(_number(env, name), _number(env, "OCX_SHARDS"), name)
    return None


def _slurm(env: Mapping[str, str]) -> Shard:
    name = "SLURM_ARRAY_TASK_ID"
    first = _number(env, "SLURM_ARRAY_TASK_MIN")
    count = _number(env, "SLURM_ARRAY_TASK_COUNT")
    last = "SLURM_ARRAY_TASK_MAX"
    if last in env and _number(env, last) - first + 1 != count:
        raise UsageError(
            "the Slurm array has gaps, so its tasks cannot be numbered",
            hint="use a range without a step (--array=0-7), or give --shard",
        )
    return Shard(_number(env, name) - first, count, name)


def _number(env: Mapping[str, str], name: str) -> int:
    text = env.get(name, "")
    if not _NUMBER.fullmatch(text):
        raise UsageError(f"{name} is not a whole number", hint="or give --shard I/N")
    return int(text)


def with_shard(name: str, shard: Shard | None) -> str:
    """The name of a file with `{shard}` filled in."""
    return name if shard is None else name.replace("{shard}", str(shard.index))
