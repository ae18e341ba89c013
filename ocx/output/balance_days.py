"""How long the credits last, in the forms of `ocx balance --format`; pure."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from decimal import ROUND_DOWN, Decimal
from typing import Any, NamedTuple

from ocx.api.balance import Balance
from ocx.history.forecast import DAY, Forecast
from ocx.output.time_text import now

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
        "days_left": _number(found.days),
        "lasts_until": _until(found),
        "spent_a_day": _number(found.a_day),
        "over_days": found.over / DAY,
        "readings": found.readings,
        "readings_days": round(found.seconds / DAY, 3),
        "spent_by_day": {day.isoformat(): _number(spent) for day, spent in found.by_day},
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
    return _plain(round(amount, 2 if abs(amount) >= 1 else 2 - amount.adjusted()))


def whole_tenths(days: Decimal) -> str:
    """Rounded down: 6.99 days are not the 7 that were asked for."""
    return _plain(days.quantize(Decimal("0.1"), ROUND_DOWN)) if days < _LONGEST else f"{days:.0f}"


def _plain(amount: Decimal) -> str:
    text = f"{amount:f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def _number(amount: Decimal | None) -> float | None:
    return None if amount is None else round(float(amount), 6)


def _until(found: Forecast) -> str | None:
    days = found.days
    if days is None or days > _LONGEST:
        return None
    return (now() + timedelta(days=float(days))).date().isoformat()
