"""The options that shape one call, in groups; each option is declared once, on its field.

A group is a frozen dataclass: the command line fills it, a program can make it by hand. Nothing
here knows the parser; `ocx.commands.options` translates for it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any, ClassVar

from ocx.errors import UsageError
from ocx.prompt.input import STDIN
from ocx.prompt.options import check_output_name

if TYPE_CHECKING:
    from ocx.answer.schema import Schema
    from ocx.config.settings import Settings
    from ocx.runtime import Runtime


class Option:
    """One option as the command line shows it.

    Args:
        flags: as typed; `--on/--off` for a switch that has both; none for the arguments.
        metavar: what its value is called; `a|b` lists the values there are.
        limits: `min` and `max` of a number.
    """

    def __init__(
        self, *flags: str, help: str, metavar: str | None = None, **limits: int | float
    ) -> None:
        self.flags = flags
        self.help = help
        self.metavar = metavar
        self.limits = limits


# Never compared or printed, as all groups, and making those methods costs start-up.
@dataclass(frozen=True, eq=False, repr=False)
class OptionGroup:
    """Options under one heading of the help. A tuple of texts is a repeatable option."""

    heading: ClassVar[str]

    def check(self, *, json: bool) -> None:
        """Raise UsageError for options that exclude each other, or --json."""


Texts = tuple[str, ...]
Switch = bool | None
"""None if neither form was given."""


@dataclass(frozen=True, eq=False, repr=False)
class Prompt(OptionGroup):
    """What is asked."""

    heading = "Prompt"

    words: Annotated[
        Texts, Option(help="The prompt; words are joined, - is stdin.", metavar="[PROMPT]...")
    ] = ()
    files: Annotated[
        Texts, Option("--file", "-f", help="Add this file (repeatable).", metavar="FILE")
    ] = ()
    attach: Annotated[
        Texts,
        Option(
            "--attach",
            "-a",
            help="Attach an image, a PDF, a text, or the https URL of an image (repeatable).",
            metavar="FILE",
        ),
    ] = ()
    attach_types: Annotated[
        Texts,
        Option(
            "--attach-type",
            help="Media type of the attachments, where their bytes do not tell.",
            metavar="TYPE",
        ),
    ] = ()
    messages: Annotated[
        str | None,
        Option("--messages", help="Send this JSON array of messages.", metavar="FILE"),
    ] = None
    edit: Annotated[bool, Option("--editor", "-e", help="Write the prompt in your editor.")] = False
    ignore_stdin: Annotated[bool, Option("--ignore-stdin", "-I", help="Do not read stdin.")] = False
    system: Annotated[
        str | None, Option("--system", "-s", help="System prompt.", metavar="TEXT")
    ] = None
    system_file: Annotated[
        str | None, Option("--system-file", help="System prompt's file.", metavar="FILE")
    ] = None
    template: Annotated[
        str | None, Option("--template", "-t", help="Use this template.", metavar="NAME")
    ] = None
    params: Annotated[
        Texts,
        Option(
            "--param", "-p", help="Parameter of the template (repeatable).", metavar="NAME=VALUE"
        ),
    ] = ()

    @property
    def absent(self) -> bool:
        """Nothing was given that could be a prompt, stdin apart."""
        given = (self.words, self.files, self.attach, self.messages, self.edit, self.template)
        return not any(given)

    @property
    def is_stdin(self) -> bool:
        return self.words == (STDIN,)


@dataclass(frozen=True, eq=False, repr=False)
class Sampling(OptionGroup):
    """Which model answers, and how it chooses its words."""

    heading = "Model and sampling"

    model: Annotated[
        str | None, Option("--model", "-m", help="Model id or alias.", metavar="ID")
    ] = None
    temperature: Annotated[
        float | None, Option("--temperature", help="Randomness, 0 to 2.", metavar="X")
    ] = None
    top_p: Annotated[
        float | None, Option("--top-p", help="Nucleus sampling, 0 to 1.", metavar="X")
    ] = None
    max_tokens: Annotated[
        int | None, Option("--max-tokens", help="Most tokens to generate.", metavar="N")
    ] = None
    stop: Annotated[
        Texts, Option("--stop", help="Stop at this text (repeatable).", metavar="TEXT")
    ] = ()
    options: Annotated[
        Texts, Option("--option", "-O", help="Any other field of the API.", metavar="NAME=VALUE")
    ] = ()

    def settings(self) -> dict[str, Any]:
        """The options that are settings too and fields of the API; None if not given."""
        return {
            "temperature": self.temperature,
            "top_p": self.top_p,
            "max_tokens": self.max_tokens,
            "stop": list(self.stop) or None,
        }


@dataclass(frozen=True, eq=False, repr=False)
class Conversation(OptionGroup):
    """What the call continues, and whether it is kept."""

    heading = "Conversation"

    continue_last: Annotated[
        bool, Option("--continue", "-c", help="Go on with the profile's last conversation.")
    ] = False
    named: Annotated[
        str | None,
        Option("--conversation", help="Go on with this one, or start it.", metavar="NAME"),
    ] = None
    log: Annotated[
        Switch,
        Option(
            "--log/--no-log", " /-n", help="Keep the call in the history (default on a terminal)."
        ),
    ] = None

    @property
    def continues(self) -> bool:
        return self.continue_last or self.named is not None

    def kept(self, run: Runtime, settings: Settings) -> bool:
        """Whether the call goes into the history.

        Never by itself in a pipe: people pipe secrets, and opening the history costs start-up.
        """
        if self.log is not None:
            return self.log
        if settings.history != "auto":
            return settings.history == "on"
        return self.continues or run.terminal.stdout_tty

    def check(self, *, json: bool) -> None:  # noqa: ARG002 - nothing here is about --json
        if self.continue_last and self.named is not None:
            raise UsageError("-c and --conversation exclude each other")
        if self.log is False and self.continues:
            raise UsageError(
                "-n keeps nothing, so there is no conversation to go on with",
                hint="leave out -n, or -c and --conversation",
            )


@dataclass(frozen=True, eq=False, repr=False)
class Output(OptionGroup):
    """Where the answer goes, and what is told about it."""

    heading = "Output"

    stream: Annotated[
        Switch,
        Option("--stream/--no-stream", help="Print as it comes (default), or at the end."),
    ] = None
    file: Annotated[
        str | None, Option("--output", "-o", help="Write the answer to this file.", metavar="FILE")
    ] = None
    usage: Annotated[bool, Option("--usage", "-u", help="Show tokens and seconds on stderr.")] = (
        False
    )
    reasoning: Annotated[
        str, Option("--reasoning", help="Reasoning, on stderr.", metavar="hide|show")
    ] = "hide"
    render: Annotated[
        Switch,
        Option("--render/--no-render", help="Markdown (default on a terminal), or as sent."),
    ] = None

    @property
    def to_stdout(self) -> bool:
        return self.file in {None, "-"}

    def streams(self, run: Runtime) -> bool:
        return self.stream if self.stream is not None else not run.json

    def check(self, *, json: bool) -> None:  # noqa: ARG002 - it goes with each of these
        check_output_name(self.file)
        if self.reasoning not in {"hide", "show"}:
            raise UsageError("--reasoning takes hide or show")


@dataclass(frozen=True, eq=False, repr=False)
class Checks(OptionGroup):
    """What the answer must be; nothing of one that is not reaches stdout."""

    heading = "Checked answers"

    extract: Annotated[
        bool, Option("--extract", "-x", help="Print the first fenced code block alone.")
    ] = False
    extract_last: Annotated[
        bool, Option("--extract-last", help="Print the last fenced code block alone.")
    ] = False
    schema: Annotated[
        str | None,
        Option(
            "--schema",
            help='Answer in JSON of this schema: a file, JSON, or "name, age int".',
            metavar="SCHEMA",
        ),
    ] = None
    schema_retries: Annotated[
        int,
        Option(
            "--schema-retries",
            help="How often an invalid answer is asked for again.",
            metavar="N",
            min=0,
            max=20,
        ),
    ] = 0
    fail_on_length: Annotated[
        bool,
        Option("--fail-on-length", help="Exit 11 where the token limit cut the answer."),
    ] = False

    @property
    def extracts(self) -> bool:
        return self.extract or self.extract_last

    @property
    def need_text(self) -> bool:
        """The answer is not printed as it comes: what is made of it is, afterwards."""
        return self.extracts or self.schema is not None

    def read_schema(self, read_stdin: Callable[[], bytes]) -> Schema | None:
        """The schema that the option names. Raises UsageError."""
        if self.schema is None:
            return None
        from ocx.answer.schema import read_schema  # jsonschema, only for --schema

        return read_schema(self.schema, read_stdin)

    def check(self, *, json: bool) -> None:
        if json and self.need_text:
            form = "--schema" if self.schema is not None else "--extract"
            raise UsageError(f"--json and {form} exclude each other")
        if self.extract and self.extract_last:
            raise UsageError("--extract and --extract-last exclude each other")
        if self.extracts and self.schema is not None:
            raise UsageError("--schema and --extract exclude each other")
        if self.schema_retries and self.schema is None:
            raise UsageError("--schema-retries is about --schema, which is missing")


@dataclass(frozen=True, eq=False, repr=False)
class CreditLimits(OptionGroup):
    """What the call may cost, and what it did."""

    heading = "Credits"

    cost: Annotated[
        bool, Option("--cost", help="Show the credits that the call took on stderr.")
    ] = False
    min_balance: Annotated[
        str | None,
        Option(
            "--min-balance",
            help="Exit 12, send nothing, where fewer credits are left.",
            metavar="N",
        ),
    ] = None

    @property
    def given(self) -> bool:
        """`""` is given too: a variable that is not set must not lift a limit."""
        return self.cost or self.min_balance is not None


@dataclass(frozen=True, eq=False, repr=False)
class Look(OptionGroup):
    """What is done with the request instead of sending it."""

    heading = "Look, send nothing"

    dry_run: Annotated[bool, Option("--dry-run", help="Print the request, send nothing.")] = False
    snippet: Annotated[
        str | None,
        Option(
            "--snippet",
            help="Print the request as a program.",
            metavar="curl|powershell|python|node",
        ),
    ] = None
    save_template: Annotated[
        str | None,
        Option(
            "--save-template", help="Keep these flags as a template, send nothing.", metavar="NAME"
        ),
    ] = None

    @property
    def shows_request(self) -> bool:
        return self.dry_run or self.snippet is not None

    def check(self, *, json: bool) -> None:
        if json and self.shows_request:
            raise UsageError("--json excludes --dry-run and --snippet")
