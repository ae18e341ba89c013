"""What a monitoring system is told if the balance is not known: never what was true yesterday."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from typing import Protocol

from ocx.config.profiles import choose_profile, load
from ocx.config.schema import DEFAULT_PROFILE, SANDBOX, env_name
from ocx.errors import BelowError, OcxError, OutputClosed
from ocx.output.balance_formats import METRIC, UNKNOWN, nagios_unknown, prometheus_unknown
from ocx.output.balance_output import deliver
from ocx.output.error_output import failure_json, write_failure
from ocx.runtime import Runtime
from ocx.secret import redact
from ocx.terminal import Terminal


class Given(Protocol):
    """The command line, which may be one that could not be parsed (`ocx.cli.argv.Argv`)."""

    @property
    def monitor(self) -> str | None: ...
    def value(self, *names: str) -> str | None: ...
    def has(self, flag: str) -> bool: ...


def tell_monitor(terminal: Terminal, given: Given, error: OcxError) -> int | None:
    """Tell why, on stdout or in the file of -o. The exit code if that is all there is to say."""
    file = given.value("-o", "--output")
    if given.monitor == "nagios":
        line = redact(nagios_unknown(error.message), terminal.stderr.keys)
        _tell_nagios(terminal, f"{line}\n", file)
        return UNKNOWN
    if file is not None and not isinstance(error, BelowError) and _is_ours(file):
        as_json = given.monitor == "json"
        profile = _profile(terminal, given)
        text = f"{failure_json(error)}\n" if as_json else prometheus_unknown(error, profile)
        text = redact(text, terminal.stderr.keys)
        with suppress(OcxError, OutputClosed):  # the error itself is told on stderr
            deliver(Runtime(terminal), text.encode(), file)
    return None


def _tell_nagios(terminal: Terminal, line: str, file: str | None) -> None:
    try:
        deliver(Runtime(terminal), line.encode("utf-8", "replace"), file)
    except OcxError as error:
        write_failure(terminal, error, as_json=False)
    except OutputClosed:
        pass


def _is_ours(file: str) -> bool:
    """Whether it holds an old balance, or nothing yet; another file is not lost to a failure."""
    try:
        data = Path(file).read_bytes()
    except FileNotFoundError:
        return True
    except OSError:
        return False
    return any(name in data for name in (METRIC.encode(), b'"balance"', b'"exit_code"'))


def _profile(terminal: Terminal, given: Given) -> str:
    """The label of the metric, as far as it can be known."""
    env = terminal.env
    named = given.value("-P", "--profile")
    if named is None and (given.has("--sandbox") or env.get(env_name("sandbox"))):
        return SANDBOX
    try:
        name: str = choose_profile(load(env), {"profile": named}, env).value
    except OcxError:
        return named or DEFAULT_PROFILE
    return name
