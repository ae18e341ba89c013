"""From what was typed to the request: settings, messages and options of one call."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from ocx.call.prompt_sources import Sources, read_prompt, read_system, read_template_stdin
from ocx.config.settings import Settings
from ocx.errors import UsageError
from ocx.prompt.input import STDIN
from ocx.prompt.options import parse_options
from ocx.prompt.request import Message, chat_body
from ocx.runtime import Runtime

if TYPE_CHECKING:
    from ocx.prompt.templates import Rendered, Template


@dataclass(frozen=True)
class Asked:
    """The flags of one call that make its request, as typed."""

    words: tuple[str, ...] = ()
    files: tuple[str, ...] = ()
    ignore_stdin: bool = False
    system: str | None = None
    system_file: str | None = None
    model: str | None = None
    temperature: float | None = None
    top_p: float | None = None
    max_tokens: int | None = None
    stop: tuple[str, ...] = ()
    options: tuple[str, ...] = ()
    attach: tuple[str, ...] = ()
    attach_types: tuple[str, ...] = ()
    messages: str | None = None
    edit: bool = False
    template: str | None = None
    params: tuple[str, ...] = ()
    schema: str | None = None

    @property
    def no_prompt(self) -> bool:
        """Nothing was given that could be a prompt, stdin apart."""
        given = (self.words, self.files, self.attach, self.messages, self.edit, self.template)
        return not any(given)

    def setting_flags(self) -> dict[str, Any]:
        """The flags that are settings too, None where not given."""
        return {
            "temperature": self.temperature,
            "top_p": self.top_p,
            "max_tokens": self.max_tokens,
            "stop": list(self.stop) or None,
        }


@dataclass(frozen=True)
class Request:
    """What a call will send, before the conversation that it continues is known.

    Attributes:
        messages: what is new: the user's message, or all of --messages.
        system: the system prompt; `system_given` tells whether the call asked for it.
        model_given: the call names a model, so the conversation's is not taken.
        options: fields of the body besides those of the settings.
    """

    settings: Settings
    messages: Sequence[Message]
    system: str | None
    system_given: bool
    model_given: bool
    options: Mapping[str, Any]

    def body(self, previous: Sequence[Message] = ()) -> dict[str, Any]:
        """The body of the call that follows `previous`. Raises: UsageError."""
        return chat_body(self.settings, self._all(previous), self.options)

    def with_model(self, model: str) -> Request:
        return replace(self, settings=replace(self.settings, model=model))

    def _all(self, previous: Sequence[Message]) -> list[Message]:
        messages = [*previous, *self.messages]
        has_system = bool(messages) and messages[0].get("role") == "system"
        if self.system is None or (has_system and not self.system_given):
            return messages
        # A conversation and a file of messages have their own; the profile's is for new ones.
        head: Message = {"role": "system", "content": self.system}
        return [head, *(messages[1:] if has_system else messages)]


def prepare(run: Runtime, asked: Asked) -> Request:
    """Read files, stdin and templates, and resolve the settings. Raises UsageError, ConfigError."""
    template = _template(run, asked)
    request = _request(run, asked, template)
    sources = _sources(asked)
    system = read_system(run, sources, asked.system)
    if template is not None:
        rendered = _rendered(run, asked, template, sources)
        sources = replace(sources, before=rendered.prompt or "", stdin_read=template.takes_stdin)
        system = system if system is not None else rendered.system
    return _with_messages(run, asked, sources, _with_system(request, system))


def prepare_settings(run: Runtime, asked: Asked) -> Request:
    """The same without a message: what a session begins with. Raises UsageError, ConfigError."""
    system = read_system(run, _sources(asked), asked.system)
    return _with_system(_request(run, asked, None), system)


def _request(run: Runtime, asked: Asked, template: Template | None) -> Request:
    flags = asked.setting_flags()
    model = asked.model or (template.model if template else None)
    settings = run.settings(model=model, **flags)
    options = parse_options(asked.options, flags)
    if template is not None:
        ours = {name for name, value in flags.items() if value is not None}
        options = {**{k: v for k, v in template.options.items() if k not in ours}, **options}
    return Request(settings, (), settings.system, False, model is not None, options)


def _with_system(request: Request, system: str | None) -> Request:
    return request if system is None else replace(request, system=system, system_given=True)


def _with_messages(run: Runtime, asked: Asked, sources: Sources, request: Request) -> Request:
    messages: list[Message] = []
    if asked.messages is not None:
        request, messages = _read_messages(run, asked.messages, request)
    text = read_prompt(run, sources)
    if asked.edit:
        from ocx.editor import edit_text  # only for -e

        text = edit_text(run, text)
    content: Any = text
    if asked.attach or asked.attach_types:
        from ocx.prompt.attach import content as joined  # with base64
        from ocx.prompt.attach import read_attachments

        parts = read_attachments(asked.attach, asked.attach_types, run.terminal.read_stdin)
        content = joined(text, parts)
    if content if isinstance(content, list) else content.strip():
        messages.append({"role": "user", "content": content})
    elif not messages:
        raise UsageError("there is no prompt", hint='give one: ocx chat "…", -f FILE, or a pipe')
    return replace(request, messages=messages)


def _read_messages(run: Runtime, name: str, request: Request) -> tuple[Request, list[Message]]:
    """The messages of a file; the other fields of a stored request hold where no flag does."""
    from ocx.prompt.input import read_file
    from ocx.prompt.messages import parse_messages

    given = parse_messages(read_file(name, run.terminal.read_stdin), name)
    fields = dict(given.fields)
    model = fields.pop("model", None)
    if isinstance(model, str) and not request.model_given:
        request = replace(request.with_model(model), model_given=True)
    from_flag = request.settings.from_flag
    fields = {k: v for k, v in fields.items() if not from_flag(k) and k not in request.options}
    # A stored request is complete: the profile's system prompt does not belong to it.
    system = request.system if request.system_given else None
    return (
        replace(request, options={**fields, **request.options}, system=system),
        list(given.messages),
    )


def _template(run: Runtime, asked: Asked) -> Template | None:
    if asked.template is None:
        if asked.params:
            raise UsageError("-p sets a parameter of a template", hint="name one with -t")
        return None
    from ocx.config.paths import config_dir
    from ocx.prompt.templates import load_template  # tomllib, only for -t

    return load_template(config_dir(run.terminal.env) / "templates", asked.template)


def _rendered(run: Runtime, asked: Asked, template: Template, sources: Sources) -> Rendered:
    from ocx.prompt.templates import parse_params, render

    stdin = read_template_stdin(run, sources) if template.takes_stdin else None
    return render(template, parse_params(asked.params), stdin)


def _sources(asked: Asked) -> Sources:
    claims = ["-a -" for name in asked.attach if name == STDIN]
    claims += ["--messages -"] if asked.messages == STDIN else []
    claims += ["--schema -"] if asked.schema == STDIN else []
    return Sources(
        asked.words, asked.files, asked.ignore_stdin, asked.system_file, claims=tuple(claims)
    )
