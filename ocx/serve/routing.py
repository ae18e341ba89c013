"""The models that exist, and which source answers a request for one."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from ocx.serve import faults
from ocx.serve.admission import RequestRecord
from ocx.serve.answer import AnswerSource
from ocx.serve.builtin import Echo, parse_lorem
from ocx.serve.charge import MICRO, Price
from ocx.serve.faults import Counters, Fault
from ocx.serve.openai_format import ApiError
from ocx.serve.request import ChatRequest
from ocx.text import did_you_mean

ECHO = "echo"
DEFAULT = "deepseek-chat"
DIRECT = ("lorem:", faults.PREFIX)
"""What a request may name besides a model of the catalogue. Never `script:`, `tape:` or
`forward:`: with those a request could read files and reach hosts."""


@dataclass(frozen=True)
class Model:
    """A model of the catalogue: its id, owner and price, and how the source is written."""

    id: str
    owner: str
    price: Price
    route: str = ECHO
    reasons: bool = False

    def document(self) -> dict[str, Any]:
        """As OpenAI and, for the price of a token, OpenRouter write it; the unit is our own."""
        price = self.price
        pricing = {"unit": "credits"}
        for name, amount in (
            ("prompt", price.prompt),
            ("completion", price.completion),
            ("input_cache_read", price.cached_prompt),
        ):
            if amount is not None:
                pricing[name] = f"{(amount / MICRO).normalize():f}"
        document = {"id": self.id, "object": "model", "created": 1700000000, "owned_by": self.owner}
        return {**document, "pricing": pricing}


def _model(id: str, owner: str, prompt: str, completion: str, *, reasons: bool = False) -> Model:
    return Model(id, owner, Price(Decimal(prompt), Decimal(completion)), reasons=reasons)


# Play prices in the proportions of the list prices. A request that names no max_tokens reserves
# 4,096 tokens, and no model may hold five credits for that: 1,200 a million would be too much.
BUILT_IN = (
    _model("deepseek-chat", "deepseek", "5", "18"),
    _model("deepseek-reasoner", "deepseek", "9", "36", reasons=True),
    _model("qwen-plus", "qwen", "7", "20"),
    _model("claude-3-sonnet", "anthropic", "50", "250"),
    _model("gemini-pro", "google", "8", "25"),
    _model("gpt-4o", "openai", "40", "160"),
    _model("gpt-4", "openai", "500", "1000"),
)


class Router:
    """Models by id, and the source of each; a model without one echoes."""

    def __init__(
        self, models: Iterable[Model] = BUILT_IN, sources: Mapping[str, AnswerSource] | None = None
    ) -> None:
        self.models: Mapping[str, Model] = {model.id: model for model in models}
        self.sources = sources or {}
        self._counters = Counters()

    def find(self, name: str) -> Model:
        """Find the model that a request names.

        Raises:
            ApiError: 404; the message gives the nearest name.
        """
        if name in self.models:
            return self.models[name]
        if name.startswith(DIRECT):
            like = self.models.get(DEFAULT, BUILT_IN[0])
            return Model(name, "ocx", like.price, name)
        hint = did_you_mean(name[:200], self.models, "; ")
        raise _no_model(f"no model is called {name[:200]!r}{hint}")

    def choose(
        self, model: Model, request: ChatRequest, record: RequestRecord
    ) -> tuple[AnswerSource, Fault | None]:
        """Return what will answer, once the request is paid for, and the fault that it meets.

        Raises:
            ApiError: the fault is a status or unknown, or the source refuses the request.
        """
        fault = self.fault(model.route, record)
        faults.refuse_by(fault)
        source = self._source(model)
        if fault is not None and not source.is_local:
            # Faults must not spend an upstream's tokens, so a forwarded model is answered by echo.
            source = Echo()
        source.check(request)
        return source, fault

    def fault(self, route: str, record: RequestRecord) -> Fault | None:
        """The fault that this request meets, from its header, else from the route of its model.

        Raises:
            ApiError: there is no such fault: 400 for a header, 404 for a model.
        """
        text = record.fault
        if text is None:
            if not route.startswith(faults.PREFIX):
                return None
            text = route
        try:
            fault = faults.parse(text)
        except ValueError as error:
            if record.fault is None:
                raise _no_model(str(error)) from error
            raise ApiError(400, str(error), "invalid_parameter", faults.HEADER) from error
        key = record.key.id if record.key else None
        return fault if self._counters.fires(key, text, fault) else None

    async def close(self) -> None:
        """Close the connections to upstreams."""
        for source in self.sources.values():
            await source.close()

    def _source(self, model: Model) -> AnswerSource:
        if model.id in self.sources:
            return self.sources[model.id]
        if not model.route.startswith("lorem:"):
            return Echo(model.reasons)
        try:
            return parse_lorem(model.route)
        except ValueError as error:
            raise _no_model(str(error)) from error


def _no_model(message: str) -> ApiError:
    return ApiError(404, message, "model_not_found", "model")
