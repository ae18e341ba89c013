"""Turn a refusal (status, headers and body) into one of our errors; pure.

The provider documents five statuses and no body, so every common shape is read: OpenAI's
`{"error": {...}}`, `{"error": "text"}`, FastAPI's `detail`, problem+json's `title`, plain text.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from ocx.api.types import Headers, Secrets
from ocx.errors import (
    AuthError,
    CreditsError,
    DeadlineError,
    IncompleteError,
    NetworkError,
    OcxError,
    RateLimitError,
    RejectedError,
    ServerError,
)
from ocx.secret import mask_all
from ocx.text import loads

AGAIN = "what arrived is incomplete; run it again for a whole answer"
MAX_TEXT = 500
_MAX_RAW = 200
_EXCERPT_CAP = 64 * 1024
_REQUEST_IDS = ("x-request-id", "request-id", "x-oneapi-request-id", "cf-ray")
_WORDS = ("errors", "message", "msg", "detail", "title")
_DEPTH = 5
_NOT_THERE = {404, 405}
# google.rpc.Code, which stands beside the number or in place of it.
_RPC = {
    "INVALID_ARGUMENT": 400, "FAILED_PRECONDITION": 400, "UNAUTHENTICATED": 401,
    "PERMISSION_DENIED": 403, "NOT_FOUND": 404, "RESOURCE_EXHAUSTED": 429, "INTERNAL": 500,
    "UNAVAILABLE": 503, "DEADLINE_EXCEEDED": 504,
}  # fmt: skip
_NAMED = (
    ("rate_limit too_many_requests", RateLimitError),
    ("auth api_key permission", AuthError),
    ("billing payment", CreditsError),
    ("timeout", DeadlineError),
    ("content_filter context_length not_found invalid", RejectedError),
)
_GOOD_CODES = {"0", "200", "20000", "true", "ok", "success"}


def from_response(status: int, headers: Headers, body: bytes, *, keys: Secrets = ()) -> OcxError:
    """The error that an answer with a status other than 2xx stands for.

    Args:
        headers: names in lower case.
        body: as much of it as was read, decompressed.
        keys: secrets, masked wherever the server repeats them.
    """
    text = _text_of(body, headers.get("content-type", ""))
    document = first(parse(text))
    error = _error(status, document, headers, keys, text)
    said = f": {error.message}" if error.message else ""
    if 300 <= status < 400:
        target = _clean(mask_all(headers.get("location", ""), keys))
        said = ": redirects are not followed; it leads to " + target if target else ": redirected"
        error.hint = "set base_url to where the API really is; the key is not sent anywhere else"
    error.message = f"HTTP {status}{said}"
    error.status, error.headers, error.body = status, headers, body
    return error


def from_document(
    document: Any, headers: Headers, *, status: int = 200, keys: Secrets = ()
) -> OcxError | None:
    """The error that a document with a 200, or an event of a stream, reports, if any."""
    document = first(document)
    if not reports_failure(document):
        return None
    return reported(document, headers, status=status, keys=keys)


def reported(
    document: Mapping[str, Any], headers: Headers, *, status: int = 200, keys: Secrets = ()
) -> OcxError:
    """The error of a document that is known to report one."""
    error = _error(None, document, headers, keys, "")
    error.message = error.message or "the server reports an error without saying which"
    error.status = status
    return error


def _error(
    status: int | None, document: Any, headers: Headers, keys: Secrets, text: str
) -> OcxError:
    """The error of a refusal; its message is what the server says, maybe nothing.

    Args:
        status: None if the body alone tells what happened.
        text: all of the body, if it is no more than text.
    """
    from ocx.api.error_words import asked_wait, used_up  # noqa: PLC0415 - only for an error

    said = _words(document, _DEPTH)
    shown = _cut(said, MAX_TEXT, keys) or excerpt(text, keys)
    codes = list(_codes(document))
    code = _cut(codes[0], _MAX_RAW, keys) if codes else None
    judged = _status_in(document, code) if status is None else status
    kind = _kind(judged, codes, about_credits=used_up(codes, shown, document))
    return kind(
        shown,
        hint=_hint(kind, status, code, shown),
        api_code=code,
        request_id=request_id(headers, keys),
        retry_after=asked_wait(headers, document, said or text),
    )


def incomplete(error: OcxError) -> IncompleteError:
    """The same failure, after a part of the answer had arrived."""
    hint = error.hint if error.rerun_helps is False else AGAIN
    found = IncompleteError(f"the answer broke off: {error.message}", hint=hint)
    for name in ("status", "api_code", "request_id", "retry_after", "rerun_helps"):
        setattr(found, name, getattr(error, name))
    return found


@contextmanager
def about_balance() -> Iterator[None]:
    """Say what a refusal of /balance means: most endpoints have none."""
    try:
        yield
    except RejectedError as error:
        if error.status in _NOT_THERE:
            error.message = f"this endpoint has no balance ({error.message})"
            error.hint = "`ocx config get base_url` shows which it is"
        raise


@contextmanager
def described(status: int, request_id: str | None) -> Iterator[None]:
    """An error in here is of an answer with this status and request id, if it has none."""
    try:
        yield
    except OcxError as error:
        error.request_id = error.request_id or request_id
        if error.status is None and not isinstance(error, NetworkError | DeadlineError):
            error.status = status
        raise


def reports_failure(document: Any) -> bool:
    """Whether a document, whatever its status, says that the request failed."""
    document = first(document)
    if not isinstance(document, dict):
        return False
    if document.get("error") or document.get("success") is False:
        return True
    if document.get("type") == "error" or document.get("object") == "error":
        return True
    # DashScope and one-api: no answer in it, but words and a code that is not a success.
    if "choices" in document or not is_failure_code(document.get("code")):
        return False
    return any(isinstance(document.get(name), str) for name in ("message", "msg", "detail"))


def is_failure_code(code: Any) -> bool:
    """Whether the `code` of a document means that the request failed; None means nothing."""
    return code is not None and str(code).lower() not in _GOOD_CODES


def request_id(headers: Headers, keys: Secrets) -> str | None:
    """The id under which the provider can find the request; header names in lower case."""
    found = (headers.get(name) for name in _REQUEST_IDS)
    return next((_cut(value, _MAX_RAW, keys) for value in found if value), None)


def parse(body: bytes | str, content_type: str = "") -> Any:
    """The body's JSON, in whatever encoding; None if it is not JSON."""
    try:
        return loads(body)
    except UnicodeDecodeError:
        return parse(_text_of(body, content_type))
    except ValueError:
        return None


def excerpt(body: bytes | str, keys: Secrets = ()) -> str:
    """The first 200 printable characters, on one line."""
    return _cut(_text_of(body[:_EXCERPT_CAP]), _MAX_RAW, keys)


def exception_text(error: BaseException) -> str:
    """What an exception of TLS, a socket or a proxy says, as a few words on one line."""
    reason = getattr(error, "reason", None) if isinstance(error, OSError) else None
    if isinstance(reason, str) and reason:  # of an ssl.SSLError
        return reason.replace("_", " ").lower()
    text = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
    # A proxy's reason phrase comes from the network too.
    return excerpt(text) or type(error).__name__


def _text_of(body: bytes | str, content_type: str = "") -> str:
    if isinstance(body, str):
        return body
    from ocx.api.http import decoded  # noqa: PLC0415 - only if there is an error

    return decoded(body, content_type)


def first(document: Any) -> Any:
    """The document itself, or the first element of a list: Google sends its errors in one."""
    for _ in range(_DEPTH):
        if not isinstance(document, list) or not document:
            break
        document = document[0]
    return document


def _words(value: Any, depth: int) -> str:
    """The message in a body: a text, or what stands in its fields and first elements."""
    value = first(value)
    if isinstance(value, str):
        return value if value.strip() else ""
    if not isinstance(value, dict) or not depth:
        return ""
    found = (_words(value.get(name), depth - 1) for name in ("error", *_WORDS))
    return next(filter(None, found), "")


def _codes(document: Any) -> Iterator[str]:
    """All codes and types of a body, the one that says most first."""
    if not isinstance(document, dict):
        return
    inner = _inner(document)
    for value in (inner.get("code"), inner.get("type"), document.get("code")):
        if isinstance(value, str | int) and not isinstance(value, bool) and value != "":
            yield str(value)


def _inner(document: Mapping[str, Any]) -> Mapping[str, Any]:
    found = first(document.get("error") or document.get("errors"))
    return found if isinstance(found, dict) else {}


def _status_in(document: Mapping[str, Any], code: str | None) -> int:
    inner = _inner(document)
    for value in (code, inner.get("status"), document.get("status"), inner.get("type")):
        text = str(value)
        if len(text) == 3 and text.isdecimal() and text >= "400":
            return int(text)
        if text in _RPC:
            return _RPC[text]
    return 0


def _kind(status: int, codes: Sequence[str], *, about_credits: bool) -> type[OcxError]:
    if status == 402 or (about_credits and not 300 <= status < 400):
        return CreditsError
    if status in _BY_STATUS:
        return _BY_STATUS[status]
    if 400 <= status < 500:
        return RejectedError
    name = codes[0].lower() if codes and status == 0 else ""
    found = (kind for parts, kind in _NAMED if any(part in name for part in parts.split()))
    return next(found, ServerError)


_BY_STATUS: dict[int, type[OcxError]] = {
    401: AuthError,
    403: AuthError,
    407: NetworkError,
    408: DeadlineError,
    429: RateLimitError,
}


def _hint(kind: type[OcxError], status: int | None, code: str | None, text: str) -> str | None:
    if kind is RejectedError and code == _TAPE_MISS:
        return "`ocx serve --record` makes the tape again; `--missing record` adds what it lacks"
    if kind is RejectedError and "model" in (code or ""):
        return _MODELS
    if kind is RejectedError and status == 404:
        return _MODELS if "model" in text.lower() else _PATH
    return _HINTS.get(kind)


_MODELS = "`ocx models` lists the models; `ocx config get base_url` shows the URL"
_PATH = "is base_url right? `ocx config get base_url` shows it, `ocx doctor` tries it"
_TAPE_MISS = "tape_miss"  # of `ocx serve --replay`
_HINTS: dict[type[OcxError], str] = {
    AuthError: "`ocx keys check` tests the key; `ocx keys add NAME` stores another",
    RateLimitError: "wait, then try again; --retries N tries more often",
    NetworkError: "check the proxy's user name and password",
}


def _cut(text: str, most: int, keys: Secrets) -> str:
    """Masked before it is cut: no filter knows half a key."""
    return _clean(mask_all(text, keys)[: 8 * most])[:most]


def _clean(text: str) -> str:
    """One line without control characters: what a server says must not steer a terminal."""
    words = "".join(char if char.isprintable() else " " for char in text).split()
    return " ".join(words)
