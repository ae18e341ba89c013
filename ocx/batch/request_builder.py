"""From the fields of a record to the request that is sent; columns are checked before any row."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache, partial
from typing import Any

from ocx.api.types import API_FIELDS
from ocx.batch.records import Record
from ocx.batch.row import CHAT_PATH, BadRow, Row, line_id, read_expectation
from ocx.chat.placeholders import fill, is_parameter, join, known_as, written
from ocx.chat.templates import STDIN_NAME, Template
from ocx.errors import OcxError, UsageError
from ocx.text import did_you_mean, nearest

_OF_THE_ROW = frozenset({"id", "custom_id", "expect"})
_DECIDED_HERE = ("stream", "stream_options")
_PROMPT_OPTIONS = API_FIELDS - {"messages", *_DECIDED_HERE}
_LIMITS = ("max_tokens", "max_completion_tokens")
_MAX_ID = 512
_FEW, _MANY = 8, 20


@dataclass
class RequestBuilder:
    """What all rows of a run share.

    Attributes:
        defaults: fields of the body for rows that do not set them, the model among them.
        system: for rows without a system message.
        template: makes the prompt from the row's fields; its options and model are not looked
            at, since they belong to `defaults`.
        id_column: the field that holds the id, instead of `custom_id` or `id`.
        attach_field: the field that names a file (or several) to attach.
    """

    defaults: Mapping[str, Any] = field(default_factory=dict)
    system: str | None = None
    template: Template | None = None
    id_column: str | None = None
    attach_field: str | None = None

    def __post_init__(self) -> None:
        template = self.template or Template("PROMPT")
        # Kept: the rows of an input have the same few names of fields.
        self._places_of = lru_cache(64)(partial(_places, template))

    def build(self, record: Record | BadRow) -> Row | BadRow:
        """The request of a record; never raises."""
        if isinstance(record, BadRow):
            return record
        line, fields, unchecked = record
        row_id = line_id(line)
        try:
            row_id = self._id(line, fields)
            path, body = self._request(fields)
            expect = read_expectation(fields)
            if unchecked:
                _check_json(body)
        except OcxError as error:
            return BadRow(row_id, line, error.message, fields)
        return Row(row_id, line, body, path, fields, expect)

    def _id(self, line: int, fields: Mapping[str, Any]) -> str:
        if self.id_column is None:
            value = fields.get("custom_id")
            value = fields.get("id") if value is None else value
            if value is None:
                return line_id(line)
        elif (column := known_as(self.id_column, fields)) is not None:
            value = fields[column]
        else:
            raise UsageError(f"has no field {self.id_column} for the id")
        if isinstance(value, bool) or not isinstance(value, str | int):
            raise UsageError("has an id that is neither a text nor a whole number")
        text = str(value)
        if not text.strip():
            raise UsageError("has an empty id")
        if len(text) > _MAX_ID:
            raise UsageError(f"has an id of more than {_MAX_ID} characters")
        return text

    def _request(self, fields: Mapping[str, Any]) -> tuple[str, dict[str, Any]]:
        if self.template is not None:
            return CHAT_PATH, self._rendered(self.template, fields)
        if isinstance(fields.get("body"), dict):
            path = _path(fields)
            return path, self._complete(fields["body"], chat=path == CHAT_PATH)
        if "messages" in fields:
            body = {name: value for name, value in fields.items() if name not in _OF_THE_ROW}
            return CHAT_PATH, self._complete(body)
        prompt = fields.get("prompt")
        if not isinstance(prompt, str) or not prompt.strip():
            raise UsageError(
                "holds no body, messages or prompt; give a PROMPT with $NAME for its fields:"
                f" {_listed(fields, _FEW, ', …')}"
            )
        own = {name: fields[name] for name in fields if name in _PROMPT_OPTIONS}
        return CHAT_PATH, self._prompted(fields, prompt, fields.get("system"), own)

    def _rendered(self, template: Template, fields: Mapping[str, Any]) -> dict[str, Any]:
        values = dict(template.defaults)
        places = self._places_of(tuple(fields))
        for name, field_name in places.items():
            if field_name in fields:
                values[name] = as_text(fields[field_name])
            elif name not in values:
                missing = _missing_fields(template, fields)
                near = did_you_mean(missing[0], fields)
                others = f"; its fields: {_listed(fields, _FEW, ', …')}"
                raise UsageError(f"has no field {', '.join(missing)}{near or others}")
        system = None if template.system is None else fill(template.system, values)
        prompt = fill(template.prompt or "", values)
        if not places:
            prompt = join([prompt, as_text(fields.get("prompt"))])
        return self._prompted(fields, prompt, system, {})

    def _prompted(
        self, fields: Mapping[str, Any], prompt: str, system: Any, own: Mapping[str, Any]
    ) -> dict[str, Any]:
        content: Any = prompt
        column = known_as(self.attach_field, fields) if self.attach_field else None
        if column and fields[column]:
            content = _attached(prompt, fields[column])
        if isinstance(content, str) and not content.strip():
            raise UsageError("has an empty prompt")
        messages: list[dict[str, Any]] = [{"role": "user", "content": content}]
        if isinstance(system, str) and system:
            messages.insert(0, {"role": "system", "content": system})
        return self._complete({**own, "messages": messages})

    def _complete(self, body: Mapping[str, Any], *, chat: bool = True) -> dict[str, Any]:
        own = {name: value for name, value in body.items() if name not in _DECIDED_HERE}
        if not chat:
            return {**{k: v for k, v in self.defaults.items() if k == "model"}, **own}
        messages = own.get("messages")
        if not isinstance(messages, list) or not messages:
            raise UsageError("has no messages")
        for message in messages:
            if not isinstance(message, dict):
                raise UsageError("has a message that is not an object")
        defaults = self.defaults
        if any(name in own for name in _LIMITS):
            defaults = {k: v for k, v in defaults.items() if k not in _LIMITS}
        if self.system is not None and not any(
            message.get("role") in {"system", "developer"} for message in messages
        ):
            own["messages"] = [{"role": "system", "content": self.system}, *messages]
        return {**defaults, **own}


def as_text(value: Any) -> str:
    """A field as it stands in a prompt: texts as they are, null as nothing, the rest as JSON."""
    if isinstance(value, str):
        return value
    return "" if value is None else json.dumps(value, ensure_ascii=False)


def check_columns(builder: RequestBuilder, columns: Sequence[str], name: str) -> None:
    """Check that the rows of a table, all alike, can become requests of their own.

    Args:
        columns: those of the file `name`; none if its header is wrong.

    Raises:
        UsageError: a column that is named is not there, or none is named.
    """
    if not columns:
        return  # what is wrong with the header is told with its line
    template = builder.template
    listed = _listed(columns, _MANY, f", and {len(columns) - _MANY} more")
    missing = _missing_fields(template, columns) if template is not None else []
    others = (builder.id_column, builder.attach_field)
    missing += [column for column in others if column and not known_as(column, columns)]
    if missing:
        found = nearest(missing[0], columns)
        hint = "$$ stands for a dollar sign, ${ANY NAME} for any column"
        if found is not None:
            hint = f"did you mean {found if missing[0] in others else written(found)}?"
        word = "column" if len(missing) == 1 else "columns"
        raise UsageError(
            f"{name} has no {word} {', '.join(missing)}; its columns: {listed}", hint=hint
        )
    if builder.attach_field is not None or {"prompt", "messages", "body"} & {*columns}:
        return
    example = written(next((c for c in reversed(columns) if is_parameter(c)), columns[-1]))
    if template is None:
        raise UsageError(
            f"{name} has no column prompt, and there is no PROMPT; its columns: {listed}",
            hint=f"give one that names a column, for example 'Summarize: {example}'",
        )
    if not {*columns}.intersection(_places(template, columns).values()):
        raise UsageError(
            f"the prompt names no column of {name}, so that each row would ask the same;"
            f" its columns: {listed}",
            hint=f"name one, for example 'Summarize: {example}'",
        )


def _check_json(body: Mapping[str, Any]) -> None:
    try:
        json.dumps(body, ensure_ascii=False, allow_nan=False).encode()
    except UnicodeEncodeError:
        raise UsageError("holds half a surrogate pair, which is not UTF-8") from None
    except (TypeError, ValueError, RecursionError) as error:
        raise UsageError(f"cannot be JSON: {error}") from None


def _missing_fields(template: Template, names: Collection[str]) -> list[str]:
    """The places of the template that neither the fields `names` nor its defaults fill."""
    known = {*names, *template.defaults}
    return [name for name in _places(template, names).values() if name not in known]


def _places(template: Template, names: Collection[str]) -> dict[str, str]:
    """Its places, each with its field: `$stdin` is `prompt`, unless there is one of that name."""
    places = template.places_of(names)
    return {n: "prompt" if n == STDIN_NAME and n not in names else n for n in places}


def _listed(names: Iterable[str], most: int, more: str) -> str:
    found = list(names)
    return ", ".join(found[:most]) + (more if len(found) > most else "")


def _path(fields: Mapping[str, Any]) -> str:
    method = fields.get("method", "POST")
    if method != "POST":
        raise UsageError(f"has the method {method!r}; a batch sends POST only")
    url = fields.get("url", "/v1/chat/completions")
    if not isinstance(url, str) or not url.startswith("/"):
        raise UsageError("has a url that does not begin with /, like /v1/chat/completions")
    return _below_base_url(url)


@lru_cache(16)
def _below_base_url(url: str) -> str:
    path = url.removeprefix("/v1") if url.startswith("/v1/") else url
    if "?" in path or "#" in path or {"", ".", ".."} & set(path.split("/")[1:]):
        raise UsageError(f"has the url {url!r}, which is not a plain path")
    return path


def _attached(prompt: str, value: Any) -> Any:
    from ocx.chat.attach import content, read_attachments  # base64, only for --attach-field

    sources = value if isinstance(value, list) else [value]
    if not all(isinstance(source, str) and source != "-" for source in sources):
        raise UsageError("has an attachment that is not a file name or URL")
    return content(prompt, read_attachments(sources, (), bytes))
