"""`ocx.batch.run`: a batch in another Python program."""

from __future__ import annotations

from collections.abc import Generator, Iterable, Iterator, Mapping
from contextlib import contextmanager
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from ocx.api.types import Endpoint
from ocx.batch.connection import ApiConnection
from ocx.batch.control.budget import Limits
from ocx.batch.control.settings import Settings
from ocx.batch.handover import Handover
from ocx.batch.job import Job, Run
from ocx.batch.output.ordered import Window
from ocx.batch.result import Result
from ocx.batch.rows.composer import Composer
from ocx.batch.rows.row import BadRow, Record, Row
from ocx.batch.rows.source import unique
from ocx.call.options import Checks
from ocx.errors import OcxError
from ocx.keyring.client import open_endpoint
from ocx.runtime import Runtime
from ocx.terminal import Terminal

if TYPE_CHECKING:
    from ocx.answer.schema import Schema

Given = str | Mapping[str, Any]


def run(
    rows: Iterable[Given],
    endpoint: Endpoint | None = None,
    *,
    model: str | None = None,
    system: str | None = None,
    options: Mapping[str, Any] | None = None,
    schema: Schema | None = None,
    workers: int = 32,
    retries: int = 2,
    ordered: bool = False,
    max_credits: Decimal | None = None,
    min_balance: Decimal | None = None,
) -> Generator[Result, None, None]:
    """Send every row and yield its result when it has ended.

    A failed row is a result too (`result.error`). Rows are pulled as they are needed, in the
    caller's thread; leaving the loop ends what is in flight.

    Args:
        rows: prompts, or mappings as the input of `ocx batch` has them.
        endpoint: where to send; its `retries` do not count, those given here do. None takes
            the endpoint, key and model of the command line: environment, config and profile.
        options: other fields of the API, for rows that do not set them.
        schema: what answers must satisfy; `result.text` is the JSON then.
        workers: requests at once, at most.

    Raises:
        OcxError: what ended the run early: no credits, a refused key, an outage, the budget.
        UsageError, ConfigError, AuthError: no `endpoint` was given, and none can be found.
    """
    with _found(endpoint) as (where, default_model):
        defaults: dict[str, Any] = {"model": model or default_model, **(options or {})}
        if defaults["model"] is None:
            del defaults["model"]
        if schema is not None:
            defaults.setdefault("response_format", schema.response_format())
        given = Handover(unique(_composed(rows, Composer(defaults, system))), 2 * workers)
        job = Job(
            given,
            lambda: ApiConnection(where, Checks(), schema),
            where.base_url,
            Settings(workers, retries, limits=Limits(max_credits, min_balance)),
            window=Window() if ordered else None,
        )
        batch = Run(job)
        yield from given.results(batch)
        stop = batch.scheduler.stop
        if stop is not None:
            raise stop.error or OcxError(f"the run ended early: {stop.reason}")


@contextmanager
def _found(endpoint: Endpoint | None) -> Iterator[tuple[Endpoint, str | None]]:
    """Where to send, and the model for rows that name none."""
    if endpoint is not None:
        yield endpoint, None
        return
    runtime = Runtime(Terminal.from_process())
    settings = runtime.settings()
    with open_endpoint(runtime, settings) as where:
        yield where, settings.model


def _composed(rows: Iterable[Given], composer: Composer) -> Iterator[Row | BadRow]:
    for number, row in enumerate(rows, 1):
        fields = {"prompt": row} if isinstance(row, str) else row
        yield composer.compose(Record(number, fields))
