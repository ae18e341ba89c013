"""A balance in the forms of `ocx balance --format`: for a person, a program, or what watches it."""

from __future__ import annotations

import re
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from decimal import Decimal
from pathlib import Path
from typing import Any, NamedTuple

from ocx.api.balance import Balance
from ocx.config.schema import SANDBOX
from ocx.config.settings import Settings
from ocx.errors import OcxError
from ocx.escaping import escape_control, one_line
from ocx.files import atomic_write
from ocx.output.github import append, assignment, command, table
from ocx.output.json_output import json_text
from ocx.output.output_file import open_target
from ocx.runtime import Runtime
from ocx.terminal import Terminal

_LABEL = re.compile(r"[A-Za-z0-9_]{1,32}")
UNKNOWN = 3
"""The exit code of a Nagios plugin that cannot tell."""


class Thresholds(NamedTuple):
    """Below `warning` a warning, below `critical` a failure; None where not asked for."""

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


class Shown(NamedTuple):
    """A reading, the answer it was read from, and what it is held against."""

    reading: Balance
    answer: Any
    settings: Settings
    limits: Thresholds

    @property
    def profile(self) -> str:
        return SANDBOX if self.settings.sandbox else self.settings.profile


def as_text(run: Runtime, form: str, shown: Shown) -> bytes:
    """What is printed in one of the forms."""
    reading = shown.reading
    match form:
        case "json":
            sandbox = shown.settings.sandbox
            return json_text(run.terminal, balance_document(reading, shown.answer, sandbox=sandbox))
        case "prometheus":
            return prometheus(reading, shown.profile).encode()
        case "nagios":
            return f"{nagios(reading, shown.limits)}\n".encode()
    lines = (one_line(balance_text(each)) for each in reading.currencies or (reading,))
    return "".join(f"{line}\n" for line in lines).encode()


def balance_text(reading: Balance) -> str:
    """`499.5 credits`, `110.00 CNY` or `unlimited`; a currency only where the body names one."""
    if reading.unlimited:
        return "unlimited"
    return f"{_plain(reading.amount)} {reading.unit}".rstrip()


def balance_document(reading: Balance, raw: Any, *, sandbox: bool) -> dict[str, Any]:
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
    return {**document, "raw": raw}


def raw_text(terminal: Terminal, body: bytes) -> bytes:
    """The body byte for byte in a pipe; on a terminal, control characters are written out."""
    if terminal.stdout_tty:
        body = escape_control(body.decode("utf-8", "replace")).encode()
    return body if body.endswith(b"\n") else body + b"\n"


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
    warning, critical = ("" if n is None else f"{n:f}" for n in limits)
    rows = [(profile, balance_text(each), warning, critical, state) for each in _each(reading)]
    return "\n" + table(("Profile", "Balance", "Warn below", "Fail below", "State"), rows) + "\n"


def deliver(run: Runtime, data: bytes, output: str | None) -> None:
    """To stdout, or to the file of -o, which is replaced in one step.

    Raises: UsageError, OcxError.
    """
    if output is None:
        run.terminal.stdout.write(data)
    elif _is_replaced(output):
        try:
            atomic_write(Path(output), data)
        except OSError as error:
            raise OcxError(f"cannot write {output}: {error.strerror}") from error
    else:
        target = open_target(run.terminal, output)
        target.write(data)
        target.complete()


def _is_replaced(name: str) -> bool:
    """A regular file, or none yet; not a device, a pipe, `-` or a folder."""
    if name in {"", "-"} or name.startswith(("/dev/", "/proc/")):
        return False
    try:
        return stat.S_ISREG(Path(name).stat().st_mode)
    except OSError:
        return True


def write_github(run: Runtime, shown: Shown) -> None:
    """The step's outputs and a table in its summary. Raises: OcxError."""
    env = run.terminal.env
    reading, limits = shown.reading, shown.limits
    if not append(env, "GITHUB_OUTPUT", github_output(reading)):
        run.note("GITHUB_OUTPUT is not set: no outputs outside of GitHub Actions")
    append(env, "GITHUB_STEP_SUMMARY", github_summary(reading, limits, shown.profile))


def annotation(level: str, text: str) -> str:
    return command(level, text, title="ocx balance")


@contextmanager
def annotated(run: Runtime, form: str) -> Iterator[None]:
    """Errors as annotations of the job, too, where the form is GitHub's."""
    try:
        yield
    except OcxError as error:
        if form == "github" and not run.quiet:
            run.terminal.message(annotation("error", error.message))
        raise


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
