"""What the words and codes of a refusal say, in English, Chinese and Malay; pure.

That the credits are used up, that there is no such model, how long to wait, which field is wrong.
"""

from __future__ import annotations

import re
import time
from collections.abc import Iterator, Mapping, Sequence
from email.utils import parsedate_to_datetime
from typing import Any

from ocx.api.error_response import first, parse
from ocx.errors import OcxError, RejectedError

_NO_MODEL = (
    r"(?i)\bmodels?\b.{0,80}(not (be )?found|not exist|not available|unknown|not supported)"
    r"|\bmodels?\b.{0,80}\b(is|was) (invalid|unsupported|not (a )?valid)"
    r"|(invalid|unknown|unsupported|unrecognized|not a valid) model\b"
    r"(?! (param|option|field|arg|setting|config|input|output|response))"
    r"|model names are .{0,200} you passed"  # DeepSeek
    r"|模型.{0,40}(不存在|未找到|找不到|不可用|不支持|无效|无可用)|(未知|无效|不存在|不支持)的?模型"
    r"|model.{0,80}tidak (wujud|ditemui|dijumpai|ditemukan|dikenali|disokong)"
)
_CODES = frozenset({"model_not_found", "model_not_exist", "invalid_model", "unknown_model"})
# Of OpenAI, one-api and new-api, Moonshot (exceeded_current…), DashScope (arrearage, prepaid…,
# postpaid…, allocation…), Volcengine (accountoverdueerror), Zhipu (1113) and OpenRouter (402).
_QUOTA_CODES = set(
    "insufficient_quota insufficient_user_quota insufficient_balance insufficient_credits"
    " billing_hard_limit_reached billing_not_active exceeded_current_quota_error arrearage"
    " accountoverdueerror prepaidbilloverdue postpaidbilloverdue allocationquota.freetieronly"
    " 1113 402 payment_required".split()
)
_OTHER_CODES = {"content_filter", "context_length_exceeded"}
"""Their words may repeat the prompt."""

# Money in so many words; a quota, which may be one of requests a minute, or advice to pay, which a
# limit of speed gives too; and "used up" alone, which may be about what the server itself lacks.
_MONEY = (
    r"(?i)insufficient.{0,20}(balance|credit|fund)|credit balance is too low"
    r"|(not enough|no|out of|run out of|any) (more )?credits?\b|not enough (balance|quota|funds)"
    r"|(balance|credits?|quota|funds?) (is|are) (not enough|insufficient)"
    r"|(requires|used all) (more |available )+credits|overdue (balance|payment|bill)"
    r"|(balance|account|bill|payment) (is |are )?(overdue|in arrears)"
    r"|(billing|spending|spend|credit)( hard)? limit|key limit exceeded"
    r"|[余餘][额額].{0,6}(不足|[用耗][尽盡]|用完)|欠[费費]|[预預]扣.{0,4}失[败敗]"
    r"|(kredit|baki).{0,30}(tidak (men)?cukup|habis)|tidak (men)?cukup.{0,15}(kredit|baki)"
)
_QUOTA = (
    r"(?i)insufficient.{0,20}quota|(credit|quota|balance|free tier).{0,30}(exhaust|used up|deplet)"
    r"|[额額]度.{0,8}(不足|[用耗][尽盡]|用完)|充值|[储儲]值|tambah nilai"
    r"|kuota.{0,30}(tidak (men)?cukup|habis|sepenuhnya)|quota.{0,30}billing"
)
_USED_UP = r"[用耗][尽盡]|用完"
_OF_SPEED = (
    r"(?i)rate.?limit|per.?(second|minute)|\b(rpm|tpm|qps)\b|(try again|retry) (in|after) \d"
    r"|每?分[钟鐘]|每秒|[频頻][率繁]|速率|限流|明[天日]|seminit|setiap minit"
)
_OF_A_SERVER = (
    r"[饱飽]和|[负負][载載]|[并並併][发發]|[连連]接|[线線]程|[内內]存|[显顯]存"
    r"|重[试試]|上下文|稍[后後候]"
)
# A prompt that is too long may name a schema as what took the tokens.
_OVERFLOW = (
    r"(?i)context.?(length|window|size)|maximum context|too many tokens|too long|max_seq_len"
    r"|(exceed|reduce|larger than|more than).{0,60}tokens?\b|上下文|超[过過出长長]"
)
_SECONDS = r"\d{1,12}(\.\d{1,9})?"
_DURATION = (
    r"(?i:(?:\d{1,9}(?:\.\d{1,9})?\s*"
    r"(?:d|days?|h|hours?|m|min|mins|minutes?|s|secs?|seconds?|ms|milliseconds?)(?![a-z])\s*)+)"
)
_WAIT = rf"(?i)(?:try again|retry)(?: in| after)\s+({_DURATION})"
_PART = r"(?i)(\d{1,9}(?:\.\d{1,9})?)\s*(ms|milli|d|h|m|s)"
_UNITS = {"ms": 0.001, "milli": 0.001, "s": 1, "m": 60, "h": 3600, "d": 86400}


def is_unknown_model(error: OcxError) -> bool:
    """Whether the server refused a request since it has no such model."""
    if not isinstance(error, RejectedError) or error.status not in {400, 404, 422}:
        return False
    return (error.api_code or "").lower() in _CODES or bool(re.search(_NO_MODEL, error.message))


def used_up(codes: Sequence[str], text: str, document: Any = None) -> bool:
    """Whether an error says that the account has no credits left, whatever its status.

    Args:
        codes: all that the body gives.
        text: the message, in English, Chinese or Malay.
        document: the body; google.rpc's QuotaFailure and RetryInfo are of too many requests.
    """
    names = [code.lower() for code in codes]
    if any(name in _QUOTA_CODES or name.endswith("quota_failed") for name in names):
        return True
    if any(name in _OTHER_CODES for name in names):
        return False
    if re.search(_MONEY, text):
        return True
    types = [str(detail.get("@type")) for detail in _details(document)]
    limits_speed = any("RetryInfo" in name or "QuotaFailure" in name for name in types)
    if limits_speed or re.search(_OF_SPEED, text):
        return False
    unlike_a_server = not re.search(_OF_A_SERVER, text)
    return bool(re.search(_QUOTA, text) or (re.search(_USED_UP, text) and unlike_a_server))


def retry_after(headers: Mapping[str, str], now: float | None = None) -> float | None:
    """Seconds the server asks to wait: `retry-after-ms`, else Retry-After as seconds or a date.

    Args:
        headers: names in lower case.
        now: seconds since the epoch; by default the clock's.
    """
    milliseconds = headers.get("retry-after-ms", "").strip()
    if re.fullmatch(_SECONDS, milliseconds):
        return float(milliseconds) / 1000
    value = headers.get("retry-after", "").strip()
    if re.fullmatch(_SECONDS, value):
        return float(value)
    try:
        date = parsedate_to_datetime(value)
    except (ValueError, TypeError, OverflowError):
        return None
    return max(0.0, date.timestamp() - (time.time() if now is None else now))


def asked_wait(headers: Mapping[str, str], document: Any, text: str) -> float | None:
    """Seconds to wait that a server asks for; None if it names none.

    In a header, else google.rpc.RetryInfo's `retryDelay` ("4.8s", a Duration of protobuf's JSON),
    else words: "try again in 3.5s", "in 20ms", "in 6m0s", "retry after 26 seconds".
    """
    if (asked := retry_after(headers)) is not None:
        return asked
    for detail in _details(document):
        delay = detail.get("retryDelay")
        if isinstance(delay, str) and (seconds := duration(delay)) is not None:
            return seconds
    found = re.search(_WAIT, text)
    return None if found is None else duration(found[1])


def duration(text: str) -> float | None:
    """Seconds of `6m0s`, `4.8s`, `200ms` or `1 hour 5 minutes`; None if it is no duration."""
    if not re.fullmatch(_DURATION, text):
        return None
    parts = re.findall(_PART, text)
    return sum(float(number) * _UNITS[unit.lower()] for number, unit in parts)


def names_field(error: OcxError, names: str) -> bool:
    """Whether a refusal (400, or FastAPI's 422) is about a field of the request.

    Args:
        names: a pattern; looked for in the message and where the body says which field it is, not
            in what it repeats of the request.
    """
    if error.status not in {400, 422}:
        return False
    text = " ".join((error.message, error.api_code or "", *_places(error.body or b"")))
    return bool(re.search(names, text)) and not re.search(_OVERFLOW, text)


def _details(document: Any) -> Iterator[dict[str, Any]]:
    error = document.get("error") if isinstance(document, dict) else None
    for holder in (error, document):
        found = holder.get("details") if isinstance(holder, dict) else None
        for detail in found if isinstance(found, list) else ():
            if isinstance(detail, dict):
                yield detail


def _places(body: bytes) -> Iterator[str]:
    """Where a body says what is wrong: OpenAI's `param`, `loc` and `msg` of FastAPI's details."""
    document = first(parse(body))
    for name in ("error", "errors", "detail"):
        value = document.get(name) if isinstance(document, dict) else None
        for problem in value if isinstance(value, list) else [value]:
            if isinstance(problem, dict):
                yield from (str(problem.get(field)) for field in ("param", "loc", "msg"))
