"""A picture of the tools: wall time of one prompt, a bar each, with its spread."""

from __future__ import annotations

import statistics
from collections.abc import Mapping

from tests.bench.measure import Cost
from tests.bench.tools import spread

_LEFT, _BAR, _ROW, _TOP = 80, 420, 30, 44
_FONT = "font-family='monospace' font-size='13'"


def picture(costs: Mapping[str, Cost]) -> str:
    """SVG, readable on light and dark pages."""
    rows = sorted(costs.items(), key=lambda item: statistics.median(item[1].walls))
    longest = max(max(cost.walls) for _, cost in rows)
    width, height = _LEFT + _BAR + 230, _TOP + _ROW * len(rows) + 10
    parts = [
        f"<svg xmlns='http://www.w3.org/2000/svg' width='{width}' height='{height}' {_FONT}>",
        f"<rect width='{width}' height='{height}' rx='8' fill='#fbfbfb'/>",
        "<text x='16' y='26' fill='#222'>One prompt in a pipe: seconds of wall time,"
        " median and least to most</text>",
    ]
    for place, (name, cost) in enumerate(rows):
        parts += _bar(name, cost, _TOP + place * _ROW, _BAR / longest)
    return "\n".join([*parts, "</svg>"]) + "\n"


def _bar(name: str, cost: Cost, y: int, scale: float) -> list[str]:
    length = statistics.median(cost.walls) * scale
    low, high = (_LEFT + number * scale for number in (min(cost.walls), max(cost.walls)))
    colour = "#2f7d4f" if name == "ocx" else "#9aa5b1"
    words = spread([second * 1000 for second in cost.walls], 1) + " ms"
    return [
        f"<text x='16' y='{y + 15}' fill='#222'>{name}</text>",
        f"<rect x='{_LEFT}' y='{y}' width='{length:.1f}' height='20' fill='{colour}'/>",
        f"<path d='M{low:.1f} {y + 10}H{high:.1f}' stroke='#222' stroke-width='2'/>",
        f"<text x='{max(high, _LEFT + length) + 10:.1f}' y='{y + 15}' fill='#222'>{words}</text>",
    ]
