"""The list of models, and what it says of each under the names of several servers; pure.

OpenAI (https://developers.openai.com/api/reference/resources/models), OpenRouter
(https://openrouter.ai/docs/models), vLLM, LiteLLM, and what Mistral, Groq, Together and llama.cpp
call the same. Only the id is documented, so everything else may be missing or of another type.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, NamedTuple

from ocx.api.completion import document_of
from ocx.api.error_response import described
from ocx.api.http import with_query
from ocx.api.prices import Price
from ocx.api.types import Reply, Secrets, amount_in, number_in
from ocx.errors import ServerError

_PATH = "/models"
_PAGES = 100
_CONTEXT = (
    "context_length max_model_len context_window max_context_length max_input_tokens"
    " context_size n_ctx_train n_ctx"
).split()
_SHUTDOWN = (
    "shutdown_date expiration_date deprecation_date retirement_date sunset_date end_of_life"
    " deprecation"
).split()
_OWNER = ("owned_by", "organization", "litellm_provider", "owner")
_NESTED = ("model_info", "top_provider", "meta", "limits")
_DATE = re.compile(r"\d{4}-\d\d-\d\d")
_OPENROUTER = ("prompt", "completion", "input_cache_read")
_TOGETHER = ("input", "output", "cached_input")
_LITELLM = ("input_cost_per_token", "output_cost_per_token", "cache_read_input_token_cost")
_MILLION = Decimal(1_000_000)
_LONGEST = 60
_IN_CREDITS = re.compile(r"credits?\b")
_COUNTED = (
    (re.compile(r"million|\b1?m\b|mtok|1e6|1,?000,?000\b"), Decimal(1)),
    (re.compile(r"thousand|\b1?k\b|1,?000\b"), Decimal(1000)),
)
"""What a unit says it is for, as in `credits per million tokens`, and what makes it a million."""


def all_pages(get: Callable[[str], Reply], keys: Secrets = ()) -> Reply:
    """The answer to GET /models; pages are read as OpenAI's other lists have them.

    Args:
        get: fetches a path.

    Raises:
        ServerError: a page is not a list of models.
    """
    reply = get(_PATH)
    document, ids = reply.json, ids_in(reply, keys)
    for _ in range(_PAGES - 1):
        if not (isinstance(document, dict) and document.get("has_more") is True and ids):
            break
        page = get(with_query(_PATH, {"after": ids[-1]}))
        more = [name for name in ids_in(page, keys) if name not in ids]
        if not more:  # a server that does not know `after`
            break
        ids += more
        rows = [*document["data"], *page.json["data"]]
        document = {**document, "data": rows, "has_more": page.json.get("has_more", False)}
    return reply._replace(json=document)


def ids_in(reply: Reply, keys: Secrets = ()) -> list[str]:
    """The ids in a reply to GET /models; raises as `model_rows`, and what the reply reports."""
    with described(reply.status, reply.request_id):
        return model_ids(document_of(reply, keys))


class ModelFacts(NamedTuple):
    """One model; what is not said is None or empty.

    Attributes:
        context: tokens of prompt and answer together.
        modalities: what goes in and comes out, as OpenRouter writes it: `text+image->text`.
        shutdown: the day it goes away, ISO 8601 where the server says it so.
        in_credits: the endpoint says that the price is in credits; else the unit is not known.
        more_charged: each request is charged, too.
    """

    id: str
    context: int | None = None
    price: Price | None = None
    owner: str = ""
    modalities: str = ""
    shutdown: str = ""
    in_credits: bool = False
    more_charged: bool = False


def model_ids(document: Any) -> list[str]:
    """The ids in an answer to GET /models, in its order, each once; raises as `model_rows`."""
    return list(dict.fromkeys(name for name, _ in model_rows(document)))


def model_rows(document: Any) -> list[tuple[str, Mapping[str, Any]]]:
    """Id and object of each model in an answer to GET /models.

    The shape is undocumented: OpenAI's `{"data": [{"id": ...}]}`, of which only `id` is used.
    A bare list and a list under `models` are read, too.

    Raises:
        ServerError: the document is something else.
    """
    rows = document
    if isinstance(document, dict):
        rows = document.get("data", document.get("models"))
    if not isinstance(rows, list):
        raise ServerError("the answer to GET /models is not a list of models")
    found: list[tuple[Any, Mapping[str, Any]]] = [
        (row.get("id"), row) if isinstance(row, dict) else (row, {}) for row in rows
    ]
    if not all(isinstance(name, str) and name for name, _ in found):
        raise ServerError("the answer to GET /models holds a model without an id")
    return found


def model_facts(document: Any) -> list[ModelFacts]:
    """The models in an answer to GET /models, each id once, in its order.

    Raises:
        ServerError: it is no list of models.
    """
    found: dict[str, ModelFacts] = {}
    for name, row in model_rows(document):
        found.setdefault(name, _facts(name, row))
    return list(found.values())


def _facts(name: str, row: Mapping[str, Any]) -> ModelFacts:
    scopes = [row, *(inner for key in _NESTED if isinstance(inner := row.get(key), Mapping))]

    def first_of(read: Callable[[Any], Any], names: Sequence[str]) -> Any:
        values = (scope[name] for name in names for scope in scopes if name in scope)
        return next(filter(None, map(read, values)), None)

    price, *charged = next(filter(None, map(_price, scopes)), (None, False, False))
    return ModelFacts(
        name,
        first_of(_count, _CONTEXT),
        price,
        first_of(_text, _OWNER) or "",
        next(filter(None, map(_modalities, scopes)), ""),
        first_of(_day, _SHUTDOWN) or "",
        *charged,
    )


def _count(value: Any) -> int | None:
    number = number_in(value)
    whole = number is not None and number.value == number.value.to_integral_value()
    return int(number.value) if number and whole and 0 < number.value < 2**53 else None


def _text(value: Any) -> str:
    return value.strip()[:_LONGEST] if isinstance(value, str) else ""


def _day(value: Any) -> str:
    """A date, a time with its date, or seconds (or milliseconds) since the epoch."""
    if isinstance(value, str):
        match = _DATE.match(value.strip())
        return match.group() if match else _text(value)
    seconds = _count(value) or 0
    try:
        at = datetime.fromtimestamp(seconds / 1000 if seconds > 10**11 else seconds, UTC)
    except (ValueError, OverflowError, OSError):
        return ""
    return at.date().isoformat() if seconds else ""


def _price(scope: Mapping[str, Any]) -> tuple[Price, bool, bool] | None:
    """OpenRouter and LiteLLM say what a token costs, Together (in numbers) what a million does."""
    table = _mapping(scope.get("pricing"))
    unit = str(table.get("unit") or table.get("currency")).lower()
    counted = next((factor for words, factor in _COUNTED if words.search(unit)), None)
    million = isinstance(table.get("input"), int | float)
    for source, names, factor in (
        (table, _OPENROUTER, counted or _MILLION),
        (table, _TOGETHER, counted or (Decimal(1) if million else _MILLION)),
        (scope, _LITELLM, _MILLION),
    ):
        prompt, completion, cached = (amount_in(source.get(name)) for name in names)
        if prompt is not None and completion is not None:
            price = Price(prompt, completion, cached).times(factor)
            return price, bool(_IN_CREDITS.match(unit)), bool(amount_in(table.get("request")))
    return None


def _modalities(scope: Mapping[str, Any]) -> str:
    for source in (_mapping(scope.get("architecture")), scope):
        both = source.get("modalities")
        table = _mapping(both)
        given = source.get("input_modalities", table.get("input", both))
        made = source.get(
            "output_modalities", source.get("supported_output_modalities", table.get("output"))
        )
        given = given if given is not None else source.get("supported_modalities")
        found = "->".join(filter(None, (_joined(given), _joined(made))))
        if found or (found := _text(source.get("modality"))):
            return found
    flags = (("image", "supports_vision"), ("audio", "supports_audio_input"))
    seen = [kind for kind, flag in flags if scope.get(flag) is True]
    return "+".join(["text", *seen]) if seen else ""


def _joined(kinds: Any) -> str:
    return "+".join(filter(None, map(_text, kinds))) if isinstance(kinds, list) else ""


def _mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}
