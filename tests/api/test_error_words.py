"""What the words and codes of an error say: used up, how long to wait; in which encoding."""

from __future__ import annotations

import json
import time
from email.utils import formatdate
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ocx.api import error_response
from ocx.api.error_words import asked_wait, retry_after
from ocx.api.http import decoded
from ocx.errors import AuthError, CreditsError, OcxError, RateLimitError, RejectedError, ServerError

STATUSES = (200, 400, 401, 403, 404, 429, 500, 503)


def of(
    status: int, body: Any, headers: dict[str, str] | None = None, encoding: str = "utf-8"
) -> OcxError:
    if status == 200:
        found = error_response.from_document(body, headers or {})
        assert found is not None
        return found
    data = json.dumps(body, ensure_ascii=False).encode(encoding)
    return error_response.from_response(status, headers or {}, data)


@pytest.mark.parametrize(
    "text",
    [
        "该令牌额度已用尽",
        "该令牌额度已用尽 !token.UnlimitedQuota && token.RemainQuota = -12",
        "账户余额不足，请充值",
        "您的账户已欠费",
        "用户额度不足, 剩余额度: $0.00",
        "您的免费额度已用完",
        "积分已耗尽",
        "本月套餐已用尽，请稍后充值",
        "餘額不足",
        "帳戶已欠費",
        "点数用完了",
        "Kredit anda tidak mencukupi",
        "kredit tidak mencukupi",
        "Baki tidak mencukupi. Sila tambah nilai.",
        "Baki akaun anda telah habis",
        "Insufficient balance",
        "Insufficient account funds",
        "Your credit balance is too low to access the API",
        "Your quota is exhausted",
        "You have run out of credits",
        "user quota is not enough",
        "not enough balance",
        "Sorry, your account balance is insufficient",
        "This request requires more credits, or fewer max_tokens. You can only afford 12",
        "You exceeded your current quota, please check your plan and billing details.",
        "Billing hard limit has been reached",
        "Your team has used all available credits or reached its monthly spending limit.",
        "Your team doesn't have any credits yet",
        "The request failed because your account has an overdue balance.",
        "Key limit exceeded (total limit). Manage it using https://openrouter.ai/settings/keys",
        "The free tier of the model has been exhausted.",
        "预扣费额度失败, 用户剩余额度: ＄0.010000, 需要预扣费额度: ＄0.050000",
        "该模型需要充值后才能使用",
        "Kuota anda telah digunakan sepenuhnya",
        "Sila tambah nilai akaun anda untuk meneruskan",
    ],
)
def test_used_up_is_about_credits_whatever_the_status(text: str) -> None:
    for body in ({"error": {"message": text}}, {"code": "x", "msg": text}):
        assert {type(of(status, body)) for status in STATUSES} == {CreditsError}


@pytest.mark.parametrize(
    "code",
    [1113, "1113", "Arrearage", "insufficient_user_quota", "insufficient_quota",
     "pre_consume_token_quota_failed", "AccountOverdueError", "billing_not_active", 402,
     "AllocationQuota.FreeTierOnly", "PostpaidBillOverdue"],
)  # fmt: skip
def test_a_code_says_it_too(code: str | int) -> None:
    error = {"code": code, "message": "m"}
    bodies: list[Any] = [{"error": error}, [{"error": error}], {"code": code, "msg": "m"}]
    for body in (*bodies, {"error": {"type": code, "code": "x", "message": "m"}}):
        assert {type(of(status, body)) for status in STATUSES} == {CreditsError}


@pytest.mark.parametrize(
    ("status", "text", "kind"),
    [
        (401, "无效的令牌", AuthError),
        (401, "该令牌已过期", AuthError),
        (401, "token tidak sah", AuthError),
        (403, "insufficient permissions", AuthError),
        (403, "this key may not use the model", AuthError),
        (403, "insufficient credentials", AuthError),
        (429, "当前分组上游负载已饱和，请稍后再试", RateLimitError),
        (429, "每分钟请求次数已用完，请稍后再试", RateLimitError),
        (429, "您的请求频率过高，额度已用尽", RateLimitError),
        (429, "Quota exhausted for requests per minute", RateLimitError),
        (429, "Rate limit: your quota is exhausted, try again in 20s", RateLimitError),
        (429, "免费用户每分钟限 3 次请求，充值后可提升", RateLimitError),
        (429, "请求过于频繁，请稍后再试或充值提升等级", RateLimitError),
        (429, "今日免费次数已用完，请明天再试", RateLimitError),
        (429, "该API已达今日调用次数限额，如有更多请求，请联系客服购买。", RateLimitError),
        (429, "Allocated quota exceeded, please increase your quota limit.", RateLimitError),
        (429, "Rate limit exceeded: free-models-per-day. Add 10 credits to unlock", RateLimitError),
        (400, "credits: any string is expected", RejectedError),
        (429, "kuota setiap minit telah habis", RateLimitError),
        (500, "当前分组上游负载已饱和", ServerError),
        (503, "重试次数已用尽", ServerError),
        (503, "连接池已耗尽", ServerError),
        (400, "上下文窗口已用完", RejectedError),
    ],
)
def test_what_only_sounds_like_it(status: int, text: str, kind: type[OcxError]) -> None:
    assert type(of(status, {"error": {"message": text}})) is kind


def test_words_of_a_prompt_that_is_repeated_are_no_reason() -> None:
    body = {"error": {"code": "content_filter", "message": "refused: 余额不足"}}
    assert type(of(400, body)) is RejectedError


def google(quota: str, delay: str | None, text: str = "You exceeded your current quota") -> Any:
    details = [{"@type": "type.googleapis.com/google.rpc.QuotaFailure", "violations": [quota]}]
    if delay is not None:
        details.append({"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": delay})
    error = {"code": 429, "message": text, "status": "RESOURCE_EXHAUSTED", "details": details}
    return [{"error": error}]


@pytest.mark.parametrize(
    ("body", "seconds"),
    [
        (google("PerMinute", "4.837906927s"), 4.837906927),
        (google("PerDay", "37s", "Quota exhausted."), 37),
        (google("PerDay", None), None),
        (google("PerDay", None, "Please retry in 12.5s."), 12.5),
        (google("PerDay", "soon"), None),
        (google("x", "3s")[0], 3),
    ],
)
def test_a_body_of_google_rpc_is_read_through(body: Any, seconds: float | None) -> None:
    """Its words on quotas are of requests: a rate limit."""
    error = of(429, body)
    assert (type(error), error.api_code, error.retry_after) == (RateLimitError, "429", seconds)
    assert error.message.startswith(
        f"HTTP 429: {(body[0] if isinstance(body, list) else body)['error']['message'][:10]}"
    )


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("Please try again in 3.5s.", 3.5),
        ("Rate limit reached. Please try again in 20ms. Visit", 0.02),
        ("try again in 6m0s", 360),
        ("try again in 1m26.4s", 86.4),
        ("Try again in 2 minutes", 120),
        ("try again in 1h2m", 3720),
        ("Please retry after 26 seconds.", 26),
        ("retry in 250 milliseconds", 0.25),
        ("try again in 5 mins", 300),
        ("try again in 2 days", 172_800),
        ("try again in a moment", None),
        ("try again later", None),
        ("try again in 3 months", None),
        ("try again in 5", None),
        ("I waited 3s", None),
        ("", None),
    ],
)
def test_a_wait_in_words(text: str, seconds: float | None) -> None:
    found = asked_wait({}, None, text)
    assert found == (None if seconds is None else pytest.approx(seconds))


def test_a_wait_at_the_end_of_a_long_message_is_read() -> None:
    body = {"error": {"message": "x " * 400 + "Please try again in 9s."}}
    assert of(429, body).retry_after == 9


def test_a_header_comes_before_the_body() -> None:
    body = {"error": {"message": "try again in 9s"}}
    assert of(429, body, {"retry-after": "2"}).retry_after == 2
    assert of(429, body).retry_after == 9
    assert of(200, body).retry_after == 9


@pytest.mark.parametrize("encoding", ["gbk", "gb18030", "gb2312"])
@pytest.mark.parametrize(
    "content_type", ["", "application/json", "text/html; charset=iso-8859-1",
                     "application/json; charset=utf-8", 'text/plain; charset="GBK"'],
)  # fmt: skip
def test_a_body_in_gbk_is_read(encoding: str, content_type: str) -> None:
    text = "账户余额不足，请充值后再试"
    error = of(400, {"msg": text}, {"content-type": content_type}, encoding)
    assert (type(error), error.message) == (CreditsError, f"HTTP 400: {text}")
    plain = error_response.from_response(
        502, {"content-type": content_type}, "网关错误".encode(encoding)
    )
    assert plain.message == "HTTP 502: 网关错误"
    assert error_response.parse(json.dumps({"m": text}, ensure_ascii=False).encode(encoding)) == {
        "m": text
    }


@pytest.mark.parametrize(
    ("text", "charset"),
    [("餘額不足", "big5"), ("残高不足です", "shift_jis"), ("잔액 부족", "euc-kr"), ("é", "latin-1"),
     ("余额不足", "utf-16"), ("schön", "windows-1252")],
)  # fmt: skip
def test_other_encodings_by_their_charset(text: str, charset: str) -> None:
    assert decoded(text.encode(charset), f"text/plain; charset={charset}") == text


@pytest.mark.parametrize(
    ("body", "content_type", "text"),
    [
        ("für café".encode("latin-1"), "", "für café"),
        ("額度已用盡，請先儲值".encode("big5"), "", "額度已用盡，請先儲值"),
        (b"\xfe\xfd\x00ok", "", "\ufffd\ufffd\x00ok"),
        ("für café".encode(), "text/plain; charset=latin-1", "für café"),
        ("余额".encode()[:-1], "", "余"),
        (b"\xef\xbb\xbfok", "", "ok"),
        (b"ok", "text/plain; charset=nonsense", "ok"),
        (b"ok", "text/plain; charset=rot13", "ok"),
    ],
)
def test_what_is_not_chinese_stays_what_it_is(body: bytes, content_type: str, text: str) -> None:
    assert decoded(body, content_type) == text


@given(st.binary(max_size=200), st.text(max_size=40))
def test_any_bytes_have_a_text(body: bytes, content_type: str) -> None:
    decoded(body, content_type)
    decoded(body, f"text/plain; charset={content_type}")


@given(st.text(max_size=200))
def test_utf8_is_utf8(text: str) -> None:
    try:
        data = text.encode()
    except UnicodeEncodeError:
        return
    assert decoded(data) == text.removeprefix("\ufeff")


@given(st.recursive(st.none() | st.booleans() | st.integers() | st.text(max_size=5),
                    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(
                        st.sampled_from(["error", "errors", "message", "detail", "details", "code",
                                         "retryDelay", "status", "type"]), inner, max_size=4),
                    max_leaves=12), st.sampled_from([400, 401, 429, 500]))  # fmt: skip
def test_no_shape_of_a_body_breaks_it(document: Any, status: int) -> None:
    error = of(status, document)
    assert error.message.isprintable()
    error_response.from_document(document, {})


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({}, None),
        ({"retry-after": "7"}, 7.0),
        ({"retry-after": " 0.5 "}, 0.5),
        ({"retry-after": "0"}, 0.0),
        ({"retry-after": "-3"}, None),
        ({"retry-after": "soon"}, None),
        ({"retry-after": "nan"}, None),
        ({"retry-after": "1e3"}, None),
        ({"retry-after": "9" * 400}, None),
        ({"retry-after-ms": "250"}, 0.25),
        ({"retry-after-ms": "250", "retry-after": "7"}, 0.25),
        ({"retry-after-ms": "x", "retry-after": "7"}, 7.0),
        ({"retry-after": formatdate(1_700_000_030, usegmt=True)}, 30.0),
        ({"retry-after": formatdate(1_699_999_000, usegmt=True)}, 0.0),
        ({"retry-after": "Tue, 14 Nov 2023 23:14:00 +0100"}, 40.0),
        ({"retry-after": "Tue, 99 Nov 2023 23:14:00 GMT"}, None),
        ({"retry-after": "Wed, 14 Nov 99999 23:14:00 GMT"}, None),
    ],
)
def test_how_long_the_server_asks_to_wait(headers: dict[str, str], seconds: float | None) -> None:
    assert retry_after(headers, now=1_700_000_000) == seconds


def test_a_date_is_measured_against_the_clock() -> None:
    seconds = retry_after({"retry-after": formatdate(time.time() + 100, usegmt=True)})
    assert seconds is not None
    assert 60 < seconds <= 101


@given(st.text(max_size=40), st.text(max_size=10))
def test_no_header_breaks_it(value: str, milliseconds: str) -> None:
    retry_after({"retry-after": value, "retry-after-ms": milliseconds})
