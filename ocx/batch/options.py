"""The options of `ocx batch` that no single call has, in groups as those of `ocx.chat.options`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, cast

from ocx.batch.control.settings import DRAIN, MAX_OUTAGE
from ocx.batch.finished_rows import Retry
from ocx.batch.records import Dialect, Format, format_of
from ocx.chat.messages import STDIN
from ocx.chat.options import AnswerChecks, Encoding
from ocx.chat.parameters import check_output_name, check_report
from ocx.cli.options import Option, OptionGroup, Text, Texts
from ocx.decoding import check_encoding
from ocx.errors import UsageError

_DELIMITERS = {"tab": "\t", "\\t": "\t", "comma": ",", "semicolon": ";"}
MOST_JOBS = 10_000

_FORMATS = ("jsonl", "csv", "tsv", "text", "parquet")


@dataclass(frozen=True)
class RowForm(OptionGroup):
    """How the rows of an input are read."""

    heading = "Rows in"

    text: Annotated[bool, Option("--text", "Each line is a prompt.")] = False
    input_format: Annotated[
        Text,
        Option(
            "--input-format jsonl|csv|tsv|text|parquet", "What IN holds, if its name is no help."
        ),
    ] = None
    id_column: Annotated[
        Text, Option("--id-column NAME", "Field that holds the id of a row (custom_id, id).")
    ] = None
    delimiter: Annotated[
        Text,
        Option("--delimiter C", "Between the fields of a table: , ; tab (else the header tells)."),
    ] = None
    encoding: Encoding = None

    def form_of(self, name: str) -> Format:
        """What an input holds. Raises UsageError if nothing tells."""
        if self.text:
            return "text"
        if self.input_format is not None:
            return cast(Format, self.input_format)
        return "jsonl" if name == STDIN else format_of(name)

    def dialect(self) -> Dialect:
        """How the file is written, as far as it was told. Raises UsageError."""
        return Dialect(_delimiter(self.delimiter), check_encoding(self.encoding))

    def check(self, *, json: bool) -> None:  # noqa: ARG002 - it goes with each of these
        _check_choice("--input-format", self.input_format, _FORMATS)
        if self.text and self.input_format not in {None, "text"}:
            raise UsageError("--text and --input-format exclude each other")


@dataclass(frozen=True)
class InputArguments(OptionGroup):
    """The arguments."""

    heading = "Rows in"

    source: Annotated[Text, Option("[IN]", "File of the rows, or - for stdin.")] = None
    words: Annotated[
        Texts, Option("[PROMPT]...", "Prompt for each row; $NAME stands for its field NAME.")
    ] = ()


@dataclass(frozen=True)
class RowsIn(RowForm):
    """Which rows there are, and what they ask."""

    attach_field: Annotated[
        Text, Option("--attach-field NAME", "Field that names a file or URL to attach.")
    ] = None
    limit: Annotated[int | None, Option("--limit N", "Only the first N rows.", 1)] = None
    sample: Annotated[int | None, Option("--sample N", "Only N rows, chosen at random.", 1)] = None
    seed: Annotated[int, Option("--seed N", "Another choice for --sample.")] = 0
    keep_going: Annotated[
        bool, Option("--keep-going", "Write error rows for input that is wrong; send the rest.")
    ] = False


@dataclass(frozen=True)
class RowsOut(OptionGroup):
    """What is written, and what an earlier run has written already."""

    heading = "Rows out"

    output: Annotated[
        Text, Option("--output -o FILE", "Append the rows to this file; {shard} is filled in.")
    ] = None
    resume: Annotated[
        bool, Option("--resume", "Go on with FILE: what it holds is not sent again.")
    ] = False
    retry_errors: Annotated[
        str,
        Option("--retry-errors retryable|all|none", "Failed rows that --resume sends again."),
    ] = "retryable"
    ordered: Annotated[bool, Option("--ordered", "Write the rows in the order of IN.")] = False
    merge: Annotated[bool, Option("--merge", "Write each row of IN with its answer added.")] = False
    field: Annotated[str, Option("--field NAME", "What --merge calls the answer.")] = "answer"
    row_format: Annotated[
        str, Option("--format jsonl|text", "Batch rows, or the answers alone, a line each.")
    ] = "jsonl"
    dedup: Annotated[bool, Option("--dedup", "Send equal requests once.")] = False
    report: Annotated[
        Text, Option("--report FILE", "Write the summary as JSON; {shard} is filled in.")
    ] = None
    junit: Annotated[
        Text, Option("--junit FILE", "Write rows with `expect` as test cases, for a CI server.")
    ] = None
    progress: Annotated[str, Option("--progress auto|plain|json|off", "Progress on stderr.")] = (
        "auto"
    )

    @property
    def retry(self) -> Retry:
        return cast(Retry, self.retry_errors)

    @property
    def in_order(self) -> bool:
        """A table stays as it was; lines of text have no id, so that their order must tell."""
        return self.ordered or self.merge or self.row_format == "text"

    @property
    def to_stdout(self) -> bool:
        return self.output in {None, "-", "/dev/stdout"}

    def check(self, *, json: bool) -> None:
        check_output_name(self.output)
        check_report(self.report, self.output)
        check_report(self.junit, self.output, "--junit")
        _check_choice("--retry-errors", self.retry_errors, ("retryable", "all", "none"))
        _check_choice("--format", self.row_format, ("jsonl", "text"))
        _check_choice("--progress", self.progress, ("auto", "plain", "json", "off"))
        if self.resume and self.to_stdout:
            raise UsageError("--resume goes on with a file", hint="name it with -o")
        if self.merge and self.row_format == "text":
            raise UsageError("--merge and --format text exclude each other")
        if json and self.report == "-":
            raise UsageError("--json and --report - both print the summary on stdout")
        if json and self.to_stdout:
            raise UsageError("--json prints the summary on stdout", hint="-o FILE takes the rows")


@dataclass(frozen=True)
class RowChecks(AnswerChecks):
    """What each answer must be. With --json the summary is JSON, whatever the rows are."""

    def check(self, *, json: bool) -> None:  # noqa: ARG002 - see above
        super().check(json=False)


@dataclass(frozen=True)
class RateOptions(OptionGroup):
    """How fast the rows are sent, at most."""

    heading = "Speed"

    jobs: Annotated[int, Option("--jobs -j N", "Most requests at once; up to 10,000.")] = 32
    rpm: Annotated[float | None, Option("--rpm N", "Requests a minute, at most.")] = None
    tpm: Annotated[float | None, Option("--tpm N", "Tokens a minute, at most.")] = None

    def check(self, *, json: bool) -> None:  # noqa: ARG002 - it goes with each of these
        if not 1 <= self.jobs <= MOST_JOBS:
            raise UsageError(f"-j takes 1 to {MOST_JOBS:,}, not {self.jobs:,}")
        for flag, value in (("--rpm", self.rpm), ("--tpm", self.tpm)):
            if value is not None and not value > 0:
                raise UsageError(f"{flag} must be above 0")


@dataclass(frozen=True)
class BatchBudget(OptionGroup):
    """What the run may cost. Unknown counts as too much: nothing is sent then."""

    heading = "Budget"

    max_credits: Annotated[Text, Option("--max-credits N", "Credits that this run may take.")] = (
        None
    )
    min_balance: Annotated[
        Text, Option("--min-balance N", "Stop before the balance is below N.")
    ] = None
    estimate: Annotated[
        bool, Option("--estimate", "Show what is left to do and its cost; send only --sample N.")
    ] = False


@dataclass(frozen=True)
class FailureLimits(OptionGroup):
    """When the run gives up."""

    heading = "Failures"

    max_failures: Annotated[
        Texts, Option("--max-failures N|P%", "Stop after more; N-in-a-row too (repeatable).")
    ] = ()
    max_outage: Annotated[
        float, Option("--max-outage SECONDS", "How long to wait for a server that is down.")
    ] = MAX_OUTAGE
    drain: Annotated[
        float, Option("--drain SECONDS", "What is running may take so long after Ctrl-C.")
    ] = DRAIN

    def check(self, *, json: bool) -> None:  # noqa: ARG002 - it goes with each of these
        for flag, value in (("--max-outage", self.max_outage), ("--drain", self.drain)):
            if not value >= 0:
                raise UsageError(f"{flag} takes seconds from 0")


@dataclass(frozen=True)
class ShardOption(OptionGroup):
    """Which of the rows are this machine's."""

    heading = "Shards"

    shard: Annotated[
        Text, Option("--shard I/N", "Only the rows of shard I, from 0; else the engine's index.")
    ] = None


def _delimiter(text: str | None) -> str | None:
    sign = _DELIMITERS.get(text or "", text)
    if sign is not None and (len(sign) != 1 or sign in '"\r\n'):
        raise UsageError(f"--delimiter takes one character, or tab, not {text!r}")
    return sign


def _check_choice(flag: str, value: str | None, choices: tuple[str, ...]) -> None:
    if value is not None and value not in choices:
        raise UsageError(f"{flag} takes {', '.join(choices[:-1])} or {choices[-1]}")
