"""The models that exist, and which target answers a request for one."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from ocx.serve import faults
from ocx.serve.admission import RequestRecord
from ocx.serve.answer import Answer
from ocx.serve.builtin import Echo, Target, parse_lorem
from ocx.serve.charge import MICRO, Price
from ocx.serve.faults import Counters, Fault
from ocx.serve.openai_format import ApiProblem
from ocx.serve.request import ChatRequest
from ocx.text import nearest

ECHO = "echo"
DEFAULT = "deepseek-chat"
DIRECT = ("lorem:", "fault/")
"""What a request may name besides a model of the catalogue. Never `script:`, `tape:` or
`forward:`: with those a request could read files and reach hosts."""


@dataclass(frozen=True)
class Model:
    """A model of the catalogue: its id, owner and price, and the target that answers."""

    id: str
    owner: str
    price: Price
    target: str = ECHO
    reasons: bool = False

    def document(self) -> dict[str, Any]:
        """As OpenAI and, for the price of a token, OpenRouter write it; the unit is our own."""
        prices = {
            "prompt": self.price.prompt,
            "completion": self.price.completion,
            "input_cache_read": self.price.cached_prompt,
        }
        named = {
            name: f"{(price / MICRO).normalize():f}"
            for name, price in prices.items()
            if price is not None
        }
        document = {"id": self.id, "object": "model", "created": 1700000000, "owned_by": self.owner}
        return {**document, "pricing": {"unit": "credits", **named}}


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


class Catalogue:
    """Models by id, and the targets that a request may name."""

    def __init__(self, models: Iterable[Model] = BUILT_IN) -> None:
        self.models: Mapping[str, Model] = {model.id: model for model in models}

    def find(self, name: str) -> Model:
        """Find the model that a request names.

        Raises:
            ApiProblem: 404; the message gives the nearest name.
        """
        if name in self.models:
            return self.models[name]
        if name.startswith(DIRECT):
            like = self.models.get(DEFAULT, BUILT_IN[0])
            return Model(name, "ocx", like.price, name)
        near = nearest(name[:200], self.models)
        hint = f"; did you mean {near}?" if near else ""
        raise ApiProblem(
            404,
            f"no model is called {name[:200]!r}{hint}",
            code="model_not_found",
            param="model",
        )


@dataclass(frozen=True)
class Choice:
    """The target that answers one request, and the fault that it meets."""

    target: Target
    fault: Fault | None = None

    def answer(self, request: ChatRequest) -> Answer:
        """Return the answer, not yet begun.

        Raises:
            ApiProblem: the target refuses the request.
        """
        answer = self.target.answer(request)
        return answer if self.fault is None else faults.inject_fault(self.fault, answer)


@dataclass
class Router:
    """The target of each model; a model without one echoes."""

    targets: Mapping[str, Target] = field(default_factory=dict)
    counters: Counters = field(default_factory=Counters)

    def choose(self, model: Model, request: ChatRequest, record: RequestRecord) -> Choice:
        """Return what will answer, once the request is paid for.

        Raises:
            ApiProblem: it meets a fault, names an unknown one, or the target refuses it.
        """
        fault = self.fault(model.target, record)
        if fault is not None and fault.status is not None:
            faults.refuse(fault)
        target = self._target(model)
        if fault is not None and not target.is_local:
            target = Echo()  # faults must not spend an upstream's tokens
        target.check(request)
        return Choice(target, fault)

    def fault(self, target: str, record: RequestRecord) -> Fault | None:
        """The fault that this request meets, from its header, else from the target of its model.

        Raises:
            ApiProblem: there is no such fault: 400 for a header, 404 for a model.
        """
        text = record.fault
        try:
            if text is None:
                if not target.startswith(faults.PREFIX):
                    return None
                text = target
            fault = faults.parse(text)
        except ValueError as error:
            raise _no_fault(str(error), by_header=record.fault is not None) from error
        key = record.key.id if record.key else None
        return fault if self.counters.fires(key, text, fault) else None

    async def close(self) -> None:
        """Close the connections to upstreams."""
        for target in self.targets.values():
            close = getattr(target, "close", None)
            if close is not None:
                await close()

    def _target(self, model: Model) -> Target:
        if model.id in self.targets:
            return self.targets[model.id]
        if not model.target.startswith("lorem:"):
            return Echo(model.reasons)
        try:
            return parse_lorem(model.target)
        except ValueError as error:
            raise ApiProblem(404, str(error), code="model_not_found", param="model") from error


def _no_fault(message: str, *, by_header: bool) -> ApiProblem:
    if by_header:
        return ApiProblem(400, message, code="invalid_parameter", param=faults.HEADER)
    return ApiProblem(404, message, code="model_not_found", param="model")
