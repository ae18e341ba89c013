"""What goes into the API and what comes out of it: plain values, and amounts of money; pure."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, Literal, NamedTuple

from ocx.errors import OcxError
from ocx.record import record
from ocx.secret import Secret, secrets_of

Headers = Mapping[str, str]
Secrets = Sequence[Secret]

API_FIELDS = frozenset(
    "audio frequency_penalty function_call functions logit_bias logprobs max_completion_tokens"
    " max_tokens messages metadata modalities model n parallel_tool_calls prediction"
    " presence_penalty reasoning_effort response_format seed service_tier stop store stream"
    " stream_options temperature tool_choice tools top_k top_logprobs top_p user".split()
)
"""Fields of OpenAI's chat API (platform.openai.com/docs/api-reference/chat/create)."""
CHAT_TIMEOUT = 600.0
QUICK_TIMEOUT = 15.0

Confidence = Literal["exact", "derived", "guessed"]
Step = Literal["dns", "tcp", "proxy", "tls", "http"]


@record
class Endpoint:
    """Where to send requests, and how long and how often to try.

    Attributes:
        base_url: used exactly as configured, with or without a trailing slash.
        key: None sends no Authorization header.
        headers: added to every request to `base_url`'s origin; Authorization is refused.
        timeout: seconds for one call over all attempts; None means 600 for chat, 15 for the rest.
        connect_timeout: seconds until TCP, proxy and TLS stand.
        idle_timeout: seconds a stream may pass without any byte.
        retries: attempts after the first.
        proxy: URL of the proxy; None reads the environment, "" uses none.
        ca_bundle: PEM file or folder instead of the built-in certificates.
        allow_http: plain http to any host, for `auth = "none"`.
    """

    base_url: str
    key: Secret | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    timeout: float | None = None
    connect_timeout: float = 10
    idle_timeout: float = 120
    retries: int = 2
    proxy: str | None = None
    ca_bundle: str | None = None
    allow_http: bool = False

    @property
    def secrets(self) -> Sequence[Secret]:
        """What is masked wherever a server repeats it."""
        own = () if self.key is None else (self.key,)
        return (*own, *secrets_of(self.headers, self.proxy))


class Delta(NamedTuple):
    """One event of a stream.

    Attributes:
        text: the piece of the answer, maybe empty; may end in half a surrogate pair.
        reasoning: the piece of `reasoning_content` or `reasoning`, maybe empty.
        data: the event's JSON as the server sent it.
        finish_reason: why the answer ended, on the delta that ends it.
    """

    text: str
    reasoning: str
    data: str
    finish_reason: str | None


class Reply(NamedTuple):
    """A whole answer with a 2xx status.

    Attributes:
        headers: names in lower case; repeated ones joined by a comma.
        body: decompressed, as sent.
        json: the parsed body; None if it is not JSON.
        seconds: from the call to the last byte, waiting included.
        attempts: how many requests were sent, at least 1.
    """

    status: int
    headers: Mapping[str, str]
    body: bytes
    json: Any
    request_id: str | None
    seconds: float
    attempts: int


@dataclass(eq=False, repr=False)
class ConnectionTrace:
    """What happened on the way to an answer.

    Attributes:
        steps: those that have begun, in order; only "http" on a connection that stood already.
        addresses: of the host, or of its proxy.
        connect_seconds: until TCP stood; None before.
        certificate: of the last TLS handshake, as `ssl.SSLSocket.getpeercert` returns it.
        head: the first five bytes of the answer.
        reason: why the connection failed; httpcore's pool drops the cause of its errors.
    """

    steps: list[Step] = field(default_factory=list)
    addresses: list[str] = field(default_factory=list)
    connect_seconds: float | None = None
    certificate: Mapping[str, Any] = field(default_factory=dict)
    head: bytes = b""
    reason: BaseException | None = None


class Probe(NamedTuple):
    """What came of one request: the steps to the server, then an answer's head or an error.

    Attributes:
        headers: names in lower case.
    """

    trace: ConnectionTrace
    status: int | None
    headers: Mapping[str, str]
    error: OcxError | None = None


class Balance(NamedTuple):
    """What is left on the account.

    Attributes:
        amount: None if unlimited, or if several currencies are held.
        unit: "credits", or the unit or currency that the body names.
        path: where the number stands, like `data.balances[0].amount`; "" for a bare number.
        confidence: "derived" is computed from two numbers, "guessed" may be another number.
        currency: as the body names it, in upper case.
        currencies: one balance each, if there are several and none was chosen.
    """

    amount: Decimal | None
    unit: str
    unlimited: bool
    path: str
    confidence: Confidence
    currency: str | None = None
    currencies: tuple[Balance, ...] = ()

    @property
    def each(self) -> tuple[Balance, ...]:
        """One for each currency."""
        return self.currencies or (self,)


# Named, since `5 RPM`, `30 days` and `1.5万` are no amounts of money.
_CODES = "USD|EUR|GBP|CNY|RMB|JPY|KRW|HKD|TWD|SGD|MYR|INR|AUD|CAD|CHF|BRL|RUB|THB|IDR|VND|PHP|AED"
_UNIT = (
    rf"(?:US|HK|NT|S|A|C|NZ)?\$|[€£¥₩฿₫₹元圆圓円원]|港元|美元|日元|人民[币幣]|港[币幣]|令吉|RM|{_CODES}"
    r"|[Cc]redits?|[Kk]redit|积分|積分|[点點]"
)
_NUMBER = (
    rf"(?P<sign>[-+]?)(?P<before>{_UNIT})? ?(?P<sign2>[-+]?)"
    r"(?P<whole>[0-9]{1,3}(?:,[0-9]{3})+|[0-9]{1,30})(?P<fraction>\.[0-9]{1,30})?"
    rf" ?(?P<after>{_UNIT})?"
)
_LONE_GROUP = r"[0-9]{1,3},[0-9]{3}"
_LARGEST_EXPONENT = 30  # a hostile 1e999999999 would be printed in full

# The full-width forms of ASCII that Chinese and Japanese keyboards write, spaces that do not break
# and the minus of a typesetter. Not NFKC: it would read 10² as 102.
_ASCII = {code: code - 0xFEE0 for code in range(0xFF01, 0xFF5F)} | {
    0x3000: " ", 0x00A0: " ", 0x202F: " ", 0xFFE1: "£", 0xFFE5: "¥", 0xFFE6: "₩", 0x2212: "-",
}  # fmt: skip


class Amount(NamedTuple):
    """An amount.

    Attributes:
        sure: False for 1,234, which is 1234 in London and 1.234 in Berlin.
        symbol: the unit that stands beside it: `$`, `元`, `credits`; "" without one.
    """

    value: Decimal
    sure: bool = True
    symbol: str = ""

    @property
    def currency(self) -> str | None:
        """The ISO code that stands beside it."""
        return self.symbol if re.fullmatch(_CODES, self.symbol) else None


def number_in(value: Any) -> Amount | None:
    """The number that a JSON value is, or that a string holds: `"110.00"`, `"88.50元"`."""
    if isinstance(value, str):
        return _written(value.translate(_ASCII).strip())
    if isinstance(value, bool) or not isinstance(value, int | float | Decimal):
        return None
    number = Decimal(repr(value)) if isinstance(value, float) else Decimal(value)
    fine = number.is_finite() and abs(number.adjusted()) <= _LARGEST_EXPONENT
    return Amount(number) if fine else None


def amount_in(value: Any) -> Decimal | None:
    """A cost or price: a number, or a text of nothing else, as `2.5e-06`; not negative."""
    try:
        number = number_in(Decimal(value.strip()) if isinstance(value, str) else value)
    except ArithmeticError:
        return None
    # 50 digits: written out, a text of a million would fill the memory.
    fine = number is not None and number.value >= 0 and len(number.value.as_tuple().digits) <= 50
    return number.value if number and fine else None


def _written(text: str) -> Amount | None:
    match = re.fullmatch(_NUMBER, text)
    if not match or (match["sign"] and match["sign2"]) or (match["sign2"] and not match["before"]):
        return None
    sign = match["sign"] or match["sign2"]
    digits = sign + match["whole"].replace(",", "") + (match["fraction"] or "")
    lone = re.fullmatch(_LONE_GROUP, match["whole"]) and not match["fraction"]
    # `¥88.50 CNY` names its unit twice: the code says more.
    units = [unit for unit in (match["after"], match["before"]) if unit]
    code = next((unit for unit in units if re.fullmatch(_CODES, unit)), None)
    return Amount(Decimal(digits), not lone, code or next(iter(units), ""))
