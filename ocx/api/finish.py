"""What a `finish_reason` means, and why an answer that ended so is no whole one; pure.

The one place that knows: streamed and whole answers, rows of a batch, `verify`, `--resume` and the
gateway ask here. The words are those of OpenAI, Anthropic, Gemini, DeepSeek, Qwen, Mistral and the
gateways before them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal

from ocx.api.error_response import excerpt
from ocx.api.message import broken_call
from ocx.errors import BrokenCallError, IncompleteError, OcxError, RejectedError, ServerError

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
_AGAIN = "what arrived is incomplete; run it again for a whole answer"


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
    """Of a document: one that never speaks of a reason came to its end, one with null did not."""
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
    if reason is None or ending_of(reason) != "unknown":
        return None
    return _shown(reason)


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
    if reason is None:
        return _broken_off(f"{end} without a finish_reason", has_text=has_text)
    ending = ending_of(reason)
    if ending == "failure":
        said = f"the server ended it with the finish_reason {_shown(reason)}"
        return _broken_off(said, has_text=has_text)
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


def _broken_off(said: str, *, has_text: bool) -> OcxError:
    if has_text:
        return IncompleteError(f"the answer broke off: {said}", hint=_AGAIN)
    return ServerError(f"no answer came: {said}")


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
