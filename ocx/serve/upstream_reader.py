"""Read the events, documents and errors of an OpenAI-compatible upstream; no I/O."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from itertools import pairwise
from typing import Any

from ocx.api.answer import is_whole, later, reason_of, reason_of_whole
from ocx.api.error_response import from_document, from_response
from ocx.api.message import index_of
from ocx.api.prices import cached_tokens, token_counts
from ocx.secret import Secret, StreamMask, mask_keys
from ocx.serve.answer import ForwardedDocument, ForwardedEvent
from ocx.serve.openai_format import ApiError, Usage, dump, retry_headers
from ocx.serve.request import said_beside, texts_of
from ocx.text import compact, loads, map_texts

# What the client did wrong is told to the client; what we did wrong at the upstream, its refusing
# our key or our empty account there, is a fault of this gateway.
_MAPPED = {400: 400, 404: 404, 413: 413, 415: 400, 422: 400, 429: 429, 503: 503, 504: 504, 408: 504}
_MOST_TOKENS = 2**31
_WHOLE = frozenset(
    "id index finish_reason format message name native_finish_reason role type".split()
)
"""Fields that no server sends in pieces."""
_DEEPEST = 16
_LONGEST_WAIT = 86400.0
_Place = tuple[str | int, ...]


class Reader:
    """Reads one answer of an upstream. Its keys are masked, also where they come in pieces."""

    def __init__(self, keys: Sequence[Secret] = ()) -> None:
        self._keys = [key for key in keys if key.is_secret()]
        self._hooks = {"parse_int": self._number(int), "parse_float": self._number(float)}
        self._masks: dict[_Place, StreamMask] = {}
        self._spoken = False  # a delta has brought text

    def event(self, data: str, *, usage_wanted: bool) -> ForwardedEvent:
        """Read one event of a stream.

        Raises:
            ApiError: 502: it is not a chunk, or it is an error.
        """
        document, changed = self._read(data)
        usage = read_usage(document.get("usage"))
        choices = document.get("choices")
        choices = choices if isinstance(choices, list) else []
        finish, text_bytes = None, 0
        for at, choice in enumerate(choices):
            if isinstance(choice, dict):
                found = _text_bytes(choice.get("delta"))
                self._spoken = self._spoken or found > 0
                # A message that repeats what deltas said brings nothing new.
                text_bytes += found if self._spoken else _text_bytes(choice.get("message"))
                reason = reason_of(choice)
                finish = later(finish, reason)
                changed |= bool(self._keys) and self._masked(at, choice, last=reason is not None)
        hidden = usage is not None and not choices and not usage_wanted
        data = compact(document) if changed else data
        return ForwardedEvent(data, text_bytes, finish, usage, hidden)

    def document(self, body: bytes) -> ForwardedDocument:
        """Read a whole answer.

        Raises:
            ApiError: 502: it is not an answer, or it is an error inside a 200.
        """
        document, changed = self._read(body.decode("utf-8", "replace"))
        choices = document.get("choices")
        if not isinstance(choices, list) or not choices:
            raise broken("the upstream sent no answer: it has no choices")
        spoken = [choice for choice in choices if isinstance(choice, dict)]
        text_bytes = sum(_text_bytes(choice.get("message")) for choice in spoken)
        whole = all(is_whole(reason_of_whole(choice)) for choice in spoken)
        sent = dump(document) if changed else body
        return ForwardedDocument(sent, text_bytes, read_usage(document.get("usage")), whole)

    def _read(self, text: str) -> tuple[dict[str, Any], bool]:
        """The document without keys, and whether there were any."""
        changed = mask_keys(text, self._keys) != text
        try:
            document = loads(text, **self._hooks if changed else {})
        except ValueError as error:
            raise broken("the upstream sent what is not JSON") from error
        if not isinstance(document, dict):
            raise broken("the upstream sent JSON that is no object")
        if failure := from_document(document, {}, keys=self._keys):
            raise ApiError(502, f"the upstream failed: {failure.message}", "upstream_error")
        if changed:
            # In its texts: the end of a key may be what JSON is made of, a quotation mark.
            document = map_texts(document, lambda each: mask_keys(each, self._keys))
        return document, changed

    def _number(self, kind: Callable[[str], Any]) -> Callable[[str], Any]:
        """Reads a number; one that spells a key is a text."""
        return lambda text: text if mask_keys(text, self._keys) != text else kind(text)

    def _masked(self, at: int, choice: dict[str, Any], *, last: bool) -> bool:
        """Mask the texts of a choice by what came before; whether that changed any."""
        changed = False
        for place, holder, name in _texts(choice, (index_of(choice, at),)):
            stream = self._masks.setdefault(place, StreamMask(self._keys))
            text = stream.feed(holder[name])
            changed |= text != holder[name]
            holder[name] = text
        if last:
            for place, stream in self._masks.items():
                if place[0] == index_of(choice, at) and (text := stream.end()):
                    with suppress(AttributeError, TypeError):  # its place is no text any more
                        _add(choice, place[1:], text)
                    changed = True
        return changed


def _texts(value: Any, path: _Place) -> Iterator[tuple[_Place, Any, Any]]:
    """Each text that the next event may go on with: its place, what holds it, and where."""
    if isinstance(value, dict):
        items: Iterable[tuple[Any, Any, Any]] = ((name, name, value[name]) for name in value)
    elif isinstance(value, list):
        items = ((at, index_of(item, at), item) for at, item in enumerate(value))
    else:
        return
    for key, step, item in items:
        if key in _WHOLE:
            continue
        if isinstance(item, str):
            yield (*path, step), value, key
        elif len(path) < _DEEPEST:
            yield from _texts(item, (*path, step))


def _add(value: Any, path: _Place, text: str) -> None:
    """Add text at a place of `_texts`, which is made if it is not there."""
    for step, following in pairwise(path):
        if isinstance(value, list):
            found = next((i for at, i in enumerate(value) if index_of(i, at) == step), None)
            if found is None:
                found = {"index": step}
                value.append(found)
            value = found
        else:
            inside: Any = [] if isinstance(following, int) else {}
            if not isinstance(value.get(step), type(inside)):
                value[step] = inside
            value = value[step]
    step = path[-1]
    if isinstance(value, list):
        value.append(text)
    else:
        value[step] = (value.get(step) or "") + text


def read_usage(value: Any) -> Usage | None:
    """The usage, if both counts are there and are counts."""
    prompt, completion = token_counts(value)
    if prompt is None or completion is None or max(prompt, completion) >= _MOST_TOKENS:
        return None
    return Usage(prompt, completion, cached_tokens(value) or 0)


def refusal(
    status: int, headers: Mapping[str, str], body: bytes, keys: Sequence[Secret] = ()
) -> ApiError:
    """What a client is told if the upstream answered with an error; `keys` are masked."""
    error = from_response(status, headers, body, keys=keys)
    message = f"the upstream answered {error.message.removeprefix('HTTP ')}"
    wait = error.retry_after if status == 429 else None
    kept = {} if wait is None else retry_headers(min(wait, _LONGEST_WAIT))
    return ApiError(_MAPPED.get(status, 502), message, f"upstream_{status}", headers=kept)


def broken(message: str) -> ApiError:
    return ApiError(502, message, "upstream_broken")


def _text_bytes(spoken: Any) -> int:
    """Bytes of text, reasoning and tool calls in a delta or a message."""
    if not isinstance(spoken, dict):
        return 0
    texts = (*texts_of(spoken.get("content")), *said_beside(spoken))
    return sum(len(text.encode("utf-8", "surrogatepass")) for text in texts)
