"""A balance, and how long it lasts, in the forms of `ocx balance --format`; pure."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import timedelta
from decimal import ROUND_DOWN, Decimal
from typing import Any, NamedTuple

from ocx.api.balance import Balance
from ocx.errors import OcxError
from ocx.history.forecast import DAY, Forecast
from ocx.output.environment import assignment, table
from ocx.output.figures import now
from ocx.text import one_line

_LONGEST = 36_500  # days; a date beyond is no help, and some are none


class Lasting(NamedTuple):
    """A forecast, and the days that it is held against; None if not asked for."""

    forecast: Forecast
    least: Decimal | None = None

    @property
    def below(self) -> bool:
        days = self.forecast.days
        return self.least is not None and days is not None and days < self.least

    @property
    def unknown(self) -> bool:
        return self.forecast.days is None and not self.forecast.endless


def days_text(reading: Balance, lasting: Lasting) -> str:
    """`40.6 days: 499.5 credits, 12.3 a day`: the number first, for scripts."""
    found = lasting.forecast
    if found.amount is None:
        return "unlimited"
    left = f"{found.amount:f} {reading.unit}"
    over = f"over {rounded(Decimal(found.seconds) / Decimal(DAY))} days"
    if lasting.unknown:
        return f"unknown: {left}, and less than a day of readings"
    if found.days is None:
        return f"no end in sight: {left}, and nothing spent {over}"
    spent = f", {rounded(found.a_day)} a day {over}" if found.a_day else ""
    return f"{whole_tenths(found.days)} days: {left}{spent}"


def days_fields(lasting: Lasting) -> dict[str, Any]:
    """For `--json`: null is unknown, or, where nothing was spent, no end."""
    found = lasting.forecast
    return {
        "days_left": _json_number(found.days),
        "lasts_until": _until(found),
        "spent_a_day": _json_number(found.a_day),
        "over_days": found.over / DAY,
        "readings": found.readings,
        "readings_days": round(found.seconds / DAY, 3),
        "spent_by_day": {day.isoformat(): _json_number(spent) for day, spent in found.by_day},
    }


def days_prometheus(lasting: Lasting, labels: str) -> Iterator[str]:
    """Lines of the text format; what is unknown has no sample."""
    found = lasting.forecast
    days = "+Inf" if found.endless else None if found.days is None else whole_tenths(found.days)
    spent = None if found.a_day is None else rounded(found.a_day)
    for name, meaning, value in (
        ("ocx_balance_days_left", "For how many days the balance lasts.", days),
        ("ocx_balance_spent_per_day", "What was spent a day, by earlier readings.", spent),
    ):
        yield f"# HELP {name} {meaning}"
        yield f"# TYPE {name} gauge"
        if value is not None:
            yield f"{name}{{{labels}}} {value}"


def days_performance(lasting: Lasting) -> str:
    """Performance data of a Nagios plugin, empty if there is no number."""
    days = lasting.forecast.days
    if days is None:
        return ""
    critical = "" if lasting.least is None else f"{lasting.least:f}:"
    return f"'days'={whole_tenths(days)};;{critical}"


def rounded(amount: Decimal | None) -> str:
    """Two decimals, or three figures of what is smaller than one."""
    if not amount:
        return "0"
    return _without_zeros(round(amount, 2 if abs(amount) >= 1 else 2 - amount.adjusted()))


def whole_tenths(days: Decimal) -> str:
    """Rounded down: 6.99 days are not the 7 that were asked for."""
    return (
        _without_zeros(days.quantize(Decimal("0.1"), ROUND_DOWN))
        if days < _LONGEST
        else f"{days:.0f}"
    )


def _without_zeros(amount: Decimal) -> str:
    text = f"{amount:f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def _json_number(amount: Decimal | None) -> float | None:
    return None if amount is None else round(float(amount), 6)


def _until(found: Forecast) -> str | None:
    days = found.days
    if days is None or days > _LONGEST:
        return None
    return (now() + timedelta(days=float(days))).date().isoformat()


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
