"""The options that shape one call, in groups; each option is declared once, on its field.

A group is a record: the command line fills it, a program can make it by hand.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import field
from typing import TYPE_CHECKING, Literal

from ocx.api.types import API_FIELDS
from ocx.cli import OptionGroup, Switch, Text, Texts, option
from ocx.decoding import STDIN
from ocx.errors import UsageError
from ocx.record import record

if TYPE_CHECKING:
    from ocx.chat.schema import Schema
    from ocx.config.settings import Settings
    from ocx.context import Context

ENCODING = ("--encoding NAME", "Encoding of files and stdin, if not UTF-8: gb18030, utf-16.")


@record
class PromptOptions(OptionGroup):
    """What is asked."""

    heading = "Prompt"

    words: Texts = option("[PROMPT]...", "The prompt; words are joined, - is stdin.", ())
    files: Texts = option("--file -f FILE", "Add this file (repeatable).", ())
    attach: Texts = option(
        "--attach -a FILE",
        "Attach an image, a PDF, a text, or the https URL of an image (repeatable).",
        (),
    )
    attach_types: Texts = option(
        "--attach-type TYPE", "Media type of the attachments, if their bytes do not tell.", ()
    )
    messages: Text = option("--messages FILE", "Send this JSON array of messages.")
    edit: bool = option("--editor -e", "Write the prompt in your editor.", False)
    encoding: Text = option(*ENCODING)
    ignore_stdin: bool = option("--ignore-stdin -I", "Do not read stdin.", False)

    @property
    def is_stdin(self) -> bool:
        return self.words == (STDIN,)


@record
class Instructions(OptionGroup):
    """What stands around a prompt, or around the prompts of many rows."""

    heading = "Prompt"

    system: Text = option("--system -s TEXT", "System prompt.")
    system_file: Text = option("--system-file FILE", "System prompt's file.")
    template: Text = option("--template -t NAME", "Use this template.")
    params: Texts = option("--param -p NAME=VALUE", "Parameter of the template (repeatable).", ())


@record
class ModelOptions(OptionGroup):
    """Which model answers, and how it chooses its words."""

    heading = "Model and sampling"

    model: Text = option("--model -m ID", "Model id or alias.")
    fallback_models: Text = option(
        "--fallback-model A,B", "Ask these in turn if the model is unknown or takes no more."
    )
    temperature: float | None = option("--temperature X", "Randomness, 0 to 2 (API: 1).")
    top_p: float | None = option("--top-p X", "Nucleus sampling, 0 to 1 (API: 1).")
    max_tokens: int | None = option(
        "--max-tokens N", "Maximum number of tokens to generate (API: 4096)."
    )
    stop: Texts = option("--stop TEXT", "Stop at this text (repeatable).", ())
    options: Texts = option(
        "--option -O NAME=VALUE", "Any other field of the API; @FILE reads the value.", ()
    )
    tools: Text = option("--tools TOOLS", "Functions that the model may ask for: a file, or JSON.")
    tool_choice: Text = option(
        "--tool-choice auto|none|required|NAME",
        "Let the model choose, forbid, require or name a function.",
    )

    def settings(self) -> dict[str, object]:
        """The options that are settings too and fields of the API; None if not given."""
        numbers = {name: getattr(self, name) for name in ("temperature", "top_p", "max_tokens")}
        return {**numbers, "stop": list(self.stop) or None}


@record
class ConversationOptions(OptionGroup):
    """What the call continues, and whether it is kept."""

    heading = "Conversation"

    continue_last: bool = option(
        "--continue -c", "Continue the profile's last conversation.", False
    )
    named: Text = option(
        "--conversation NAME",
        "Continue (or start) this conversation; a number of the history, too.",
    )
    log: Switch = option(
        "--log/--no-log /-n", "Keep the call in the history (default on a terminal)."
    )

    @property
    def continues(self) -> bool:
        return self.continue_last or self.named is not None

    def kept(self, ctx: Context, settings: Settings) -> bool:
        """Whether the call goes into the history.

        Never by itself in a pipe: people pipe secrets, and opening the history costs start-up.

        Raises:
            UsageError: a conversation is to be continued, and the history is off.
        """
        if self.log is not None:
            return self.log
        if settings.history == "off" and self.continues:
            raise UsageError(
                f"the history is off (by {settings.sources['history']}), so there is no"
                " conversation to go on with",
                hint="--log keeps this call, and goes on",
            )
        by_itself = settings.history == "auto" and ctx.terminal.stdout_tty
        return by_itself or self.continues or settings.history == "on"

    def check(self, *, json: bool) -> None:  # noqa: ARG002 - nothing here is about --json
        if self.continue_last and self.named is not None:
            raise UsageError("-c and --conversation exclude each other")
        if self.log is False and self.continues:
            raise UsageError(
                "-n keeps nothing, so there is no conversation to go on with",
                hint="leave out -n, or -c and --conversation",
            )


@record
class OutputOptions(OptionGroup):
    """Where the answer goes, and what is told about it."""

    heading = "Output"

    stream: Switch = option("--stream/--no-stream", "Print as it comes (default), or at the end.")
    file: Text = option("--output -o FILE", "Write the answer to this file.")
    usage: bool = option("--usage -u", "Show tokens and seconds on stderr.", False)
    reasoning: Literal["hide", "show", "raw"] = option(
        "--reasoning hide|show|raw",
        "Reasoning, on stderr; raw leaves <think> in the answer.",
        "hide",
    )
    report: Text = option(
        "--report FILE", "Write how the call ended as JSON; - is stdout, with -o."
    )
    render: Switch = option("--render/--no-render", "Markdown (default on a terminal), or as sent.")

    @property
    def to_stdout(self) -> bool:
        return self.file in {None, "-"}

    def streams(self, ctx: Context) -> bool:
        return self.stream if self.stream is not None else not ctx.json

    def check(self, *, json: bool) -> None:  # noqa: ARG002 - it goes with each of these
        check_output_name(self.file)
        check_report(self.report, self.file)


@record
class AnswerChecks(OptionGroup):
    """What the answer must be; nothing of one that is not reaches stdout."""

    heading = "Checked answers"

    extract: bool = option("--extract -x", "Print the first fenced code block alone.", False)
    extract_last: bool = option("--extract-last", "Print the last fenced code block alone.", False)
    schema: Text = option(
        "--schema SCHEMA", 'Answer in JSON of this schema: a file, JSON, or "name, age int".'
    )
    schema_retries: int = option(
        "--schema-retries N", "How often an invalid answer is asked for again.", 0, 0, 20
    )
    fail_on_length: bool = option(
        "--fail-on-length", "Exit 11 if the token limit cut the answer.", False
    )

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

    def check(self, *, json: bool) -> None:  # noqa: ARG002 - a batch has it with each of these
        if self.extract and self.extract_last:
            raise UsageError("--extract and --extract-last exclude each other")
        if self.extracts and self.schema is not None:
            raise UsageError("--schema and --extract exclude each other")
        if self.schema_retries and self.schema is None:
            raise UsageError("--schema-retries is about --schema, which is missing")


@record
class CreditLimits(OptionGroup):
    """What the call may cost, and what it did."""

    heading = "Credits"

    cost: bool = option("--cost", "Show the credits that the call took on stderr.", False)
    min_balance: Text = option(
        "--min-balance N", "Exit 12 without sending if the balance is below N."
    )

    @property
    def given(self) -> bool:
        """An empty string counts: `--min-balance "$UNSET"` is an error, not "no limit"."""
        return self.cost or self.min_balance is not None


@record
class PreviewOptions(OptionGroup):
    """What is done with the request instead of sending it."""

    heading = "Look, send nothing"

    dry_run: bool = option("--dry-run", "Print the request, send nothing.", False)
    snippet: Text = option(
        "--snippet curl|powershell|python|node|openai-python|openai-node",
        "Print the request as a program.",
    )
    save_template: Text = option(
        "--save-template NAME", "Keep these flags as a template, send nothing."
    )
    estimate: bool = option(
        "--estimate", "Print the tokens and the worst cost; exit 12 beside --min-balance.", False
    )

    @property
    def shows_request(self) -> bool:
        return self.dry_run or self.snippet is not None

    @property
    def sends_nothing(self) -> bool:
        return self.shows_request or self.estimate


@record
class ChatOptions(OptionGroup):
    """All options of one call."""

    prompt: PromptOptions = field(default_factory=PromptOptions)
    instructions: Instructions = field(default_factory=Instructions)
    model: ModelOptions = field(default_factory=ModelOptions)
    conversation: ConversationOptions = field(default_factory=ConversationOptions)
    output: OutputOptions = field(default_factory=OutputOptions)
    checks: AnswerChecks = field(default_factory=AnswerChecks)
    credits: CreditLimits = field(default_factory=CreditLimits)
    preview: PreviewOptions = field(default_factory=PreviewOptions)

    @property
    def has_prompt(self) -> bool:
        """Something was given that could be a prompt, stdin apart."""
        given = self.prompt
        typed = given.words or given.files or given.attach or given.messages or given.edit
        return bool(typed or self.instructions.template)

    def check(self, *, json: bool) -> None:
        if json and self.checks.need_text:
            form = "--schema" if self.checks.schema is not None else "--extract"
            raise UsageError(f"--json and {form} exclude each other")
        if json and self.preview.shows_request:
            raise UsageError("--json excludes --dry-run and --snippet")


def check_report(report: str | None, output: str | None, flag: str = "--report") -> None:
    """Refuse a report that would stand in the midst of the answer, or in its place.

    Raises:
        UsageError: it has no file or stream of its own.
    """
    if report is None:
        return
    if report == "-" and output in {None, "-"}:
        hint = "-o FILE takes the answer, or name a file for the report"
        raise UsageError(f"{flag} - is stdout, where the answer goes", hint=hint)
    if output not in {None, "-"} and os.path.realpath(report) == os.path.realpath(output or ""):
        raise UsageError(f"-o and {flag} are one file: {report}", hint="name another file")


def check_output_name(name: str | None) -> None:
    """Refuse `-o temperature`: who writes that means -O.

    Raises:
        UsageError: the name is a field of the API.
    """
    if name in API_FIELDS:
        raise UsageError(
            f"-o names the output file; {name} is a field of the API",
            hint=f"use -O {name}=VALUE (or -o ./{name} for a file of that name)",
        )
