"""From what was typed to the request: the settings, messages and fields of one call."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple

from ocx.chat.options import ChatOptions, Instructions, ModelOptions
from ocx.chat.placeholders import join, parse_options, parse_params, reads_stdin
from ocx.config.schema import BY_NAME, SETTINGS
from ocx.config.settings import Settings
from ocx.config.values import BadValue
from ocx.context import Context
from ocx.decoding import FLAG, STDIN, check_claims, check_encoding, decode, read_file
from ocx.errors import UsageError

if TYPE_CHECKING:
    from ocx.chat.messages import Message
    from ocx.chat.templates import Template


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
        """The body of the call that follows `previous`, without `stream`, which the client adds.

        Raises:
            UsageError: a number is out of its range.
        """
        settings = self.settings
        body: dict[str, Any] = {"model": settings.model, "messages": self._all(previous)}
        for setting in SETTINGS:
            value = getattr(settings, setting.name)
            if setting.sent and value not in {None, ()}:
                body[setting.name] = list(value) if isinstance(value, tuple) else value
        if "max_completion_tokens" in self.options and not settings.from_flag("max_tokens"):
            body.pop("max_tokens", None)  # its successor: servers refuse both in one request
        body.update(self.options)
        _check_ranges(body)
        if self.count_tokens and "stream_options" not in body:
            body["stream_options"] = {"include_usage": True}
        return body

    def with_model(self, model: str) -> Request:
        return self._replace(settings=replace(self.settings, model=model))

    def with_system(self, system: str | None) -> Request:
        return self if system is None else self._replace(system=system, system_given=True)

    def _all(self, previous: Sequence[Message]) -> list[Message]:
        messages = [*previous, *self.messages]
        has_system = messages[:1] and messages[0].get("role") == "system"
        if self.system is None or (has_system and not self.system_given):
            return messages
        # A conversation and a file of messages have their own; the profile's is for new ones.
        head: Message = {"role": "system", "content": self.system}
        return [head, *(messages[1:] if has_system else messages)]


def _check_ranges(body: Mapping[str, Any]) -> None:
    for name in ("temperature", "top_p", "max_tokens"):
        value, kind = body.get(name), BY_NAME[name].type
        try:
            if value is not None:
                kind.check(value)
        except BadValue:
            raise UsageError(f"{name} is {value!r}, but must be {kind.range}") from None


def prepare(ctx: Context, options: ChatOptions) -> Request:
    """Read files, stdin and templates, and resolve the settings.

    Raises:
        UsageError: an option or a file that it names is wrong, or there is no prompt.
        ConfigError: a setting or a template is.
    """
    prompt, instructions = options.prompt, options.instructions
    encoding = check_encoding(prompt.encoding)
    stdin = _stdin_of_prompt(ctx, options, encoding)
    template = find_template(ctx, instructions)
    request = prepare_settings(ctx, instructions, options.model, template)
    before = ""
    if template is not None:
        from ocx.chat.templates import STDIN_NAME, render

        piped = stdin(announce=True) if STDIN_NAME in template.places_of() else None
        filled = render(template, parse_params(instructions.params), piped)
        before = filled.prompt or ""
        if not request.system_given:
            request = request.with_system(filled.system)
    messages: list[Message] = []
    if prompt.messages is not None:
        request, messages = _read_messages(ctx, prompt.messages, request)
    words = "" if prompt.is_stdin else " ".join(prompt.words)
    files = [read_file(name, ctx.read_stdin, encoding, flag=FLAG) for name in prompt.files]
    text = join([before, words, *files, stdin(announce=bool(prompt.words)) or ""])
    if prompt.edit:
        from ocx.process import edit_text, editor  # only for -e

        text = edit_text(editor(ctx.terminal.env, terminal=ctx.terminal.can_ask()), text)
    content: Any = text
    if prompt.attach or prompt.attach_types:
        from ocx.chat import attach  # with base64

        parts = attach.read_attachments(
            prompt.attach, prompt.attach_types, ctx.read_stdin, encoding=encoding
        )
        content = attach.content(text, parts)
    if content if isinstance(content, list) else content.strip():
        messages.append({"role": "user", "content": content})
    elif not messages:
        raise UsageError("there is no prompt", hint='give one: ocx chat "…", -f FILE, or a pipe')
    return request._replace(messages=messages)


def prepare_settings(
    ctx: Context, given: Instructions, chosen: ModelOptions, template: Template | None = None
) -> Request:
    """The same without a message: what a session begins with, and what the rows of a batch share.

    Args:
        template: its model and options hold where no option is given; its texts are not used.
    """
    flags = chosen.settings()
    model = chosen.model or (template.model if template else None)
    settings = ctx.settings(model=model, fallback_models=chosen.fallback_models, **flags)
    tools = _tools(chosen, ctx.read_stdin)
    options = {**parse_options(chosen.options, {**flags, **tools}, ctx.read_stdin), **tools}
    if template is not None:
        kept = {k: v for k, v in template.options.items() if flags.get(k) is None}
        options = {**kept, **options}
    request = Request(settings, (), settings.system, False, model is not None, options)
    if given.system_file is None:
        return request.with_system(given.system)
    if given.system is not None:
        raise UsageError("--system and --system-file exclude each other")
    return request.with_system(read_file(given.system_file, ctx.read_stdin))


def _stdin_of_prompt(
    ctx: Context, options: ChatOptions, encoding: str | None
) -> Callable[..., str | None]:
    """What reads stdin as the prompt or a part of it: None if it is not meant so, or was read.

    Raises:
        UsageError: two options claim it.
    """
    prompt, model = options.prompt, options.model
    claims = ["the prompt -"] if prompt.is_stdin else []
    claims += ["-f -" for name in prompt.files if name == STDIN]
    claims += ["-a -" for name in prompt.attach if name == STDIN]
    claims += ["-O NAME=@-"] if reads_stdin(model.options) else []
    named = {
        "--system-file": options.instructions.system_file,
        "--messages": prompt.messages,
        "--schema": options.checks.schema,
        "--tools": model.tools,
        "--key-file": ctx.flags.get("key_file"),
    }
    claims += [f"{flag} -" for flag, value in named.items() if value == STDIN]
    check_claims(claims)
    piped = ctx.terminal.stdin_piped and not prompt.ignore_stdin
    meant = prompt.is_stdin or (piped and not claims)

    def read(*, announce: bool) -> str | None:
        nonlocal meant
        if not meant:
            return None
        meant = False
        note = partial(ctx.note, "waiting for stdin; use -I to ignore it")
        return decode(ctx.read_stdin(note if announce else None), "stdin", encoding, flag=FLAG)

    return read


def _tools(chosen: ModelOptions, read_stdin: Callable[[], bytes]) -> dict[str, Any]:
    """The fields of --tools and --tool-choice."""
    if chosen.tools is None:
        if chosen.tool_choice is not None:
            raise UsageError("--tool-choice is about --tools, which is missing")
        return {}
    from ocx.chat.messages import read_tools, tool_choice  # only for --tools

    tools = read_tools(chosen.tools, read_stdin)
    if chosen.tool_choice is None:
        return {"tools": tools}
    return {"tools": tools, "tool_choice": tool_choice(chosen.tool_choice, tools)}


def refuse_several(ctx: Context, options: Mapping[str, Any]) -> None:
    """Refuse to ask for answers of which only the first could be printed.

    Raises:
        UsageError: `n` is more than one, without --json.
    """
    if options.get("n") not in {None, 1} and not ctx.json:
        raise UsageError(
            "n asks for several answers, and only one can be printed as text",
            hint="--json prints all of them, as sent",
        )


def _read_messages(ctx: Context, name: str, request: Request) -> tuple[Request, list[Message]]:
    """The messages of a file; its other fields hold if no option does."""
    from ocx.chat.messages import parse_messages  # only for --messages

    messages, fields = parse_messages(read_file(name, ctx.read_stdin), name)
    model = fields.pop("model", None)
    if isinstance(model, str) and not request.model_given:
        request = request.with_model(model)._replace(model_given=True)
    fields = {k: v for k, v in fields.items() if not request.settings.from_flag(k)}
    # A stored request is complete: the profile's system prompt does not belong to it.
    system = request.system if request.system_given else None
    options = {**fields, **request.options}
    return request._replace(options=options, system=system), messages


def find_template(ctx: Context, given: Instructions) -> Template | None:
    """The template of -t.

    Raises:
        UsageError: there is none of that name, or -p stands without one.
        ConfigError: it is broken.
    """
    if given.template is None:
        if given.params:
            raise UsageError("-p sets a parameter of a template", hint="name one with -t")
        return None
    from ocx.chat.templates import load_template  # tomllib, only for -t
    from ocx.config.paths import templates_dir

    return load_template(templates_dir(ctx.terminal.env), given.template)
