"""`--junit FILE`: each row with `expect` as a test case, for the pages of a CI server.

The form is that which Jenkins, GitLab and GitHub's actions read (testmoapp/junitxml).
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import NamedTuple
from xml.sax.saxutils import escape, quoteattr

from ocx.batch.output.states import State
from ocx.batch.result import OK, Result
from ocx.batch.row import BadRow, Row

_UNKNOWN = "\ufffd"
# What XML 1.0 cannot hold, in any form (its production 2, Char).
_NO_CHARACTER = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


class _Case(NamedTuple):
    name: str
    seconds: float
    kind: str
    message: str
    text: str


class TestCases:
    """Args:
    suite: what the cases belong to: the input.
    """

    def __init__(self, suite: str) -> None:
        self._suite = suite
        self._cases: list[_Case] = []

    def take(self, results: Sequence[Result]) -> None:
        """Add what ended; rows that cannot be read fail, too."""
        for result in results:
            row = result.row
            if isinstance(row, BadRow) or row.expect is not None:
                message = result.error.message if result.error is not None else ""
                text = result.text or ""
                case = _Case(row.id, result.seconds, result.kind, message, text)
                self._cases.append(case)

    def skipped(self, row: Row | BadRow, state: State | None) -> None:
        """Add a row that an earlier run has finished."""
        if isinstance(row, Row) and row.expect is not None:
            kind = state.kind if state is not None else OK
            self._cases.append(_Case(row.id, 0.0, kind, "in an earlier run", ""))

    def document(self) -> str:
        """Failures are answers that are not as expected; everything else that fails is an error."""
        failures = sum(case.kind == "invalid_answer" for case in self._cases)
        errors = sum(case.kind not in {OK, "invalid_answer"} for case in self._cases)
        seconds = sum(case.seconds for case in self._cases)
        counts = (
            f'tests="{len(self._cases)}" failures="{failures}" errors="{errors}"'
            f' time="{seconds:.3f}"'
        )
        suite = _attribute(self._suite)
        cases = "".join(map(self._case, self._cases))
        return (
            f'<?xml version="1.0" encoding="UTF-8"?>\n<testsuites {counts}>\n'
            f"<testsuite name={suite} {counts}>\n{cases}</testsuite>\n</testsuites>\n"
        )

    def _case(self, case: _Case) -> str:
        names = f"name={_attribute(case.name)} classname={_attribute(self._suite)}"
        inner = ""
        if case.kind != OK:
            tag = "failure" if case.kind == "invalid_answer" else "error"
            inner = f"<{tag} type={_attribute(case.kind)} message={_attribute(case.message)}/>"
        elif case.text:
            inner = f"<system-out>{escape(_NO_CHARACTER.sub(_UNKNOWN, case.text))}</system-out>"
        return f'<testcase {names} time="{case.seconds:.3f}">{inner}</testcase>\n'


def _attribute(text: str) -> str:
    return quoteattr(_NO_CHARACTER.sub(_UNKNOWN, text))
