"""Which target answers a request, and the fault that it asked for on the way."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from ocx.serve import faults
from ocx.serve.answer import Answer
from ocx.serve.catalogue import Model
from ocx.serve.faults import Counters, Fault
from ocx.serve.problem import Problem
from ocx.serve.request import ChatRequest
from ocx.serve.request_record import Exchange
from ocx.serve.route import Echo, Target, lorem


@dataclass
class Router:
    """Targets by model; a model without one echoes."""

    targets: Mapping[str, Target] = field(default_factory=dict)
    counters: Counters = field(default_factory=Counters)

    def answer(self, model: Model, request: ChatRequest, exchange: Exchange) -> Answer:
        """The answer, not begun.

        Raises:
            Problem: the fault, an unknown fault or lorem, or the target refuses the request.
        """
        fault = self.fault(model.target, exchange)
        if fault is None:
            return self._target(model).answer(request)
        if fault.status is not None:
            faults.refuse(fault)
        target = self._target(model)
        # A fault never spends an upstream's tokens: echo takes the place of what is not ours.
        made_here = target if target.made_here else Echo()
        return faults.lay_over(fault, made_here.answer(request))

    def fault(self, target: str, exchange: Exchange) -> Fault | None:
        """The fault that this request meets: by its header, else by the target of its model.

        Raises:
            Problem: 400 for a header, 404 for a model that names no fault.
        """
        text = exchange.fault
        try:
            if text is None:
                if not target.startswith(faults.PREFIX):
                    return None
                text = target
            fault = faults.parse(text)
        except ValueError as error:
            raise _no_fault(str(error), by_header=exchange.fault is not None) from error
        key = exchange.key.id if exchange.key else None
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
            return lorem(model.target)
        except ValueError as error:
            raise Problem(404, str(error), code="model_not_found", param="model") from error


def _no_fault(message: str, *, by_header: bool) -> Problem:
    if by_header:
        return Problem(400, message, code="invalid_parameter", param=faults.HEADER)
    return Problem(404, message, code="model_not_found", param="model")
