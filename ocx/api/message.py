"""Reading the message of a choice, whole or in deltas; pure."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

_SURROGATE = re.compile("[\ud800-\udfff]")


class SurrogateJoiner:
    """Clean text from deltas: half a surrogate pair waits for its partner in the next one.

    `feed` may keep back one code unit; `end` gives what is left. Halves that find no partner
    become U+FFFD, so that the text can always be encoded.
    """

    def __init__(self) -> None:
        self._half = ""

    def feed(self, text: str) -> str:
        if self._half:
            text, self._half = self._half + text, ""
        elif text.isascii():
            return text
        if not _SURROGATE.search(text):
            return text
        if "\ud800" <= text[-1] <= "\udbff":
            text, self._half = text[:-1], text[-1]
        return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")

    def end(self) -> str:
        half, self._half = self._half, ""
        return "\ufffd" if half else ""


def add_calls(calls: list[dict[str, Any]], fragments: Any) -> None:
    """Join fragments of tool calls, keyed by `index`, into `calls`.

    Names and ids come whole, once; arguments come in pieces.
    """
    for position, fragment in enumerate(fragments if isinstance(fragments, list) else ()):
        if isinstance(fragment, dict):
            _add_call(calls, index_of(fragment, position), fragment)


def _add_call(calls: list[dict[str, Any]], index: int, fragment: Mapping[str, Any]) -> None:
    # Gemini's bridges send sparse indexes, so the place in the list is not the index.
    call = next((call for call in calls if call.get("index") == index), None)
    if call is None:
        call = {"index": index, "type": "function", "function": {"name": "", "arguments": ""}}
        calls.append(call)
    function = fragment.get("function")
    if isinstance(function, dict):
        call["function"]["name"] = function.get("name") or call["function"]["name"]
        arguments = function.get("arguments") or ""
        # Ollama's and Gemini's bridges send the object itself.
        whole = arguments if isinstance(arguments, str) else json.dumps(arguments)
        call["function"]["arguments"] += whole
    call |= {k: v for k, v in fragment.items() if k not in {"index", "function"} and v}


def index_of(fields: Mapping[str, Any], default: int) -> int:
    """`index` where it is a number, else `default`."""
    index = fields.get("index")
    return index if isinstance(index, int) else default


def text_of(content: Any) -> str:
    """The text of `content`: a string, null, or OpenAI's list of parts."""
    if isinstance(content, str):
        return content
    if not isinstance(content, list):
        return ""
    parts = (part.get("text") for part in content if isinstance(part, dict))
    return "".join(text for text in parts if isinstance(text, str))


def reasoning_of(delta: Mapping[str, Any]) -> str:
    """`reasoning_content` (DeepSeek, Qwen) or `reasoning` (OpenRouter): the same text, once."""
    value = delta.get("reasoning_content") or delta.get("reasoning")
    return value if isinstance(value, str) else ""
