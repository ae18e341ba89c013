"""The options that shape one call, in groups; each option is declared once, on its field.

A group is a record: the command line fills it, a program can make it by hand. Nothing
here knows the parser; `ocx.cli.parameters` translates for it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any

from ocx.chat.messages import STDIN
from ocx.chat.parameters import check_output_name, check_report
from ocx.cli.options import Option, OptionGroup, Switch, Text, Texts
from ocx.errors import UsageError

if TYPE_CHECKING:
    from ocx.chat.schema import Schema
    from ocx.config.settings import Settings
    from ocx.runtime import Runtime


SystemText = Annotated[Text, Option("--system -s TEXT", "System prompt.")]
SystemFile = Annotated[Text, Option("--system-file FILE", "System prompt's file.")]
Encoding = Annotated[
    Text, Option("--encoding NAME", "Encoding of files and stdin, if not UTF-8: gb18030, utf-16.")
]
TemplateName = Annotated[Text, Option("--template -t NAME", "Use this template.")]
Params = Annotated[
    Texts, Option("--param -p NAME=VALUE", "Parameter of the template (repeatable).")
]


@dataclass(frozen=True)
class Instructions(OptionGroup):
    """What stands around the prompts of many rows."""

    heading = "Prompt"

    system: SystemText = None
    system_file: SystemFile = None
    template: TemplateName = None
    params: Params = ()


@dataclass(frozen=True)
class PromptOptions(OptionGroup):
    """What is asked."""

    heading = "Prompt"

    words: Annotated[Texts, Option("[PROMPT]...", "The prompt; words are joined, - is stdin.")] = ()
    files: Annotated[Texts, Option("--file -f FILE", "Add this file (repeatable).")] = ()
    attach: Annotated[
        Texts,
        Option(
            "--attach -a FILE",
            "Attach an image, a PDF, a text, or the https URL of an image (repeatable).",
        ),
    ] = ()
    attach_types: Annotated[
        Texts,
        Option("--attach-type TYPE", "Media type of the attachments, if their bytes do not tell."),
    ] = ()
    messages: Annotated[Text, Option("--messages FILE", "Send this JSON array of messages.")] = None
    edit: Annotated[bool, Option("--editor -e", "Write the prompt in your editor.")] = False
    encoding: Encoding = None
    ignore_stdin: Annotated[bool, Option("--ignore-stdin -I", "Do not read stdin.")] = False
    system: SystemText = None
    system_file: SystemFile = None
    template: TemplateName = None
    params: Params = ()

    @property
    def absent(self) -> bool:
        """Nothing was given that could be a prompt, stdin apart."""
        given = (self.words, self.files, self.attach, self.messages, self.edit, self.template)
        return not any(given)

    @property
    def is_stdin(self) -> bool:
        return self.words == (STDIN,)


@dataclass(frozen=True)
class ModelOptions(OptionGroup):
    """Which model answers, and how it chooses its words."""

    heading = "Model and sampling"

    model: Annotated[Text, Option("--model -m ID", "Model id or alias.")] = None
    fallback_models: Annotated[
        Text,
        Option(
            "--fallback-model A,B", "Ask these in turn if the model is unknown or takes no more."
        ),
    ] = None
    temperature: Annotated[
        float | None, Option("--temperature X", "Randomness, 0 to 2 (API: 1).")
    ] = None
    top_p: Annotated[float | None, Option("--top-p X", "Nucleus sampling, 0 to 1 (API: 1).")] = None
    max_tokens: Annotated[
        int | None, Option("--max-tokens N", "Maximum number of tokens to generate (API: 4096).")
    ] = None
    stop: Annotated[Texts, Option("--stop TEXT", "Stop at this text (repeatable).")] = ()
    options: Annotated[
        Texts,
        Option("--option -O NAME=VALUE", "Any other field of the API; @FILE reads the value."),
    ] = ()
    tools: Annotated[
        Text, Option("--tools TOOLS", "Functions that the model may ask for: a file, or JSON.")
    ] = None
    tool_choice: Annotated[
        Text, Option("--tool-choice auto|none|required|NAME", "Whether it must ask for one.")
    ] = None

    def settings(self) -> dict[str, Any]:
        """The options that are settings too and fields of the API; None if not given."""
        return {
            "temperature": self.temperature,
            "top_p": self.top_p,
            "max_tokens": self.max_tokens,
            "stop": list(self.stop) or None,
        }


@dataclass(frozen=True)
class ConversationOptions(OptionGroup):
    """What the call continues, and whether it is kept."""

    heading = "Conversation"

    continue_last: Annotated[
        bool, Option("--continue -c", "Continue the profile's last conversation.")
    ] = False
    named: Annotated[
        Text,
        Option(
            "--conversation NAME",
            "Continue (or start) this conversation; a number of the history, too.",
        ),
    ] = None
    log: Annotated[
        Switch,
        Option("--log/--no-log /-n", "Keep the call in the history (default on a terminal)."),
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


@dataclass(frozen=True)
class OutputOptions(OptionGroup):
    """Where the answer goes, and what is told about it."""

    heading = "Output"

    stream: Annotated[
        Switch, Option("--stream/--no-stream", "Print as it comes (default), or at the end.")
    ] = None
    file: Annotated[Text, Option("--output -o FILE", "Write the answer to this file.")] = None
    usage: Annotated[bool, Option("--usage -u", "Show tokens and seconds on stderr.")] = False
    reasoning: Annotated[
        str,
        Option(
            "--reasoning hide|show|raw", "Reasoning, on stderr; raw leaves <think> in the answer."
        ),
    ] = "hide"
    report: Annotated[
        Text, Option("--report FILE", "Write how the call ended as JSON; - is stdout, with -o.")
    ] = None
    render: Annotated[
        Switch, Option("--render/--no-render", "Markdown (default on a terminal), or as sent.")
    ] = None

    @property
    def to_stdout(self) -> bool:
        return self.file in {None, "-"}

    def streams(self, run: Runtime) -> bool:
        return self.stream if self.stream is not None else not run.json

    def check(self, *, json: bool) -> None:  # noqa: ARG002 - it goes with each of these
        check_output_name(self.file)
        check_report(self.report, self.file)
        if self.reasoning not in {"hide", "show", "raw"}:
            raise UsageError("--reasoning takes hide, show or raw")


@dataclass(frozen=True)
class AnswerChecks(OptionGroup):
    """What the answer must be; nothing of one that is not reaches stdout."""

    heading = "Checked answers"

    extract: Annotated[bool, Option("--extract -x", "Print the first fenced code block alone.")] = (
        False
    )
    extract_last: Annotated[
        bool, Option("--extract-last", "Print the last fenced code block alone.")
    ] = False
    schema: Annotated[
        Text,
        Option(
            "--schema SCHEMA", 'Answer in JSON of this schema: a file, JSON, or "name, age int".'
        ),
    ] = None
    schema_retries: Annotated[
        int, Option("--schema-retries N", "How often an invalid answer is asked for again.", 0, 20)
    ] = 0
    fail_on_length: Annotated[
        bool, Option("--fail-on-length", "Exit 11 if the token limit cut the answer.")
    ] = False

    @property
    def extracts(self) -> bool:
        return self.extract or self.extract_last

    @property
    def need_text(self) -> bool:
        """The answer is not printed as it comes: what is made of it is, afterwards."""
        return self.extracts or self.schema is not None

    def read_schema(self, read_stdin: Callable[[], bytes]) -> Schema | None:
        """The schema that the option names.

        Raises:
            UsageError: it is not a schema, or cannot be read.
        """
        if self.schema is None:
            return None
        from ocx.chat.schema import read_schema  # jsonschema, only for --schema

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


@dataclass(frozen=True)
class CreditLimits(OptionGroup):
    """What the call may cost, and what it did."""

    heading = "Credits"

    cost: Annotated[bool, Option("--cost", "Show the credits that the call took on stderr.")] = (
        False
    )
    min_balance: Annotated[
        Text, Option("--min-balance N", "Exit 12 without sending if the balance is below N.")
    ] = None

    @property
    def given(self) -> bool:
        """`""` is given too: a variable that is not set must not lift a limit."""
        return self.cost or self.min_balance is not None


@dataclass(frozen=True)
class PreviewOptions(OptionGroup):
    """What is done with the request instead of sending it."""

    heading = "Look, send nothing"

    dry_run: Annotated[bool, Option("--dry-run", "Print the request, send nothing.")] = False
    snippet: Annotated[
        Text,
        Option(
            "--snippet curl|powershell|python|node|openai-python|openai-node",
            "Print the request as a program.",
        ),
    ] = None
    save_template: Annotated[
        Text, Option("--save-template NAME", "Keep these flags as a template, send nothing.")
    ] = None

    estimate: Annotated[
        bool,
        Option("--estimate", "Print the tokens and the worst cost; exit 12 beside --min-balance."),
    ] = False

    @property
    def shows_request(self) -> bool:
        return self.dry_run or self.snippet is not None

    def check(self, *, json: bool) -> None:
        if json and self.shows_request:
            raise UsageError("--json excludes --dry-run and --snippet")
