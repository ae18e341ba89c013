"""The exit codes are frozen: scripts depend on them."""

from __future__ import annotations

import re

import pytest

from ocx import errors
from ocx.entry import _translated
from ocx.errors import (
    ERRORS,
    CannotRunError,
    NotFoundError,
    OcxError,
    OutputClosed,
    exit_code_table,
)

FROZEN = {
    0: "ok", 1: "failure", 2: "usage", 3: "config", 4: "auth", 5: "credits", 6: "rate_limit",
    7: "rejected", 8: "server", 9: "network", 10: "timeout", 11: "incomplete", 12: "below",
    13: "partial", 14: "invalid_answer",
}  # fmt: skip


def test_codes_and_names_are_as_published() -> None:
    """After them stand the signals, and the codes of `exec`."""
    table = [(code, name) for code, name, _, _ in exit_code_table()]
    assert {int(code): name for code, name in table[: len(FROZEN)]} == FROZEN
    assert [code for code, _ in table[len(FROZEN) :]] == ["126", "127", "130", "141", "143"]


def test_every_class_of_the_tree_has_its_row() -> None:
    """`ocx.errors` holds all of it; a class elsewhere only narrows one, with its exit code."""
    own = {error for error in OcxError.__subclasses__() if error.__module__ == "ocx.errors"}
    own -= {CannotRunError, NotFoundError}  # a program of the user's, with the shell's numbers
    assert {OcxError, *own} == set(ERRORS)
    assert len({error.exit_code for error in ERRORS}) == len(ERRORS)


@pytest.mark.parametrize("kind", ERRORS, ids=lambda kind: kind.name)
def test_every_row_says_when_and_whether_a_retry_helps(kind: type[OcxError]) -> None:
    assert kind.meaning
    assert kind.retry in {"no", "yes", "later", "mostly", "caller", "resume"}


@pytest.mark.parametrize(
    ("code", "retryable"),
    [(code, code in {6, 8, 9, 10, 14}) for code in range(1, 15)],
)
def test_retryable_means_that_the_same_call_can_succeed_later(code: int, retryable: bool) -> None:
    """11 and 13 are for the caller to judge: money was spent, something was delivered."""
    kind = next(error for error in ERRORS if error.exit_code == code)
    assert kind("it went wrong").retryable is retryable


def test_a_hint_given_replaces_the_one_of_the_class() -> None:
    assert "top up" in str(errors.CreditsError("no credits").hint)
    assert errors.CreditsError("no credits", hint="ask Ada").hint == "ask Ada"
    assert errors.CreditsError("no credits", hint="").hint == ""
    assert errors.UsageError("no").hint is None


@pytest.mark.parametrize("kind", [errors.Interrupted, errors.Terminated, errors.ChildExit])
def test_what_ends_the_process_is_not_swallowed_on_the_way(kind: type[BaseException]) -> None:
    """`except Exception` somewhere below must not turn Ctrl-C into an error message."""
    assert not issubclass(kind, Exception)


def test_the_tree_in_the_docstring_is_the_tree() -> None:
    drawn = re.findall(r"^(?:[├└]── )?(\w+) +(\d+)  (\w+)$", errors.__doc__ or "", re.MULTILINE)
    assert drawn == [(each.__name__, str(each.exit_code), each.name) for each in ERRORS]


def test_a_closed_pipe_is_no_error() -> None:
    assert isinstance(_translated(BrokenPipeError(32, "Broken pipe")), OutputClosed)


def test_another_failed_write_names_stdout_or_the_file() -> None:
    full = _translated(OSError(28, "No space left on device"))
    assert str(full) == "cannot write to stdout: No space left on device"
    missing = _translated(FileNotFoundError(2, "No such file", "x"))
    assert isinstance(missing, OcxError)
    assert str(missing) == "x: No such file"
