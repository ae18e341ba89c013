"""A beginning in which nothing succeeds: what is wrong with every row is told once."""

from __future__ import annotations

import re

from ocx.api.fallback import is_unknown_model
from ocx.errors import OcxError, RejectedError

ENOUGH = 20
"""Rows, the first ones, that are all refused for good with the same error."""

_NUMBERS = re.compile(r"\d+")


class Beginning:
    """Attributes:
    models: those that the rows ask for, as far as that is known.
    """

    def __init__(self, *, patient: bool) -> None:
        """Args:
        patient: refusals do not end the run; a model that is not there does.
        """
        self.models: set[str] = set()
        self._over = patient
        self._refused = 0
        self._same: object = None

    def answered(self) -> None:
        """A row has succeeded."""
        self._over = True

    def refuses(self, error: OcxError) -> bool:
        """Whether this failure, like all before it, ends the run."""
        if self._over or not isinstance(error, RejectedError):
            self._over = True
            return False
        same = (error.status, error.api_code, _NUMBERS.sub("", error.message))
        if self._refused and same != self._same:
            self._over = True
            return False
        self._same = same
        self._refused += 1
        return self._refused >= ENOUGH

    def lacks_the_model(self, error: OcxError) -> bool:
        """Whether the one model that all rows ask for is not there."""
        return len(self.models) == 1 and is_unknown_model(error)
