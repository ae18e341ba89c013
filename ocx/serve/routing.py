"""Which answer a model gives: the target of its route, or the one that its name is."""

from __future__ import annotations

import itertools
from dataclasses import dataclass

from ocx.serve import builtin
from ocx.serve.answer import Answer
from ocx.serve.catalogue import Model
from ocx.serve.exchange import Exchange
from ocx.serve.request import ChatRequest


@dataclass
class Router:
    """Targets by their prefix; `echo` for a model that has no other."""

    def answer(self, model: Model, request: ChatRequest, exchange: Exchange) -> Answer:  # noqa: ARG002
        """The answer, not begun.

        Raises:
            Problem: the target does not exist, or refuses the request.
        """
        said = builtin.said(request.question, request)
        thoughts = builtin.thought() if model.reasons else []
        return Answer(builtin.parts(itertools.chain(thoughts, said), request))
