"""The models that exist: ids, prices, and what answers for them."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from ocx.serve.ledger.money import Price
from ocx.serve.problem import Problem

ECHO = "echo"
DEFAULT = "deepseek-chat"
DIRECT = ("lorem:", "fault/")
"""What a request may name besides a model of the catalogue. Never `script:`, `cassette:` or
`forward:`: with those a request could read files and reach hosts."""


@dataclass(frozen=True)
class Model:
    """A model of the catalogue: who is said to own it, its price, the target that answers."""

    id: str
    owner: str
    price: Price
    target: str = ECHO
    reasons: bool = False

    def document(self) -> dict[str, Any]:
        return {"id": self.id, "object": "model", "created": 1700000000, "owned_by": self.owner}


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
    """Models by id, and the targets that a request may name itself."""

    def __init__(self, models: Iterable[Model] = BUILT_IN) -> None:
        self.models: Mapping[str, Model] = {model.id: model for model in models}

    def find(self, name: str) -> Model:
        """The model for the name in a request.

        Raises:
            Problem: 404, with the nearest name.
        """
        if name in self.models:
            return self.models[name]
        if name.startswith(DIRECT):
            like = self.models.get(DEFAULT, BUILT_IN[0])
            return Model(name, "ocx", like.price, name)
        near = difflib.get_close_matches(name[:200], self.models, 1)
        hint = f"; did you mean {near[0]}?" if near else ""
        raise Problem(
            404,
            f"no model is called {name[:200]!r}{hint}",
            code="model_not_found",
            param="model",
        )
