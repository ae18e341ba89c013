"""What a failure means: for its row, for the server, and for the whole run."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from typing import Literal, NamedTuple

from ocx import errors
from ocx.api.error_words import is_unknown_model
from ocx.api.retry import UNANSWERED, next_model
from ocx.batch.control import Task
from ocx.batch.row import CHAT_PATH

FAILED_ROWS = 3
"""Rows that fail, and none answered in between, before an outage is suspected."""

REFUSED_ALIKE = 20
"""Rows, the first ones, that are all refused for good with the same error."""

_FIRST_PAUSE = 1.0
_LONGEST_PAUSE = 15.0
_NUMBERS = re.compile(r"\d+")


class FailurePolicy(NamedTuple):
    """What is done about a failure, and whether its row may be sent again.

    Attributes:
        action: `limited`: the server asks for fewer requests; `down`: it, or the way to it, cannot
            take so many at once, or is not there.
        again: the same request may be sent once more in this run.
    """

    action: Literal["stop", "limited", "down", "refused"]
    again: bool = False


def policy_for(error: errors.OcxError, *, sent: bool) -> FailurePolicy:
    """What is done about a failure.

    After a lost connection it is sent again: the row may have been charged already, which is
    counted and said. Not after an answer that did not come in time: the next would take as long.
    """
    status = error.status or 0
    if isinstance(error, errors.CreditsError | errors.AuthError):
        return FailurePolicy("stop")
    if isinstance(error, errors.RateLimitError):
        return FailurePolicy("limited", again=True)
    if isinstance(error, errors.NetworkError):
        return FailurePolicy("down", again=True)
    if isinstance(error, errors.DeadlineError):
        return FailurePolicy("down", again=not sent)
    if isinstance(error, errors.ServerError) and status >= 500:
        return FailurePolicy("down", again=status in UNANSWERED)
    return FailurePolicy("refused")


class Outage:
    """Whether the server is down: nothing at all answers, over several rows.

    A row that fails while others are answered is that row's failure. Only where no request and no
    probe has been answered since the first failure does the run wait, and asks GET /models whether
    the server is back.

    Attributes:
        suspected: no row is sent until a probe has told.
        confirmed: a probe was not answered.
        next_probe: when the server is asked next.
        seconds: how long the outages of this run have been, in all.
        reason: the first failure since the last answer, in words.
    """

    def __init__(self, longest: float) -> None:
        self.longest = longest
        self._rows: set[str] = set()
        self._doubt = 1
        self.suspected = False
        self.confirmed = False
        self.seconds = 0.0
        self.reason = ""
        self._since = 0.0
        self.next_probe = 0.0
        self._pause = _FIRST_PAUSE

    def waited(self, now: float) -> float:
        """Seconds since the first failure of this outage."""
        return now - self._since

    def answered(self) -> None:
        """The server has answered a row; with a refusal of that row, too."""
        self._rows.clear()
        self._doubt = 1

    def failure(self, row_id: str, reason: str, now: float) -> None:
        """A failure to connect, a lost connection, no answer in time, 408 or 5xx."""
        if not self._rows and not self.suspected:
            self.reason, self._since = reason, now
        self._rows.add(row_id)
        if not self.suspected and len(self._rows) >= FAILED_ROWS * self._doubt:
            self.suspected = True
            self.confirmed = False
            self.next_probe = now
            self._pause = _FIRST_PAUSE

    def probe_failed(self, now: float) -> bool:
        """No answer to a probe; whether the outage has lasted too long."""
        self.confirmed = True
        if now - self._since >= self.longest:
            self.seconds += now - self._since
            return True
        self.next_probe = min(now + self._pause, self._since + self.longest)
        self._pause = min(2 * self._pause, _LONGEST_PAUSE)
        return False

    def end(self, now: float) -> bool:
        """Somebody answers: admission goes on. Whether it was an outage, and no false alarm."""
        confirmed = self.confirmed
        if confirmed:
            self.seconds += now - self._since
        # Rows that fail while the server answers must not cause a probe each.
        self._doubt = 1 if confirmed else 2 * self._doubt
        self._rows.clear()
        self.suspected = self.confirmed = False
        return confirmed


class EarlyRefusals:
    """The first rows, if all are refused alike: what is wrong with every row is told once.

    Args:
        patient: refusals do not end the run; a model that is not there does.

    Attributes:
        models: those that the rows ask for, as far as that is known.
    """

    def __init__(self, *, patient: bool) -> None:
        self.models: set[str] = set()
        self._over = patient
        self._refused = 0
        self._same: object = None

    def answered(self) -> None:
        """A row has succeeded."""
        self._over = True

    def refuses(self, error: errors.OcxError) -> bool:
        """Whether this failure, like all before it, ends the run."""
        same = (error.status, error.api_code, _NUMBERS.sub("", error.message))
        differs = self._refused and same != self._same
        if self._over or differs or not isinstance(error, errors.RejectedError):
            self._over = True
            return False
        self._same = same
        self._refused += 1
        return self._refused >= REFUSED_ALIKE

    def lacks_the_model(self, error: errors.OcxError) -> bool:
        """Whether the one model that all rows ask for is not there."""
        return len(self.models) == 1 and is_unknown_model(error)


class Fallbacks:
    """The models that a row is sent to in turn (`--fallback-model`).

    Args:
        retries: attempts with one model after the first, 429 answers included.
    """

    def __init__(self, models: Sequence[str], retries: int) -> None:
        self._models = models
        self._retries = retries
        self._unknown: dict[str, errors.OcxError] = {}

    def begin(self, task: Task) -> None:
        """Choose the model of a row that is sent: not one that is known to be missing."""
        while (error := self._unknown.get(task.row.model)) and self._move(task, error):
            pass

    def take_over(self, task: Task, error: errors.OcxError, *, again: bool) -> bool:
        """Give a row the next model, if its own has failed for good.

        Args:
            again: the same request may be sent once more.
        """
        if not self._models:
            return False
        if is_unknown_model(error):
            self._unknown[task.row.model] = error
        task.refusals += isinstance(error, errors.RateLimitError)
        used_up = max(task.retries, task.refusals - 1) >= self._retries
        return (used_up or not again) and self._move(task, error)

    def _move(self, task: Task, error: errors.OcxError) -> bool:
        row = task.row
        model = next_model(row.model, self._models, error) if row.path == CHAT_PATH else None
        if model is None:
            return False
        first = row.instead_of or row.model
        task.row = replace(row, body={**row.body, "model": model}, instead_of=first)
        task.retries = task.refusals = 0
        return True
