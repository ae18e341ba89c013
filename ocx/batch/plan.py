"""The first pass over a file: everything wrong in it, and what is left to be done."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from ocx.batch.finished_rows import Retry, States
from ocx.batch.row import BadRow, Row
from ocx.errors import UsageError

if TYPE_CHECKING:
    from ocx.batch.input import FileSource, Selection

CHANGED = (
    "the input, the base URL or the options changed since the last run; use another -o for them"
)
MOST_SHOWN = 20
_MOST_LINES = 4


Hash = Callable[[Row], str]
Seen = Callable[[Row], None]


@dataclass
class Problems:
    """What is wrong with an input: each fault once, with its first lines; all of them counted."""

    faults: dict[str, list[int]] = field(default_factory=dict)
    alike: Counter[str] = field(default_factory=Counter)
    count: int = 0

    def add(self, line: int, message: str) -> None:
        self.count += 1
        if message in self.faults or len(self.faults) < MOST_SHOWN:
            lines = self.faults.setdefault(message, [])
            self.alike[message] += 1
            if len(lines) < _MOST_LINES:
                lines.append(line)

    def error(self, name: str) -> UsageError:
        """All of them as one error."""
        told = "; ".join(map(self._told, self.faults))
        more = self.count - sum(self.alike.values())
        return UsageError(
            f"{name}: {told}{f'; and {more} more' if more else ''}",
            hint="nothing was sent; --keep-going turns such rows into error rows",
        )

    def _told(self, message: str) -> str:
        first, *others = self.faults[message]
        if not others:
            return f"line {first} {message}"
        more = ", …" if self.alike[message] > _MOST_LINES else ""
        lines = f"{self.alike[message] - 1:,} more: {', '.join(map(str, others))}{more}"
        return f"line {first} {message} (the same in {lines})"


@dataclass
class Plan:
    """Attributes:
    of_shard: rows of the file that belong to the shard.
    total: of those, what --limit and --sample leave.
    skipped: finished by an earlier run.
    to_send: what is left.
    models: that those ask for; two stand for any number.
    """

    of_shard: int = 0
    total: int = 0
    skipped: int = 0
    to_send: int = 0
    kept_failures: Counter[str] = field(default_factory=Counter)
    models: set[str] = field(default_factory=set)


def make_plan(
    source: FileSource,
    selection: Selection,
    states: States | None,
    *,
    sha256: Hash,
    retry: Retry = "retryable",
    keep_going: bool = False,
    on_row: Seen | None = None,
) -> Plan:
    """Read the file to its end.

    Args:
        states: of the output that is resumed.
        on_row: told of every row that is to be sent.

    Raises: UsageError naming every line that is wrong, or whose row was answered for another
        request; also if there is no row.
    """
    plan, rows = Plan(), 0
    problems, changed = Problems(), Problems()

    def take(row: Row | BadRow) -> None:
        decision = decide(row, states, sha256, retry)
        if decision == "changed":
            changed.add(row.line, f"has another request for {row.id!r} than was answered")
        elif decision == "skip":
            plan.skipped += 1
            _count_kept(plan, row, states)
        else:
            plan.to_send += 1
            if len(plan.models) < 2 and isinstance(row, Row):
                plan.models.add(str(row.body.get("model")))
            if on_row is not None and isinstance(row, Row):
                on_row(row)

    for row in source.rows(len(states or ())):
        rows += 1
        if isinstance(row, BadRow):
            problems.add(row.line, row.message)
        if selection.shard is None or row.id in selection.shard:
            plan.of_shard += 1
            if selection.sample is None and plan.of_shard == selection.size(plan.of_shard):
                take(row)
    name = str(source.path)
    if problems.count and not keep_going:
        raise problems.error(name)
    if not rows:
        raise UsageError(f"{name} holds no rows", hint="one request, object or prompt a line")
    plan.total = selection.size(plan.of_shard)
    if selection.sample is not None:  # which rows these are is known only now
        for row in selection.of_file(plan.of_shard, source.rows()):
            take(row)
    if changed.count:
        raise changed_input(name, changed)
    return plan


def decide(row: Row | BadRow, states: States | None, sha256: Hash, retry: Retry) -> str:
    """`send`, `skip` or `changed`."""
    if not states:
        return "send"
    return states.decide(row, sha256(row) if isinstance(row, Row) else "", retry)


class ChangedInputError(UsageError):
    """Rows were answered for another request."""


def changed_input(name: str, changed: Problems) -> UsageError:
    return ChangedInputError(changed.error(name).message, hint=CHANGED)


def _count_kept(plan: Plan, row: Row | BadRow, states: States | None) -> None:
    state = states.get(row.id) if states else None
    if state is not None and not state.good:
        plan.kept_failures[state.kind] += 1
