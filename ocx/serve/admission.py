"""Who may come in, and how often: a loopback Host, a Bearer key in use, and its limits."""

from __future__ import annotations

import hashlib
import math
import re
import secrets
import string
import time
import zlib
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple

from ocx.secret import Secret
from ocx.serve.openai_format import ApiError, Usage, retry_headers

if TYPE_CHECKING:
    from ocx.serve.ledger import Key

PREFIX = "sk-live-local-"
PROVIDER_PREFIX = "sk-live-"
_ALPHABET = string.digits + string.ascii_uppercase + string.ascii_lowercase
_RANDOM = 43
_CHECK = 6


def mint() -> Secret:
    """A new random key: 43 characters of base62 are more than 256 bits."""
    body = "".join(secrets.choice(_ALPHABET) for _ in range(_RANDOM))
    return Secret(PREFIX + body + _checksum(body))


def digest(key: str) -> str:
    """What is stored of a key: SHA-256 in hexadecimal; enough for a text of 256 random bits."""
    return hashlib.sha256(key.encode("utf-8", "surrogateescape")).hexdigest()


def is_whole(key: str) -> bool:
    """Whether the checksum fits: tells a key that was cut or mistyped from a foreign one."""
    body, check = key[len(PREFIX) : -_CHECK], key[-_CHECK:]
    return key.startswith(PREFIX) and len(body) == _RANDOM and _checksum(body) == check


def _checksum(body: str) -> str:
    number = zlib.crc32(body.encode("utf-8", "surrogateescape"))
    return "".join(_ALPHABET[number // 62**at % 62] for at in reversed(range(_CHECK)))


_LOOPBACK = re.compile(
    rb"(?:localhost|127(?:\.(?:25[0-5]|2[0-4][0-9]|1[0-9]{2}|[1-9]?[0-9])){3}|\[::1\])"
    rb"(?::[0-9]{1,5})?",
    re.IGNORECASE,
)


def check_head(scope: Any) -> None:
    """Refuse a Host that is not a loopback name, as a web page sends after DNS rebinding; and a
    body of two lengths, on which two servers in a row may not agree (RFC 9112 6.3).

    Raises:
        ApiError: 400; after two lengths the connection is closed.
    """
    hosts = [value for name, value in scope["headers"] if name == b"host"]
    if len(hosts) != 1 or not _LOOPBACK.fullmatch(hosts[0]):
        message = "the Host header must be localhost or a loopback address"
        raise ApiError(400, message, "host_not_allowed")
    if {b"content-length", b"transfer-encoding"} <= {name for name, _ in scope["headers"]}:
        message = "Content-Length and Transfer-Encoding exclude each other"
        raise ApiError(400, message, "ambiguous_length", headers={"connection": "close"})


def authenticate(scope: Any, find: Callable[[str], Key | None], now: int) -> Key:
    """Return the key of the request.

    Raises:
        ApiError: 401; the message repeats nothing of what was sent.
    """
    given = [value for name, value in scope["headers"] if name == b"authorization"]
    scheme, _, text = (given[0] if given else b"").decode("latin-1").partition(" ")
    text = text.strip()
    key = None
    if len(given) != 1:
        problem = "no key: send the header Authorization: Bearer sk-live-local-…"
    elif scheme.lower() != "bearer" or not text:
        problem = "the Authorization header must be: Bearer sk-live-local-…"
    elif (key := find(digest(text))) is None:
        problem = _unknown(text)
    elif (state := key.state(now)) == "good":
        return key
    else:
        problem = "this key has expired" if state == "expired" else "this key has been revoked"
    raise ApiError(401, problem, "invalid_api_key", headers={"www-authenticate": "Bearer"})


def _unknown(text: str) -> str:
    if not text.startswith(PROVIDER_PREFIX):
        return "the key is malformed: it must start with sk-live-"
    if not text.startswith(PREFIX):
        return (
            "this looks like a real key of the provider; this is a local server, which takes"
            " only keys that start with sk-live-local- and keeps nothing of yours"
        )
    if not is_whole(text):
        return "the key is malformed: it was cut or mistyped"
    return "this server does not know the key"


MINUTE = 60.0


@dataclass
class _Usage:
    busy_until: float = 0.0
    """GCRA's theoretical arrival time, on the monotonic clock."""
    running: int = 0


class RateLimitState(NamedTuple):
    """The requests that a key has left, for the headers of a reply."""

    limit: int
    remaining: int
    reset: float
    """Seconds until the whole limit is free again."""


@dataclass
class Limiter:
    """Requests a minute (GCRA) and at once, per key, in memory.

    Call `enter` before a request and `leave` after it. Keys without limits have these.
    """

    rpm: int
    concurrency: int
    clock: Callable[[], float] = time.monotonic
    _usage: dict[int | None, _Usage] = field(default_factory=dict)

    def check(self, key: Key) -> None:
        """Look whether a request may begin.

        Raises:
            ApiError: 429, with `retry-after`.
        """
        usage = self._usage.setdefault(key.id, _Usage())
        rpm, most = key.rpm or self.rpm, key.concurrency or self.concurrency
        if usage.running >= most:
            raise _too_many(f"{most} requests at once are the limit of this key", "concurrency", 1)
        # The last request that fits starts when rpm - 1 others are still to be paid off.
        wait = usage.busy_until - self.clock() - MINUTE / rpm * (rpm - 1)
        if wait > 1e-9:
            raise _too_many(f"{rpm} requests a minute are the limit of this key", "rpm", wait)

    def enter(self, key: Key) -> RateLimitState:
        """Count a request that begins; raises as `check`, and then counts nothing."""
        self.check(key)
        usage = self._usage[key.id]
        usage.busy_until = max(self.clock(), usage.busy_until) + MINUTE / (key.rpm or self.rpm)
        usage.running += 1
        return self.peek(key)

    def leave(self, key: Key) -> None:
        """Count a request that ends."""
        self._usage[key.id].running -= 1

    def peek(self, key: Key | None = None) -> RateLimitState:
        """The state of the key, without counting a request."""
        usage = self._usage.get(key.id if key else None, _Usage())
        rpm = (key.rpm if key else None) or self.rpm
        reset = max(usage.busy_until - self.clock(), 0.0)
        free = math.floor((MINUTE - reset) / (MINUTE / rpm) + 1e-6)
        return RateLimitState(rpm, min(max(free, 0), rpm), reset)


def _too_many(message: str, limit: str, wait: float) -> ApiError:
    message, code = f"{message}; try again in {wait:.1f} s", f"{limit}_limit_exceeded"
    return ApiError(429, message, code, headers=retry_headers(wait))


@dataclass
class RequestRecord:
    """What is known of one request while it is answered; the log is written from it.

    The key's text is not in it, so that no log can hold it.

    Attributes:
        fault: the value of `X-OCX-Fault`.
        status: 0 until the reply begins; it stays 0 if the client leaves first.
        failure: what went wrong in the server itself.
        micro: the cost in micro-credits.
    """

    method: str
    path: str
    request_id: str
    rate_limit: RateLimitState
    key: Key | None = None
    fault: str | None = None
    status: int = 0
    model: str | None = None
    outcome: str | None = None
    failure: str | None = None
    usage: Usage | None = None
    micro: int | None = None
    began: float = field(default_factory=time.monotonic)

    def headers(self) -> list[tuple[bytes, bytes]]:
        """The headers that every reply carries."""
        state = self.rate_limit
        return [
            (b"x-request-id", self.request_id.encode()),
            (b"x-ratelimit-limit-requests", b"%d" % state.limit),
            (b"x-ratelimit-remaining-requests", b"%d" % state.remaining),
            (b"x-ratelimit-reset-requests", f"{state.reset:.3f}s".encode()),
        ]

    @property
    def milliseconds(self) -> int:
        return round((time.monotonic() - self.began) * 1000)


Log = Callable[[RequestRecord], Any]
