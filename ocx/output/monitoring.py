"""A balance for what watches it: Prometheus, Nagios and its kin, GitHub Actions; pure."""

from __future__ import annotations

import re
from collections.abc import Iterator
from decimal import Decimal
from typing import NamedTuple

from ocx.api.balance import Balance
from ocx.escaping import one_line
from ocx.output.balance import balance_text
from ocx.output.github import assignment, table

_LABEL = re.compile(r"[A-Za-z0-9_]{1,32}")
UNKNOWN = 3


class Thresholds(NamedTuple):
    """Below `low` a warning, below `least` a failure; None where not asked for."""

    low: Decimal | None = None
    least: Decimal | None = None

    def state(self, reading: Balance) -> int:
        """0 enough, 1 below `low`, 2 below `least`; of several balances the worst."""
        return max(self._state(each.amount) for each in _each(reading))

    def _state(self, amount: Decimal | None) -> int:
        if amount is None:
            return 0
        if self.least is not None and amount < self.least:
            return 2
        return int(self.low is not None and amount < self.low)


def prometheus(reading: Balance, profile: str) -> str:
    """The text format, for a textfile collector.

    https://prometheus.io/docs/instrumenting/exposition_formats/
    """
    who = f'profile="{_label_value(profile)}"'
    lines = [
        "# HELP ocx_balance Credits, or money, left on the account.",
        "# TYPE ocx_balance gauge",
        *(
            f'ocx_balance{{{who},unit="{_label_value(each.unit)}"}} {each.amount:f}'
            for each in _each(reading)
            if each.amount is not None
        ),
        "# HELP ocx_balance_unlimited Whether the account has no limit.",
        "# TYPE ocx_balance_unlimited gauge",
        f"ocx_balance_unlimited{{{who}}} {int(reading.unlimited)}",
    ]
    return "".join(f"{line}\n" for line in lines)


def nagios(reading: Balance, limits: Thresholds) -> str:
    """One line of a plugin, with performance data; its state is `limits.state(reading)`.

    https://nagios-plugins.org/doc/guidelines.html: `100:` alerts below 100.
    """
    state = ("OK", "WARNING", "CRITICAL")[limits.state(reading)]
    left = ", ".join(balance_text(each) for each in _each(reading))
    text = _status(state, f"{left} left")
    data = " ".join(_performance(reading, limits))
    return f"{text} | {data}" if data else text


def nagios_unknown(message: str) -> str:
    return _status("UNKNOWN", message)


def github_output(reading: Balance) -> str:
    """Lines for the file that $GITHUB_OUTPUT names: balance, unit, unlimited."""
    amount = "" if reading.amount is None else f"{reading.amount:f}"
    values = {
        "balance": "unlimited" if reading.unlimited else amount,
        "unit": reading.unit,
        "unlimited": str(reading.unlimited).lower(),
    }
    return "".join(assignment(name, value) for name, value in values.items())


def github_summary(reading: Balance, limits: Thresholds, profile: str) -> str:
    """A table for the file that $GITHUB_STEP_SUMMARY names."""
    state = ("enough", "low", "too low")[limits.state(reading)]
    low, least = ("" if n is None else f"{n:f}" for n in limits)
    rows = [(profile, balance_text(each), low, least, state) for each in _each(reading)]
    return "\n" + table(("Profile", "Balance", "Warn below", "Fail below", "State"), rows) + "\n"


def _each(reading: Balance) -> tuple[Balance, ...]:
    return reading.currencies or (reading,)


def _status(state: str, text: str) -> str:
    # A | begins the performance data.
    return f"OCX {state} - {one_line(text).replace('|', '/')}"


def _performance(reading: Balance, limits: Thresholds) -> Iterator[str]:
    low, least = ("" if n is None else f"{n:f}:" for n in limits)
    for each in _each(reading):
        if each.amount is not None:
            label = each.unit if _LABEL.fullmatch(each.unit) else "balance"
            yield f"'{label}'={each.amount:f};{low};{least}"


def _label_value(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
