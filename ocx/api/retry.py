"""What may be done about a failure: whether to send again, after which wait, to which model; pure.

A POST costs money: it is repeated only if the server says that it did not answer it.
"""

from __future__ import annotations

import math
import random
import time
from collections.abc import Sequence
from logging import Logger

from ocx.errors import CreditsError, OcxError, RateLimitError, ServerError

MAX_WAIT = 60.0
_FIRST_WAIT = 0.5
_MAX_BACKOFF = 8.0
UNANSWERED = frozenset({429, 500, 502, 503, 522, 529})
_HARMLESS_TOO = frozenset({408, 504, 524})


def may_retry(method: str, error: OcxError) -> bool:
    """Whether sending the request once more is right."""
    harmless = method in {"GET", "HEAD"}
    if error.phase is not None or isinstance(error, CreditsError):
        return error.phase == "connect" or (error.phase == "silent" and harmless)
    return error.status in UNANSWERED or (harmless and error.status in _HARMLESS_TOO)


def wait_before(attempt: int, error: OcxError, left: float) -> float | None:
    """Seconds to wait after attempt number `attempt` (from 1); None: no time is left for it.

    Args:
        left: seconds until the total deadline.

    Raises:
        RateLimitError: the server asks for more than 60 s, or than is left.
    """
    asked = error.retry_after
    if asked is None:
        wait = backoff(attempt)
        return wait if wait < left else None
    if asked > MAX_WAIT or asked >= left:
        raise _too_long(asked, left, error)
    # Half of what is left beyond the wait stays for the answer.
    return backoff(attempt, asked, (left - asked) / 2)


def backoff(attempt: int, asked: float | None = None, most: float = _MAX_BACKOFF) -> float:
    """Seconds before attempt number `attempt` + 1: what the server asked for, plus full jitter.

    The jitter comes on top, and grows, since many processes are told the same and would return
    together, again and again.

    Args:
        asked: seconds.
        most: seconds of jitter.
    """
    ceiling = min(most, _MAX_BACKOFF, _FIRST_WAIT * 2.0 ** min(attempt - 1, 10))
    return (asked or 0.0) + random.uniform(0, ceiling)  # noqa: S311 - no secret


def _too_long(asked: float, left: float, error: OcxError) -> RateLimitError:
    at = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(time.time() + min(asked, 1e9)))
    why = "more than the 60 s that are waited for" if asked > MAX_WAIT else "more than is left"
    if asked <= MAX_WAIT:
        why += f" of --timeout ({_shown(max(0.0, left))} s)"
    return RateLimitError(
        f"{error.message}; the server asks to wait {_shown(asked)} s, {why}",
        hint=f"try again after {at}",
        status=error.status,
        api_code=error.api_code,
        request_id=error.request_id,
        retry_after=asked,
    )


def _shown(seconds: float) -> str:
    return f"{math.ceil(seconds)}" if seconds >= 10 else f"{seconds:.1f}".removesuffix(".0")


def log_retry(log: Logger, number: int, of: int, wait: float, error: OcxError) -> None:
    """One line a retry; the record's `retry` holds the same for a program."""
    said = {"number": number, "of": of, "seconds": round(wait, 3)}
    more = {"message": error.message, "status": error.status}
    text = "retry %d of %d in %.1f s: %s"
    log.warning(text, number, of, wait, error.message, extra={"retry": {**said, **more}})


def next_model(model: str, fallbacks: Sequence[str], error: OcxError) -> str | None:
    """The model to ask after `model` failed; None if none is left, or another cannot help.

    Args:
        fallbacks: in the order in which they are asked; `model` may be one of them.
        error: what ended the request, its retries included, before any text had come.
    """
    if not fallbacks or not may_fall_back(error):
        return None
    later = fallbacks[fallbacks.index(model) + 1 :] if model in fallbacks else fallbacks
    return later[0] if later else None


def may_fall_back(error: OcxError) -> bool:
    """Whether the model is unknown, or it or its server takes no more at the moment.

    A redirect is a wrong base URL, and credits, keys and the network are those of every model.
    """
    from ocx.api.error_words import is_unknown_model  # noqa: PLC0415 - only for an error

    if isinstance(error, ServerError):
        return not 300 <= (error.status or 0) < 400
    return isinstance(error, RateLimitError) or is_unknown_model(error)
