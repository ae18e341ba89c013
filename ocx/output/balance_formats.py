"""A balance in the forms of `ocx balance --format`, as text; pure."""

from __future__ import annotations

import re
from collections.abc import Iterator
from decimal import Decimal
from typing import Any, NamedTuple

from ocx.api.balance import Balance
from ocx.errors import OcxError
from ocx.output.balance_days import (
    Lasting,
    days_fields,
    days_performance,
    days_prometheus,
    days_text,
    whole_tenths,
)
from ocx.output.github import assignment, table
from ocx.text import one_line

_LABEL = re.compile(r"[A-Za-z0-9_]{1,32}")
METRIC = "ocx_balance"
UNKNOWN = 3
"""The exit code of a Nagios plugin that cannot tell."""


class Thresholds(NamedTuple):
    """Below `warning` a warning, below `critical` a failure; None if not asked for."""

    warning: Decimal | None = None
    critical: Decimal | None = None

    def state(self, reading: Balance) -> int:
        """0 enough, 1 below `warning`, 2 below `critical`; of several balances the worst."""
        return max(self._state(each.amount) for each in _each(reading))

    def _state(self, amount: Decimal | None) -> int:
        if amount is None:
            return 0
        if self.critical is not None and amount < self.critical:
            return 2
        return int(self.warning is not None and amount < self.warning)


def balance_text(reading: Balance) -> str:
    """`499.5 credits`, `110.00 CNY` or `unlimited`; a currency only if the body names one."""
    if reading.unlimited:
        return "unlimited"
    return f"{_plain(reading.amount)} {reading.unit}".rstrip()


def balance_document(
    reading: Balance, raw: Any, *, sandbox: bool, lasting: Lasting | None = None
) -> dict[str, Any]:
    """What `--json` prints: the number, how it was found, and the whole answer as `raw`."""
    document: dict[str, Any] = {
        "balance": _number(reading.amount),
        "unit": reading.unit,
        "unlimited": reading.unlimited,
        "path": reading.path,
        "confidence": reading.confidence,
        "sandbox": sandbox,
    }
    if reading.currencies:
        document["currencies"] = {c.unit: _number(c.amount) for c in reading.currencies}
    if lasting is not None:
        document |= days_fields(lasting)
    return {**document, "raw": raw}


def prometheus_unknown(error: OcxError, profile: str) -> str:
    """The same without a balance: why there is none."""
    labels = f'profile="{_label_value(profile)}",type="{error.name}"'
    return (
        f"# HELP {METRIC}_error Why the balance is not known, by the name of the exit code.\n"
        f"# TYPE {METRIC}_error gauge\n"
        f"{METRIC}_error{{{labels}}} {error.exit_code}\n"
    )


def prometheus(reading: Balance, profile: str, lasting: Lasting | None = None) -> str:
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
    if lasting is not None:
        lines += days_prometheus(lasting, f'{who},unit="{_label_value(reading.unit)}"')
    return "".join(f"{line}\n" for line in lines)


def nagios_state(reading: Balance, limits: Thresholds, lasting: Lasting | None = None) -> int:
    """The state of the limits; 2 too if the balance lasts for fewer days than asked for."""
    return 2 if lasting is not None and lasting.below else limits.state(reading)


def nagios(reading: Balance, limits: Thresholds, lasting: Lasting | None = None) -> str:
    """One line of a plugin, with performance data; its state is `nagios_state` of the same.

    https://nagios-plugins.org/doc/guidelines.html: `100:` alerts below 100.
    """
    state = ("OK", "WARNING", "CRITICAL")[nagios_state(reading, limits, lasting)]
    left = ", ".join(balance_text(each) for each in _each(reading))
    said = f"{left} left" if lasting is None else days_text(reading, lasting)
    data = [*_performance(reading, limits), days_performance(lasting) if lasting else ""]
    return " | ".join(filter(None, (_status(state, said), " ".join(filter(None, data)))))


def nagios_unknown(message: str) -> str:
    return _status("UNKNOWN", message)


def github_output(reading: Balance, lasting: Lasting | None = None) -> str:
    """Lines for the file that $GITHUB_OUTPUT names: balance, unit, unlimited, maybe days."""
    amount = "" if reading.amount is None else f"{reading.amount:f}"
    values = {
        "balance": "unlimited" if reading.unlimited else amount,
        "unit": reading.unit,
        "unlimited": str(reading.unlimited).lower(),
    }
    if lasting is not None:
        days = lasting.forecast.days
        values["days"] = "" if days is None else whole_tenths(days)
    return "".join(assignment(name, value) for name, value in values.items())


def github_summary(reading: Balance, limits: Thresholds, profile: str) -> str:
    """A table for the file that $GITHUB_STEP_SUMMARY names."""
    state = ("enough", "low", "too low")[limits.state(reading)]
    warning, critical = ("" if n is None else f"{n:f}" for n in limits)
    rows = [(profile, balance_text(each), warning, critical, state) for each in _each(reading)]
    return "\n" + table(("Profile", "Balance", "Warn below", "Fail below", "State"), rows) + "\n"


def github_unknown(profile: str) -> str:
    """The same if the balance could not be read."""
    row = (profile, "not read", "", "", "unknown")
    return "\n" + table(("Profile", "Balance", "Warn below", "Fail below", "State"), [row]) + "\n"


def _plain(amount: Decimal | None) -> str:
    return "unknown" if amount is None else f"{amount:f}"


def _number(amount: Decimal | None) -> int | float | None:
    if amount is None:
        return None
    return int(amount) if amount == amount.to_integral_value() else float(amount)


def _each(reading: Balance) -> tuple[Balance, ...]:
    return reading.currencies or (reading,)


def _status(state: str, text: str) -> str:
    # A | begins the performance data.
    return f"OCX {state} - {one_line(text).replace('|', '/')}"


def _performance(reading: Balance, limits: Thresholds) -> Iterator[str]:
    warning, critical = ("" if n is None else f"{n:f}:" for n in limits)
    for each in _each(reading):
        if each.amount is not None:
            label = each.unit if _LABEL.fullmatch(each.unit) else "balance"
            yield f"'{label}'={each.amount:f};{warning};{critical}"


def _label_value(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
