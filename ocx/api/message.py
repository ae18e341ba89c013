"""What a message, or a delta of one, holds: text, reasoning, media and tool calls; pure."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from ocx.text import counted, parse

_REASONING = ("reasoning_content", "reasoning")
_MEDIA = ("image", "audio", "video")
_JOINED = ("arguments", "input", "data", "transcript")  # the fields that come in pieces

Call = dict[str, Any]


def index_of(fields: Any, default: int) -> int:
    """`index` if it is a number of this object, else `default`."""
    index = fields.get("index") if isinstance(fields, dict) else None
    return index if isinstance(index, int) else default


def text_of(content: Any) -> str:
    """The text of `content`: a string, null, or OpenAI's list of parts."""
    if isinstance(content, str):
        return content
    if not isinstance(content, list):
        return ""
    parts = (part.get("text") for part in content if isinstance(part, dict))
    return "".join(text for text in parts if isinstance(text, str))


def new_text(before: str, text: str, *, ends: bool) -> str:
    """What a message of a stream adds to those before it: a piece, or all of it so far again.

    Args:
        ends: it is the last one, which may repeat the whole and add nothing.
    """
    repeats = bool(before) and text.startswith(before) and (ends or len(text) > len(before))
    return text[len(before) :] if repeats else text


def reasoning_of(delta: Mapping[str, Any]) -> str:
    """`reasoning_content` (DeepSeek, Qwen) or `reasoning` (OpenRouter): the same text, once."""
    value = delta.get("reasoning_content") or delta.get("reasoning")
    return value if isinstance(value, str) else ""


def media_of(message: Mapping[str, Any]) -> dict[str, int]:
    """How many images, sounds and videos there are, by kind.

    They stand in `images` (OpenRouter), `audio` (OpenAI), or among the parts of the content.
    """
    images = message.get("images")
    found = {"image": len(images) if isinstance(images, list) else 0}
    found["audio"] = int(isinstance(message.get("audio"), dict) and bool(message["audio"]))
    content = message.get("content")
    for part in content if isinstance(content, list) else ():
        name = str(part.get("type")) if isinstance(part, dict) else ""
        kind = next((kind for kind in _MEDIA if kind in name), None)
        if kind is not None:
            found[kind] = found.get(kind, 0) + 1
    return {kind: count for kind, count in found.items() if count}


def media_words(media: Mapping[str, int]) -> str:
    """`2 images and audio`; "" for none."""
    words = ("audio" if kind == "audio" else counted(n, kind) for kind, n in media.items())
    return " and ".join(words)


def spoken(delta: Mapping[str, Any]) -> set[str]:
    """The names of the fields that say something; the two of the reasoning are one."""
    names = {name for name, value in delta.items() if value}
    return names.union(_REASONING) if names.intersection(_REASONING) else names


def calls_of(message: Mapping[str, Any]) -> list[Any]:
    """The tool calls of a whole message; OpenAI's old `function_call` is one."""
    calls = message.get("tool_calls")
    if isinstance(calls, list) and calls:
        return [call for call in calls if isinstance(call, dict)]
    old = message.get("function_call")
    return [{"type": "function", "function": old}] if isinstance(old, dict) and old else []


def add_calls(calls: list[Call], fragments: Any) -> None:
    """Join fragments of tool calls into `calls`.

    A new id begins a call whatever the index says: some servers send 0 for each, or none. A
    fragment without an id goes on with the last call of its index; without an index, too, with
    the last call. Ids come whole; names may, and arguments do, come in pieces.
    """
    fragments = fragments if isinstance(fragments, list) else []
    found = [each for each in fragments if isinstance(each, dict)]
    known = len(calls)
    for position, fragment in enumerate(found):
        index = fragment.get("index")
        if isinstance(index, int):
            before = _last(calls, "index", index)
        else:
            # Those of one list belong to as many calls, the last ones.
            place = known - len(found) + position
            before = calls[place] if place >= 0 else None
        call = _goes_on(calls, before, fragment)
        if call is None:
            call = {"index": index, "type": "function"}
            calls.append(call)
        _join(call, fragment)


def add_function_call(calls: list[Call], fragment: Any) -> None:
    """Join a fragment of OpenAI's old `function_call`, of which there is one."""
    if isinstance(fragment, dict):
        # Only the first fragment names the function.
        name = None if calls else fragment.get("name")
        add_calls(calls, [{"index": 0, "function": {**fragment, "name": name}}])


def joined_fields(before: Any, fields: Mapping[str, Any]) -> dict[str, Any]:
    """`before` and `fields` as one: what comes in pieces is joined, all else replaced."""
    whole = dict(before) if isinstance(before, dict) else {}
    for name, value in fields.items():
        old = whole.get(name)
        if name in _JOINED and isinstance(value, str) and isinstance(old, str):
            whole[name] = old + value
        elif value is not None:
            whole[name] = value
    return whole


def with_ids(calls: Sequence[Any]) -> list[Call]:
    """The calls, each with an id: `call_0`, … where the server gave none.

    Without one, the result of the call could not be sent back.
    """
    taken = [call.get("id") for call in calls]
    named: list[Call] = []
    for place, call in enumerate(calls):
        given = call.get("id")
        if not given:
            free = (f"call_{number}" for number in range(place, place + len(calls) + 1))
            given = next(name for name in free if name not in taken)
            taken.append(given)
        named.append({**call, "id": given})
    return named


def readable_calls(calls: Sequence[Any]) -> list[Call]:
    """The calls as a whole answer holds them: with ids, arguments as text, and without index."""
    found = []
    for call in with_ids([call for call in calls if isinstance(call, dict)]):
        rest = {name: value for name, value in call.items() if name not in {"index", "id"}}
        if isinstance(function := rest.get("function"), dict):
            _, arguments = _function(call)
            rest["function"] = {**function, "arguments": arguments if arguments.strip() else "{}"}
        found.append({"id": call["id"], **rest})
    return found


def broken_call(calls: Sequence[Any], *, cut: bool) -> str | None:
    """The name of the first call whose arguments are not JSON; None if there is none.

    Args:
        cut: the token limit ended the answer. Else no arguments at all mean an empty object.
    """
    for call in calls:
        if isinstance(call, dict) and isinstance(call.get("function"), dict):
            name, arguments = _function(call)
            if not _is_json(arguments) if arguments.strip() else cut:
                return name
    return None


def _goes_on(calls: list[Call], before: Call | None, fragment: Mapping[str, Any]) -> Call | None:
    """The call that a fragment goes on with; None if it begins one."""
    given = fragment.get("id")
    if given:
        same = _last(calls, "id", given)
        if same is not None or before is None or before.get("id"):
            return same
    if before is None:
        # Without an id or a name nothing begins, whatever the index says.
        return calls[-1] if calls and not given and not _function(fragment)[0] else None
    return None if _begins(before, fragment) else before


def _begins(before: Call, fragment: Mapping[str, Any]) -> bool:
    """Whether a fragment without an id of its own names another call than the one before it.

    Some servers repeat the name in each fragment: it is another call if the last one is complete.
    """
    name, arguments = _function(fragment)
    old_name, old = _function(before)
    if not name or not old_name:
        return False
    if old or fragment.get("index") is not None:
        # The end is looked at first: nothing is parsed again with each fragment.
        whole = old.endswith(("}", "]")) and _is_json(old)
        return whole and (arguments != "" or name != old_name)
    return name != old_name  # of two calls that take no arguments


def _join(call: Call, fragment: Mapping[str, Any]) -> None:
    custom = fragment.get("custom")
    if isinstance(fragment.get("function"), dict):
        name, arguments = _function(fragment)
        old_name, old = _function(call)
        # The name may come in pieces before the arguments, or in each fragment again.
        if not name or not (old or name.startswith(old_name)):
            name = old_name + name
        # Anthropic's bridges say {} before the pieces of the arguments.
        before = "" if arguments and old == "{}" else old
        call["function"] = {"name": name, "arguments": before + arguments}
    if isinstance(custom, dict):
        call["custom"] = joined_fields(call.get("custom"), custom)
    elif "function" not in call and "custom" not in call:
        call["function"] = {"name": "", "arguments": ""}
    call |= {k: v for k, v in fragment.items() if k not in {"index", "function", "custom"} and v}


def _last(calls: Sequence[Call], name: str, value: Any) -> Call | None:
    return next((call for call in reversed(calls) if call.get(name) == value), None)


def _function(call: Mapping[str, Any]) -> tuple[str, str]:
    """Name and arguments of a call, or of a fragment of one; "" for what it has not.

    Ollama's and Gemini's bridges send the arguments as an object.
    """
    given = call.get("function")
    function = given if isinstance(given, dict) else {}
    name, arguments = function.get("name"), function.get("arguments")
    if not isinstance(arguments, str):
        arguments = "" if arguments is None else json.dumps(arguments)
    return name if isinstance(name, str) else "", arguments


def _is_json(text: str) -> bool:
    try:
        parse(text)
    except ValueError:
        return False
    return True
