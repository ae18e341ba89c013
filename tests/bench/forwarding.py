"""The rows of `ocx serve` in front of an upstream, against Portkey's gateway and LiteLLM's proxy.

    python -m tests.bench.forwarding

Each ratio is the median of rounds in which all of them are asked in turn; all by the same client,
in front of the same upstream. Beside the rates stands the CPU of a request in the gateway itself,
which a busy machine disturbs less.
"""

from __future__ import annotations

import statistics
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from tests.bench import free_server, gateways
from tests.bench.gateways import Gateway
from tests.bench.load import Load, Request
from tests.bench.rows import Rows
from tests.bench.tools import HOW

AT_ONCE, ONE_BY_ONE, ROUNDS = 32, 300, 5
REQUESTS, FEWER = 1_500, 200
"""A round of each gateway, and of one that would take minutes. The first does not count: Node
compiles what is called often."""
_BOUNDS = (
    ("Portkey", "ocx serve", 0.8),
    ("Portkey", "ocx serve --ephemeral", 1.3),
    ("LiteLLM", "ocx serve", 4),
)


@dataclass
class Measured:
    """Answers a second, and CPU milliseconds a request, of each round."""

    rates: list[float] = field(default_factory=list)
    costs: list[float] = field(default_factory=list)

    def round(self, gateway: Gateway) -> None:
        before = gateway.cpu()
        count = FEWER if gateway.name == "LiteLLM" else REQUESTS
        self.rates.append(Load(gateway.request, count).run(AT_ONCE))
        self.costs.append((gateway.cpu() - before) / count * 1000)


def measure(rows: Rows) -> None:
    with ExitStack() as stack:
        try:
            upstream, url = stack.enter_context(free_server.running())
        except RuntimeError as error:
            rows.skip(f"forwarding, {AT_ONCE} at once", str(error))
            return
        running = {each.name: each for each in stack.enter_context(_all_of_them(url))}
        measured = {name: Measured() for name in running}
        for gateway in running.values():
            Measured().round(gateway)
        for _ in range(ROUNDS):
            for name, gateway in running.items():
                measured[name].round(gateway)
        for theirs, ours, least in _BOUNDS:
            what = f"{ours} / {theirs}"
            if theirs in measured:
                _against(rows, what, upstream, (measured[ours], measured[theirs]), least)
            else:
                rows.skip(what, HOW)
        direct = gateways.post(url, {})
        name = f"ocx serve, one at a time, above {upstream} itself"
        more = [_median(running["ocx serve"].request) - _median(direct) for _ in range(ROUNDS)]
        rows.add(name, statistics.median(more), _spread(more), unit=" ms", most=3)
        whole = [_median(running["ocx serve"].echoed()) for _ in range(ROUNDS)]
        name = "ocx serve, a whole answer on a kept connection"
        rows.add(name, statistics.median(whole), _spread(whole), unit=" ms", most=3)


def _against(
    rows: Rows, what: str, upstream: str, pair: tuple[Measured, Measured], least: float
) -> None:
    for name, unit, bound, numbers in (
        (f"{AT_ONCE} at once, {upstream}", "/s", least, [each.rates for each in pair]),
        ("CPU a request", "ms", None, [each.costs for each in pair]),
    ):
        ratios = [mine / other for mine, other in zip(*numbers, strict=True)]
        medians = "/".join(_number(statistics.median(each)) for each in numbers)
        detail = f"{_spread(ratios)}; {medians} {unit}"
        rows.add(f"{what}, {name}", statistics.median(ratios), detail, least=bound)


def _median(request: Request) -> float:
    """Milliseconds of one answer after the other."""
    load = Load(request, ONE_BY_ONE)
    load.run(1)
    return statistics.median(load.times) * 1000


def _number(number: float) -> str:
    return f"{number:,.0f}" if number >= 10 else f"{number:.2f}"


def _spread(numbers: list[float]) -> str:
    return f"{min(numbers):.2f} to {max(numbers):.2f}"


@contextmanager
def _all_of_them(url: str) -> Iterator[list[Gateway]]:
    with ExitStack() as stack:

        def folder() -> Path:
            return Path(stack.enter_context(tempfile.TemporaryDirectory()))

        found = [
            stack.enter_context(gateways.ours(folder(), url)),
            stack.enter_context(gateways.ours(folder(), url, memory=True)),
            stack.enter_context(gateways.portkey(folder(), url)),
            stack.enter_context(gateways.litellm(folder(), url)),
        ]
        yield [each for each in found if each is not None]


if __name__ == "__main__":
    measure(Rows())
