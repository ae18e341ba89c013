"""The models that a row is sent to in turn (`--fallback-model`)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from ocx.api.fallback import is_unknown_model, next_model
from ocx.batch.control.task import Task
from ocx.batch.rows.row import CHAT_PATH
from ocx.errors import OcxError, RateLimitError


class Fallbacks:
    def __init__(self, models: Sequence[str], retries: int) -> None:
        """Args:
        retries: attempts with one model after the first, 429 answers included.
        """
        self._models = models
        self._retries = retries
        self._unknown: dict[str, OcxError] = {}

    def begin(self, task: Task) -> None:
        """Choose the model of a row that is sent: not one that is known to be missing."""
        while (error := self._unknown.get(task.row.model)) and self._move(task, error):
            pass

    def take_over(self, task: Task, error: OcxError, *, again: bool) -> bool:
        """Give a row the next model, if its own has failed for good.

        Args:
            again: the same request may be sent once more.
        """
        if not self._models:
            return False
        if is_unknown_model(error):
            self._unknown[task.row.model] = error
        task.refusals += isinstance(error, RateLimitError)
        used_up = max(task.retries, task.refusals - 1) >= self._retries
        return (used_up or not again) and self._move(task, error)

    def _move(self, task: Task, error: OcxError) -> bool:
        row = task.row
        model = next_model(row.model, self._models, error) if row.path == CHAT_PATH else None
        if model is None:
            return False
        first = row.instead_of or row.model
        task.row = replace(row, body={**row.body, "model": model}, instead_of=first)
        task.retries = task.refusals = 0
        return True
