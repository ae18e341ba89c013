"""A balance, and how long it lasts, in the forms of `ocx balance --format`; pure."""

from __future__ import annotations

import re
from collections.abc import Iterable
from datetime import timedelta
from decimal import ROUND_DOWN, Decimal
from typing import Any, NamedTuple

from ocx.api.balance import Balance
from ocx.errors import OcxError
from ocx.history.call import DAY, Forecast
from ocx.output.environment import github_file, table
from ocx.output.figures import now
from ocx.text import one_line, plain_number

METRIC = "ocx_balance"
UNKNOWN = 3
"""The exit code of a Nagios plugin that cannot tell."""
_LONGEST = 36_500  # days; a date beyond is no help, and some are none
_LABEL = re.compile(r"[A-Za-z0-9_]{1,32}")
_ESCAPES = str.maketrans({"\\": "\\\\", '"': '\\"', "\n": "\\n"})
_SUMMARY = ("Profile", "Balance", "Warn below", "Fail below", "State")


class Thresholds(NamedTuple):
    """What a balance is held against; None if not asked for.

    Attributes:
        warning, critical: below the first a warning, below the second a failure.
        days: for how many days it has to last.
    """

    warning: Decimal | None = None
    critical: Decimal | None = None
    days: Decimal | None = None

    def is_short(self, lasting: Forecast | None) -> bool:
        """Whether it is known that the balance lasts for fewer days."""
        days = lasting.days if lasting else None
        return self.days is not None and days is not None and days < self.days

    def state(self, reading: Balance, lasting: Forecast | None = None) -> int:
        """0 enough, 1 a warning, 2 a failure; of several balances the worst."""
        amounts = [each.amount for each in reading.each if each.amount is not None]
        is_low = self.critical is not None and any(amount < self.critical for amount in amounts)
        if is_low or self.is_short(lasting):
            return 2
        return int(self.warning is not None and any(amount < self.warning for amount in amounts))


def _tenths(days: Decimal | None) -> str:
    """The days, rounded down: 6.99 are not the 7 that were asked for. Empty if unknown."""
    if days is None:
        return ""
    if days >= _LONGEST:
        return f"{days:.0f}"
    return plain_number(days.quantize(Decimal("0.1"), ROUND_DOWN))


def days_text(reading: Balance, found: Forecast) -> str:
    """`40.6 days: 499.5 credits, 12.3 a day`: the number first, for scripts."""
    if found.amount is None:
        return "unlimited"
    left = f"{found.amount:f} {reading.unit}"
    over = f"over {rounded(Decimal(found.seconds) / Decimal(DAY))} days"
    if found.unknown:
        return f"unknown: {left}, and less than a day of readings"
    if found.days is None:
        return f"no end in sight: {left}, and nothing spent {over}"
    spent = f", {rounded(found.a_day)} a day {over}" if found.a_day else ""
    return f"{_tenths(found.days)} days: {left}{spent}"


def balance_text(reading: Balance) -> str:
    """`499.5 credits`, `110.00 CNY` or `unlimited`; a currency only if the body names one."""
    if reading.unlimited:
        return "unlimited"
    amount = "unknown" if reading.amount is None else f"{reading.amount:f}"
    return f"{amount} {reading.unit}".rstrip()


def balance_document(
    reading: Balance, raw: Any, *, sandbox: bool, lasting: Forecast | None = None
) -> dict[str, Any]:
    """What `--json` prints: the number, how it was found, and the whole answer as `raw`.

    Of the days, null is unknown, or, where nothing was spent, no end.
    """
    document: dict[str, Any] = {
        "balance": as_number(reading.amount),
        "unit": reading.unit,
        "unlimited": reading.unlimited,
        "path": reading.path,
        "confidence": reading.confidence,
        "sandbox": sandbox,
    }
    if reading.currencies:
        document["currencies"] = {c.unit: as_number(c.amount) for c in reading.currencies}
    if lasting is not None:
        days = lasting.days
        ends = None if days is None or days > _LONGEST else now() + timedelta(days=float(days))
        document |= {
            "days_left": _six_decimals(days),
            "lasts_until": ends and ends.date().isoformat(),
            "spent_a_day": _six_decimals(lasting.a_day),
            "over_days": lasting.over / DAY,
            "readings": lasting.readings,
            "readings_days": round(lasting.seconds / DAY, 3),
            "spent_by_day": {day.isoformat(): _six_decimals(it) for day, it in lasting.by_day},
        }
    return {**document, "raw": raw}


def prometheus(reading: Balance, profile: str, lasting: Forecast | None = None) -> str:
    """The text format, for a textfile collector; what is unknown has no sample.

    https://prometheus.io/docs/instrumenting/exposition_formats/
    """
    labels = {"profile": profile}
    left = [({**labels, "unit": each.unit}, _plain(each.amount)) for each in reading.each]
    unlimited = [(labels, str(int(reading.unlimited)))]
    text = _metric("", "Credits, or money, left on the account.", left)
    text += _metric("_unlimited", "Whether the account has no limit.", unlimited)
    if lasting is not None:
        labels["unit"] = reading.unit
        days = "+Inf" if lasting.endless else _tenths(lasting.days)
        spent = "" if lasting.a_day is None else rounded(lasting.a_day)
        text += _metric("_days_left", "For how many days the balance lasts.", [(labels, days)])
        meaning = "What was spent a day, by earlier readings."
        text += _metric("_spent_per_day", meaning, [(labels, spent)])
    return text


def prometheus_unknown(error: OcxError, profile: str) -> str:
    """The same without a balance: why there is none."""
    meaning = "Why the balance is not known, by the name of the exit code."
    labels = {"profile": profile, "type": error.name}
    return _metric("_error", meaning, [(labels, str(error.exit_code))])


def _metric(suffix: str, meaning: str, samples: Iterable[tuple[dict[str, str], str]]) -> str:
    """A metric with its samples; one without a value is left out."""
    name = METRIC + suffix
    lines = [f"# HELP {name} {meaning}", f"# TYPE {name} gauge"]
    for labels, value in samples:
        pairs = ",".join(f'{key}="{text.translate(_ESCAPES)}"' for key, text in labels.items())
        lines += [f"{name}{{{pairs}}} {value}"] if value else []
    return "".join(f"{line}\n" for line in lines)


def nagios(reading: Balance, limits: Thresholds, lasting: Forecast | None = None) -> str:
    """One line of a plugin, with performance data.

    https://nagios-plugins.org/doc/guidelines.html: `100:` alerts below 100.
    """
    state = ("OK", "WARNING", "CRITICAL")[limits.state(reading, lasting)]
    warning, critical, days = (_plain(limit, ":") for limit in limits)
    data = []
    for each in reading.each:
        if each.amount is not None:
            label = each.unit if _LABEL.fullmatch(each.unit) else "balance"
            data.append(f"'{label}'={each.amount:f};{warning};{critical}")
    if lasting is None:
        said = f"{', '.join(map(balance_text, reading.each))} left"
    else:
        said = days_text(reading, lasting)
        if tenths := _tenths(lasting.days):
            data.append(f"'days'={tenths};;{days}")
    line = nagios_line(state, said)
    return f"{line} | {' '.join(data)}" if data else line


def nagios_line(state: str, text: str) -> str:
    # A | begins the performance data.
    return f"OCX {state} - {one_line(text).replace('|', '/')}"


def github_output(reading: Balance, lasting: Forecast | None = None) -> str:
    """Lines for the file that $GITHUB_OUTPUT names: balance, unit, unlimited, maybe days."""
    values = {
        "balance": "unlimited" if reading.unlimited else _plain(reading.amount),
        "unit": reading.unit,
        "unlimited": str(reading.unlimited).lower(),
    }
    if lasting is not None:
        values["days"] = _tenths(lasting.days)
    return github_file(values)


def github_summary(reading: Balance | None, limits: Thresholds, profile: str) -> str:
    """A table for the file that $GITHUB_STEP_SUMMARY names; None could not be read."""
    rows: list[tuple[str, ...]] = [(profile, "not read", "", "", "unknown")]
    if reading is not None:
        state = ("enough", "low", "too low")[limits.state(reading)]
        low, least = _plain(limits.warning), _plain(limits.critical)
        rows = [(profile, balance_text(each), low, least, state) for each in reading.each]
    return f"\n{table(_SUMMARY, rows)}\n"


def rounded(amount: Decimal | None) -> str:
    """Two decimals, or three figures of what is smaller than one."""
    if not amount:
        return "0"
    return plain_number(round(amount, 2 if abs(amount) >= 1 else 2 - amount.adjusted()))


def _plain(amount: Decimal | None, end: str = "") -> str:
    """Without an exponent; empty if there is none."""
    return "" if amount is None else f"{amount:f}{end}"


def as_number(amount: Decimal | None) -> int | float | None:
    """A sum for JSON."""
    if amount is None:
        return None
    return int(amount) if amount == amount.to_integral_value() else float(amount)


def _six_decimals(amount: Decimal | None) -> float | None:
    return None if amount is None else round(float(amount), 6)
