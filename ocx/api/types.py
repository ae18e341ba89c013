"""What goes into the API and what comes out of it, as plain values; nothing here knows HTTP."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

from ocx.errors import OcxError
from ocx.secret import Secret, secrets_of

if TYPE_CHECKING:
    from decimal import Decimal

Headers = Mapping[str, str]
Secrets = Sequence[Secret]

CHAT_TIMEOUT = 600.0
QUICK_TIMEOUT = 15.0

Confidence = Literal["exact", "derived", "guessed"]
Step = Literal["dns", "tcp", "proxy", "tls", "http"]


@dataclass(frozen=True)
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


@dataclass(frozen=True)
class Balance:
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
