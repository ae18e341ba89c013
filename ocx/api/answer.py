"""An answer of the model as one value, and what its `finish_reason` means; pure.

The one place that knows: streamed and whole answers, rows of a batch, `verify`, `--resume` and the
gateway ask here. The words are those of OpenAI, Anthropic, Gemini, DeepSeek, Qwen, Mistral and the
gateways before them.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import field
from typing import TYPE_CHECKING, Any, Literal

from ocx.api.error_response import AGAIN, excerpt
from ocx.api.message import broken_call, calls_of, media_of, readable_calls, reasoning_of, text_of
from ocx.errors import BrokenCallError, IncompleteError, OcxError, RejectedError, ServerError
from ocx.record import record

if TYPE_CHECKING:
    from ocx.api.stream import Stream
    from ocx.api.types import Reply

_PLAIN = frozenset({"role", "content"})


@record
class Answer:
    """A whole answer, or what arrived of one that broke off.

    Attributes:
        text, reasoning: "" if the caller did not ask for a stream's text to be kept.
        tool_calls: each with an id and its arguments as a text; without the index of a stream.
        usage, finish_reason, model, request_id: as the API sent them; None if it did not.
        attempts: how many requests were sent.
        seconds: from the call to the end; `first_token_seconds` to the first text of a stream.
        fields: the chat.completion if it came whole, else the fields of it that were kept.
        headers: of an answer that came whole, names in lower case.
        media: how many images, sounds and videos came, by kind; they are in no text.
        late_think: a `</think>` came after text that was not known to be reasoning.
    """

    text: str = ""
    reasoning: str = ""
    tool_calls: Sequence[Any] = ()
    usage: Mapping[str, Any] | None = None
    finish_reason: str | None = None
    model: str | None = None
    request_id: str | None = None
    attempts: int = 1
    seconds: float = 0
    first_token_seconds: float | None = None
    fields: Mapping[str, Any] = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)
    media: Mapping[str, int] = field(default_factory=dict)
    late_think: bool = False


def whole_answer(reply: Reply) -> Answer:
    """The answer in a chat.completion that came whole."""
    document = reply.json
    choice = document["choices"][0]
    message = choice["message"]
    content = message.get("content")
    plain = message.keys() == _PLAIN and type(content) is str  # as nearly every answer is
    return Answer(
        content if plain and content.isascii() else joined([text_of(content)]),
        "" if plain else joined([reasoning_of(message)]),
        () if plain else readable_calls(calls_of(message)),
        _of_type(document.get("usage"), Mapping),
        _of_type(choice.get("finish_reason"), str) and reason_of(choice),
        _of_type(document.get("model"), str),
        reply.request_id,
        reply.attempts,
        reply.seconds,
        None,
        document,
        reply.headers,
        {} if plain else media_of(message),
    )


def streamed_answer(stream: Stream, text: str = "", reasoning: str = "") -> Answer:
    """The answer that `stream` has brought so far; it keeps no text, so the caller gives it."""
    return Answer(
        text,
        reasoning,
        readable_calls(stream.tool_calls),
        stream.usage,
        stream.finish_reason,
        stream.model,
        stream.request_id,
        stream.attempts,
        stream.seconds,
        stream.first_token_seconds,
        {"usage": stream.usage},
        media=stream.media,
    )


def joined(pieces: Sequence[str]) -> str:
    """The text of all `pieces`, every surrogate pair joined."""
    joiner = SurrogateJoiner()
    return joiner.feed("".join(pieces)) + joiner.end()


def _of_type(value: Any, kind: type) -> Any:
    return value if isinstance(value, kind) else None


Ending = Literal["finished", "length", "filter", "failure", "unknown"]

_WORDS: dict[Ending, str] = {
    "finished": "stop tool_calls function_call tool_use end_turn stop_sequence eos eos_token"
    " complete completed",
    "length": "length max_tokens max_output_tokens model_length",
    "filter": "content_filter safety recitation sensitive blocklist prohibited_content spii"
    " refusal",
    "failure": "error insufficient_system_resource network_error abort aborted cancelled canceled"
    " timeout failed other malformed_function_call",
}
_ENDINGS = {word: ending for ending, words in _WORDS.items() for word in words.split()}
_LONGEST = 200


def ending_of(reason: str) -> Ending:
    """How an answer with this finish_reason ended; an unknown one counts as finished."""
    return _ENDINGS.get(reason.strip().lower(), "unknown")


def reason_of(choice: Mapping[str, Any]) -> str | None:
    """The finish_reason of a choice; None while there is none.

    Some servers send "" or "null" (DashScope) until the end.
    """
    reason = choice.get("finish_reason")
    if not reason:
        return None
    text = reason if isinstance(reason, str) else str(reason)
    return None if text in {"null", "None"} else text


def reason_of_whole(choice: Mapping[str, Any]) -> str | None:
    """The reason in a whole document: `stop` if it has no such field, None if that is null."""
    return reason_of(choice) if "finish_reason" in choice else "stop"


def is_whole(reason: str | None) -> bool:
    """Whether the server ended the answer itself: not a failure, and not a lack of a reason."""
    return reason is not None and ending_of(reason) != "failure"


def later(before: str | None, reason: str | None) -> str | None:
    """The reason that counts of two: a plain `stop` after a worse one changes nothing."""
    if reason is None or before is None:
        return reason or before
    worse = ending_of(before) in {"length", "filter", "failure"}
    return before if worse and ending_of(reason) in {"finished", "unknown"} else reason


def unknown_reason(reason: str | None) -> str | None:
    """The reason on one line, if it is none of those that are known."""
    return _shown(reason) if reason is not None and ending_of(reason) == "unknown" else None


def fault_of(
    reason: str | None,
    *,
    has_text: bool,
    calls: Sequence[Any] = (),
    refusal: str = "",
    end: str = "it came",
) -> OcxError | None:
    """Why an answer is no whole one; None if it is.

    Args:
        has_text: some of its text has arrived.
        calls: its tool calls.
        refusal: OpenAI's `refusal`.
        end: what ended it, in words, where there is no reason.
    """
    ending = "unknown" if reason is None else ending_of(reason)
    if reason is None or ending == "failure":
        said = f"{end} without a finish_reason"
        if reason is not None:
            said = f"the server ended it with the finish_reason {_shown(reason)}"
        if has_text:
            return IncompleteError(f"the answer broke off: {said}", hint=AGAIN)
        return ServerError(f"no answer came: {said}")
    if ending == "filter":
        return _filtered(reason, has_text=has_text)
    name = broken_call(calls, cut=ending == "length")
    if name is not None:
        return _broken_call(_shown(name) or "without a name", cut=ending == "length")
    if refusal and not has_text:
        return RejectedError(f"the model refused: {refusal}", hint="ask it in another way")
    return None


def _shown(word: str) -> str:
    """A word of the server, whole: no filter knows half a key."""
    return excerpt(word) if len(word) <= _LONGEST else f"of {len(word):,} characters"


def _filtered(reason: str, *, has_text: bool) -> OcxError:
    named = "" if reason == "content_filter" else f" (finish_reason {_shown(reason)})"
    if has_text:
        said = f"the answer was cut off by the provider's content filter{named}"
        return IncompleteError(said, rerun_helps=False)
    return RejectedError(f"the provider's content filter refused the answer{named}")


def _broken_call(name: str, *, cut: bool) -> OcxError:
    if cut:
        return IncompleteError(
            f"the token limit cut the arguments of the tool call {name}: they are not JSON",
            hint="raise --max-tokens; --json shows what came",
            rerun_helps=False,
        )
    return BrokenCallError(
        f"the arguments of the tool call {name} are not JSON",
        hint="run it again; --json shows what came",
        rerun_helps=True,
    )


_SURROGATE = "[\ud800-\udfff]"


class SurrogateJoiner:
    """Clean text from deltas: half a surrogate pair waits for its partner in the next one.

    `feed` may keep back one code unit, which `end` returns. Halves without a partner
    become U+FFFD, so that the text can always be encoded.
    """

    def __init__(self) -> None:
        self._half = ""

    def feed(self, text: str) -> str:
        if self._half:
            text, self._half = self._half + text, ""
        elif text.isascii():
            return text
        if not re.search(_SURROGATE, text):
            return text
        if "\ud800" <= text[-1] <= "\udbff":
            text, self._half = text[:-1], text[-1]
        return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")

    def end(self) -> str:
        half, self._half = self._half, ""
        return "\ufffd" if half else ""
