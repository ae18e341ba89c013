"""From what was typed to the request: the settings, messages and fields of one call."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple

from ocx.chat.messages import STDIN, Message, StdinClaims, chat_body, join, read_file
from ocx.chat.options import AnswerChecks, Instructions, ModelOptions, PromptOptions
from ocx.chat.parameters import parse_options, reads_stdin
from ocx.config.settings import Settings
from ocx.decoding import FLAG, check_encoding, decode
from ocx.errors import UsageError
from ocx.runtime import Runtime

if TYPE_CHECKING:
    from ocx.chat.templates import Rendered, Template


class Request(NamedTuple):
    """What a call will send, before the conversation that it continues is known.

    Attributes:
        messages: what is new: the user's message, or all of --messages.
        system: the system prompt; `system_given` tells whether the call asked for it.
        model_given: the call names a model, so the conversation's is not taken.
        options: fields of the body besides those of the settings.
        count_tokens: ask a stream for its usage, which it tells only if asked.
    """

    settings: Settings
    messages: Sequence[Message]
    system: str | None
    system_given: bool
    model_given: bool
    options: Mapping[str, Any]
    count_tokens: bool = False

    def body(self, previous: Sequence[Message] = ()) -> dict[str, Any]:
        """The body of the call that follows `previous`.

        Raises:
            UsageError: a field is out of its range.
        """
        body = chat_body(self.settings, self._all(previous), self.options)
        if self.count_tokens and "stream_options" not in body:
            body["stream_options"] = {"include_usage": True}
        return body

    def with_model(self, model: str) -> Request:
        return self._replace(settings=replace(self.settings, model=model))

    def continuing(self, previous: Sequence[Message], model: str | None) -> Request:
        """A conversation goes on with its model, unless the call names one."""
        if not previous or model is None or self.model_given:
            return self
        return self.with_model(model)

    def _all(self, previous: Sequence[Message]) -> list[Message]:
        messages = [*previous, *self.messages]
        has_system = bool(messages) and messages[0].get("role") == "system"
        if self.system is None or (has_system and not self.system_given):
            return messages
        # A conversation and a file of messages have their own; the profile's is for new ones.
        head: Message = {"role": "system", "content": self.system}
        return [head, *(messages[1:] if has_system else messages)]


def prepare(
    run: Runtime, prompt: PromptOptions, sampling: ModelOptions, checks: AnswerChecks
) -> Request:
    """Read files, stdin and templates, and resolve the settings.

    Raises:
        UsageError: an option or a file that it names is wrong, or there is no prompt.
        ConfigError: a setting or a template is.
    """
    stdin = _Stdin(run, prompt, sampling, checks)
    template = find_template(run, prompt)
    request = prepare_settings(run, prompt, sampling, template)
    before = ""
    if template is not None:
        rendered = _rendered(prompt, template, stdin)
        before = rendered.prompt or ""
        if not request.system_given:
            request = _with_system(request, rendered.system)
    return _with_messages(run, prompt, request, before, stdin)


def prepare_settings(
    run: Runtime,
    given: PromptOptions | Instructions,
    sampling: ModelOptions,
    template: Template | None = None,
) -> Request:
    """The same without a message: what a session begins with, and what the rows of a batch share.

    Args:
        template: its model and options hold where no option is given; its texts are not used.
    """
    return _with_system(_request(run, sampling, template), _system(run, given))


class _Stdin:
    """stdin as the prompt, or a part of it; it can be read once."""

    def __init__(
        self, run: Runtime, prompt: PromptOptions, sampling: ModelOptions, checks: AnswerChecks
    ) -> None:
        """Find out who claims it.

        Raises:
            UsageError: two do.
        """
        claims = ["the prompt -"] if prompt.is_stdin else []
        claims += ["-f -" for name in prompt.files if name == STDIN]
        claims += ["-a -" for name in prompt.attach if name == STDIN]
        claims += ["-O NAME=@-"] if reads_stdin(sampling.options) else []
        named = {
            "--system-file": prompt.system_file,
            "--messages": prompt.messages,
            "--schema": checks.schema,
            "--tools": sampling.tools,
            "--key-file": run.flags.get("key_file"),
        }
        claims += [f"{flag} -" for flag, value in named.items() if value == STDIN]
        StdinClaims(tuple(claims)).check()
        piped = run.terminal.stdin_piped and not prompt.ignore_stdin
        self._run = run
        self._encoding = check_encoding(prompt.encoding)
        self._meant = prompt.is_stdin or (piped and not claims)

    def read(self, *, announce: bool) -> str | None:
        """All of it; None if it is not meant for the prompt, or was read.

        Args:
            announce: tell a person that it is waited for.

        Raises:
            UsageError: it is not UTF-8, or cannot be read.
        """
        if not self._meant:
            return None
        self._meant = False
        note = partial(self._run.note, "waiting for stdin; use -I to ignore it")
        data = self._run.read_stdin(note if announce else None)
        return decode(data, "stdin", self._encoding, flag=FLAG)


def _request(run: Runtime, sampling: ModelOptions, template: Template | None) -> Request:
    flags = sampling.settings()
    model = sampling.model or (template.model if template else None)
    settings = run.settings(model=model, fallback_models=sampling.fallback_models, **flags)
    read_stdin = run.read_stdin
    tools = _tools(sampling, read_stdin)
    options = {**parse_options(sampling.options, {**flags, **tools}, read_stdin), **tools}
    if template is not None:
        ours = {name for name, value in flags.items() if value is not None}
        options = {**{k: v for k, v in template.options.items() if k not in ours}, **options}
    return Request(settings, (), settings.system, False, model is not None, options)


def _tools(sampling: ModelOptions, read_stdin: Callable[[], bytes]) -> dict[str, Any]:
    """The fields of --tools and --tool-choice."""
    if sampling.tools is None:
        if sampling.tool_choice is not None:
            raise UsageError("--tool-choice is about --tools, which is missing")
        return {}
    from ocx.chat.messages import read_tools, tool_choice  # only for --tools

    tools = read_tools(sampling.tools, read_stdin)
    if sampling.tool_choice is None:
        return {"tools": tools}
    return {"tools": tools, "tool_choice": tool_choice(sampling.tool_choice, tools)}


def refuse_several(run: Runtime, options: Mapping[str, Any]) -> None:
    """Refuse to ask for answers of which only the first could be printed.

    Raises:
        UsageError: `n` is more than one, without --json.
    """
    if options.get("n") not in {None, 1} and not run.json:
        raise UsageError(
            "n asks for several answers, and only one can be printed as text",
            hint="--json prints all of them, as sent",
        )


def _system(run: Runtime, prompt: PromptOptions | Instructions) -> str | None:
    """--system-file, else --system; None if neither was given."""
    if prompt.system_file is None:
        return prompt.system
    if prompt.system is not None:
        raise UsageError("--system and --system-file exclude each other")
    return read_file(prompt.system_file, run.read_stdin)


def _with_system(request: Request, system: str | None) -> Request:
    return request if system is None else request._replace(system=system, system_given=True)


def _with_messages(
    run: Runtime, prompt: PromptOptions, request: Request, before: str, stdin: _Stdin
) -> Request:
    messages: list[Message] = []
    if prompt.messages is not None:
        request, messages = _read_messages(run, prompt.messages, request)
    text = _text(run, prompt, before, stdin)
    if prompt.edit:
        from ocx.editor import edit_text  # only for -e

        text = edit_text(run, text)
    content: Any = text
    if prompt.attach or prompt.attach_types:
        from ocx.chat.attach import content as joined  # with base64
        from ocx.chat.attach import read_attachments

        encoding = check_encoding(prompt.encoding)
        parts = read_attachments(
            prompt.attach, prompt.attach_types, run.read_stdin, encoding=encoding
        )
        content = joined(text, parts)
    if content if isinstance(content, list) else content.strip():
        messages.append({"role": "user", "content": content})
    elif not messages:
        raise UsageError("there is no prompt", hint='give one: ocx chat "…", -f FILE, or a pipe')
    return request._replace(messages=messages)


def _text(run: Runtime, prompt: PromptOptions, before: str, stdin: _Stdin) -> str:
    """The template's text, the words, each file, then stdin."""
    parts = [before, "" if prompt.is_stdin else " ".join(prompt.words)]
    encoding = check_encoding(prompt.encoding)
    parts += [read_file(name, run.read_stdin, encoding, flag=FLAG) for name in prompt.files]
    return join([*parts, stdin.read(announce=bool(prompt.words)) or ""])


def _read_messages(run: Runtime, name: str, request: Request) -> tuple[Request, list[Message]]:
    """The messages of a file; its other fields hold if no option does."""
    from ocx.chat.messages import parse_messages

    given = parse_messages(read_file(name, run.read_stdin), name)
    fields = dict(given.fields)
    model = fields.pop("model", None)
    if isinstance(model, str) and not request.model_given:
        request = request.with_model(model)._replace(model_given=True)
    from_flag = request.settings.from_flag
    fields = {k: v for k, v in fields.items() if not from_flag(k) and k not in request.options}
    # A stored request is complete: the profile's system prompt does not belong to it.
    system = request.system if request.system_given else None
    return (
        request._replace(options={**fields, **request.options}, system=system),
        list(given.messages),
    )


def find_template(run: Runtime, prompt: PromptOptions | Instructions) -> Template | None:
    """The template of -t.

    Raises:
        UsageError: there is none of that name, or -p stands without one.
        ConfigError: it is broken.
    """
    if prompt.template is None:
        if prompt.params:
            raise UsageError("-p sets a parameter of a template", hint="name one with -t")
        return None
    from ocx.chat.templates import load_template  # tomllib, only for -t
    from ocx.config.paths import config_dir

    return load_template(config_dir(run.terminal.env) / "templates", prompt.template)


def _rendered(prompt: PromptOptions, template: Template, stdin: _Stdin) -> Rendered:
    from ocx.chat.templates import parse_params, render

    text = stdin.read(announce=True) if template.takes_stdin else None
    return render(template, parse_params(prompt.params), text)
