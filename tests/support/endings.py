"""Every finish_reason of the conventions, and what an answer that ends with it comes to."""

from __future__ import annotations

FINISHED = (
    "stop", "tool_calls", "function_call", "tool_use", "end_turn", "stop_sequence", "eos",
    "eos_token", "complete", "completed",
)  # fmt: skip
LENGTH = ("length", "max_tokens", "max_output_tokens", "model_length")
FILTER = (
    "content_filter", "safety", "recitation", "sensitive", "blocklist", "prohibited_content",
    "spii", "refusal",
)  # fmt: skip
FAILURE = (
    "error", "insufficient_system_resource", "network_error", "abort", "aborted", "cancelled",
    "canceled", "timeout", "failed", "other", "malformed_function_call",
)  # fmt: skip
UNKNOWN = ("load_shed", "eos-token", "done!")
NONE = (None, "")
"""No reason at all: null, or empty as some servers send it until the end."""

ALL = (*FINISHED, *LENGTH, *FILTER, *FAILURE, *UNKNOWN, *NONE)


def exit_code(reason: str | None, text: str | None) -> int:
    """The status of a call whose answer holds `text` and ends with `reason`."""
    if reason in FILTER:
        return 11 if text else 7
    if reason in FAILURE or not reason:
        return 11 if text else 8
    return 0


def sent_again(reason: str | None) -> bool:
    """Whether a plain `--resume` sends a row whose answer ended so."""
    return reason in FAILURE or not reason
