"""`--max-failures`: when so much fails that going on is not worth it."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

from ocx.errors import UsageError

_FEWEST_FOR_PERCENT = 20
_FORM = re.compile(r"(\d{1,9})(%|-in-a-row)?")

Unit = Literal["rows", "percent", "in a row"]


@dataclass
class MaxFailures:
    """More failures than this stop the run; per cent count from 20 finished rows on."""

    most: int
    unit: Unit = "rows"
    failed: int = 0
    finished: int = 0
    in_a_row: int = 0

    def add(self, *, failed: bool) -> bool:
        """Count a finished row; whether that was one too many."""
        self.finished += 1
        self.failed += failed
        self.in_a_row = self.in_a_row + 1 if failed else 0
        if not failed:
            return False
        if self.unit == "percent":
            enough = self.finished >= _FEWEST_FOR_PERCENT
            return enough and self.failed * 100 > self.most * self.finished
        return (self.in_a_row if self.unit == "in a row" else self.failed) > self.most


def parse_max_failures(text: str) -> MaxFailures:
    """`10`, `5%` or `10-in-a-row`. Raises: UsageError."""
    match = _FORM.fullmatch(text)
    if match is None or (match[2] == "%" and int(match[1]) > 100):
        raise UsageError(
            f"--max-failures takes a number or a percentage, not {text!r}",
            hint="for example --max-failures 10, 5% or 10-in-a-row",
        )
    units: dict[str | None, Unit] = {None: "rows", "%": "percent", "-in-a-row": "in a row"}
    return MaxFailures(int(match[1]), units[match[2]])
