"""A balance for Prometheus, Nagios and GitHub, read back by their own rules."""

from __future__ import annotations

import re
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client.parser import text_string_to_metric_families

from ocx.api.balance import Balance
from ocx.output import balance_formats
from ocx.output.balance_formats import Thresholds
from tests.support import actions

CREDITS = Balance(Decimal("499.5"), "credits", False, "balance", "exact")
UNLIMITED = Balance(None, "credits", True, "unlimited", "exact")
SEVERAL = CREDITS._replace(
    amount=None,
    currencies=(
        CREDITS._replace(amount=Decimal(-1), unit="USD"),
        CREDITS._replace(amount=Decimal("1E+3"), unit="CNY"),
    ),
)
HOSTILE = "a\"b\\c\nd|e='f' ::error::g <b>\u202e"
AMOUNTS = st.decimals(allow_nan=False, allow_infinity=False, places=6, min_value=-9999)

# https://nagios-plugins.org/doc/guidelines.html, "Performance data" and "Threshold format"
RANGE = r"(?:-?[0-9.]+:)?"
PERFORMANCE = re.compile(
    rf"'(?P<label>[^'=]+)'=(?P<value>-?[0-9]+(?:\.[0-9]+)?);(?P<warn>{RANGE});(?P<crit>{RANGE})"
)


def samples(reading: Balance, profile: str = "p") -> dict[tuple[str, str, str], float]:
    families = text_string_to_metric_families(balance_formats.prometheus(reading, profile))
    return {
        (s.name, s.labels["profile"], s.labels.get("unit", "")): s.value
        for family in families
        for s in family.samples
    }


def test_prometheus() -> None:
    assert samples(UNLIMITED) == {("ocx_balance_unlimited", "p", ""): 1}
    assert samples(SEVERAL)["ocx_balance", "p", "CNY"] == 1000


def test_one_help_and_one_type_a_metric() -> None:
    text = balance_formats.prometheus(SEVERAL, "p")
    for kind in ("HELP", "TYPE"):
        assert text.count(f"# {kind} ocx_balance ") == 1
        assert text.count(f"# {kind} ocx_balance_unlimited ") == 1
    assert text.endswith("\n")


@given(st.text(st.characters(codec="utf-8", exclude_characters="\r")), AMOUNTS)
def test_prometheus_reads_any_unit_back(unit: str, amount: Decimal) -> None:
    reading = CREDITS._replace(unit=unit, amount=amount)
    assert samples(reading)["ocx_balance", "p", unit] == float(amount)


@pytest.mark.parametrize(
    ("reading", "low", "least", "state", "word"),
    [
        (CREDITS, None, None, 0, "OK"),
        (CREDITS, 500, 100, 1, "WARNING"),
        (CREDITS, 499.5, 499.5, 0, "OK"),
        (CREDITS, None, 500, 2, "CRITICAL"),
        (CREDITS, 100, 500, 2, "CRITICAL"),
        (UNLIMITED, 500, 100, 0, "OK"),
        (SEVERAL, 5, 0, 2, "CRITICAL"),
    ],
)
def test_nagios_states(
    reading: Balance, low: float | None, least: float | None, state: int, word: str
) -> None:
    limits = Thresholds(*(None if n is None else Decimal(str(n)) for n in (low, least)))
    assert limits.state(reading) == state
    assert balance_formats.nagios(reading, limits).startswith(f"OCX {word} - ")


@given(st.text(), AMOUNTS, st.none() | AMOUNTS, st.none() | AMOUNTS)
def test_nagios_output_follows_the_grammar(
    unit: str, amount: Decimal, low: Decimal | None, least: Decimal | None
) -> None:
    line = balance_formats.nagios(
        CREDITS._replace(unit=unit, amount=amount), Thresholds(low, least)
    )
    assert len(line.splitlines()) == 1
    text, bar, data = line.partition(" | ")
    assert re.match(r"OCX (OK|WARNING|CRITICAL) - .", text)
    assert bar
    found = PERFORMANCE.fullmatch(data)
    assert found
    assert Decimal(found["value"]) == amount
    assert found["warn"] == ("" if low is None else f"{low:f}:")


@given(st.text())
def test_unknown_is_one_line_without_data(message: str) -> None:
    line = balance_formats.nagios_line("UNKNOWN", message)
    assert line.startswith("OCX UNKNOWN - ")
    assert "|" not in line
    assert "\n" not in line


@pytest.mark.parametrize("unit", ["credits", HOSTILE])
def test_github_outputs(unit: str) -> None:
    found = actions.variables(balance_formats.github_output(CREDITS._replace(unit=unit)))
    assert found == {"balance": "499.5", "unit": unit, "unlimited": "false"}


def test_github_outputs_without_a_number() -> None:
    assert actions.variables(balance_formats.github_output(UNLIMITED))["balance"] == "unlimited"
    assert actions.variables(balance_formats.github_output(SEVERAL))["balance"] == ""


def test_github_summary() -> None:
    text = balance_formats.github_summary(CREDITS, Thresholds(Decimal(500), None), "main")
    assert text.strip().splitlines()[-1] == "| main | 499.5 credits | 500 |  | low |"
    hostile = balance_formats.github_summary(CREDITS._replace(unit=HOSTILE), Thresholds(), "p")
    assert len(hostile.strip().splitlines()) == 3
