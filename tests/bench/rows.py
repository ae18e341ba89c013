"""The rows of the bench: printed as they are measured, and told again over several runs."""

from __future__ import annotations

import statistics
from collections import defaultdict
from dataclasses import dataclass, field
from typing import Literal

Side = Literal["<=", ">="]
_WIDTH = 62


@dataclass
class Rows:
    """Attributes:
    measured: the numbers of each row, one a run.
    bounds: what a number must keep to; rows without a bound are not there.
    """

    measured: dict[str, list[float]] = field(default_factory=lambda: defaultdict(list))
    bounds: dict[str, tuple[Side, float]] = field(default_factory=dict)
    units: dict[str, str] = field(default_factory=dict)

    def add(
        self,
        what: str,
        number: float,
        detail: str = "",
        *,
        unit: str = " x",
        most: float | None = None,
        least: float | None = None,
    ) -> None:
        """One row of this run, printed at once."""
        self.measured[what].append(number)
        self.units[what] = unit
        if most is not None:
            self.bounds[what] = ("<=", most)
        if least is not None:
            self.bounds[what] = (">=", least)
        shown = _number(number, unit) + (f"  ({detail})" if detail else "")
        print(f"{what:<{_WIDTH}} {shown:>26}  {self._bound(what):<12} {self._verdict(what)}")

    def skip(self, what: str, how: str) -> None:
        print(f"{what:<{_WIDTH}} {'SKIPPED':>26}  {how}")

    def summary(self) -> None:
        """Median and spread of each row over the runs; the verdict is that of the worst."""
        print(f"\n{'over all runs':<{_WIDTH}} {'median (least to most)':>26}")
        for what, numbers in self.measured.items():
            unit = self.units[what]
            low, high = _number(min(numbers), ""), _number(max(numbers), "")
            shown = f"{_number(statistics.median(numbers), unit)} ({low} to {high})"
            print(f"{what:<{_WIDTH}} {shown:>26}  {self._bound(what):<12} {self._verdict(what)}")

    def _bound(self, what: str) -> str:
        if what not in self.bounds:
            return ""
        side, number = self.bounds[what]
        return f"{side} {number:,.4g}{self.units[what]}"

    def _verdict(self, what: str) -> str:
        if what not in self.bounds:
            return ""
        side, bound = self.bounds[what]
        worst = (max if side == "<=" else min)(self.measured[what])
        return "ok" if (worst <= bound if side == "<=" else worst >= bound) else "OVER"


def _number(number: float, unit: str) -> str:
    digits = 0 if abs(number) >= 100 else 1 if abs(number) >= 10 else 2
    return f"{number:,.{digits}f}{unit}"
