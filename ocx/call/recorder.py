"""The conversation that a call continues, and the record of the call; sqlite3 comes with it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from ocx.answer.cost import Cost
from ocx.api.answer import Transcript
from ocx.call.options import Depth
from ocx.config.paths import state_dir
from ocx.config.schema import SANDBOX
from ocx.config.settings import Settings
from ocx.errors import InvalidAnswerError, OcxError, OutputClosed, Terminated, UsageError
from ocx.history.call import Call, Message, Outcome
from ocx.history.database import HistoryError
from ocx.history.store import Conversation, History
from ocx.runtime import Runtime

_WAIT = 600.0  # as long as a call of another process may take


class Chronicle:
    """Where a call is kept. Without a history (-n, or one that cannot be opened) it forgets.

    A history that cannot be written costs a warning, never the answer; one that cannot be read
    is an error where the call is to continue it.
    """

    def __init__(self, run: Runtime, settings: Settings, history: History | None) -> None:
        self._run = run
        self._settings = settings
        # Play must not turn up in, or go on with, what was said to the real endpoint.
        self._profile = SANDBOX if settings.sandbox else settings.profile
        self._history = history
        self._conversation: Conversation | None = None

    def choose(self, depth: Depth) -> None:
        """Find the conversation that the flags mean. Raises: UsageError, HistoryError."""
        if self._history is None:
            return
        if depth.conversation is not None:
            name = depth.conversation.strip()
            if not name or name.isdigit() or not name.isprintable():
                raise UsageError(
                    "--conversation needs a name with a letter in it",
                    hint="a number is the id of one, in `ocx history list`",
                )
            self._conversation = self._history.conversation(name, self._profile)
        elif depth.continue_last:
            self._conversation = self._history.last_conversation(self._profile)
            if self._conversation is None:
                self._run.note("no conversation to continue yet; this starts one")

    @property
    def started(self) -> bool:
        return self._conversation is not None

    @contextmanager
    def turn(self) -> Iterator[tuple[list[Message], str | None]]:
        """The messages so far and the model they were for; nobody else goes on meanwhile.

        The model is None where the conversation is another profile's, or new.
        """
        if self._history is None or self._conversation is None:
            yield [], None
            return
        wait = self._settings.timeout or _WAIT
        with self._history.locked(self._conversation, wait, self._note_waiting):
            messages, last = self._history.turns(self._conversation)
            same = last is not None and last.profile == self._profile
            yield messages, last.model if last and same else None

    def repeated(self) -> list[Message] | None:
        """The messages of the last call, to send them again."""
        if self._history is None or self._conversation is None:
            return None
        _messages, last = self._history.turns(self._conversation)
        return self._history.messages(last.id) if last else None

    def record(
        self,
        body: Mapping[str, Any],
        kept: Transcript,
        cost: Cost,
        error: BaseException | None = None,
    ) -> None:
        """Keep a call that ended, however it ended."""
        if self._history is None:
            return
        outcome, exit_code = _ending(error)
        options = {k: v for k, v in body.items() if k not in {"model", "messages", "stream"}}
        call = Call(
            started=kept.started,
            profile=self._profile,
            base_url=self._settings.base_url,
            model=body["model"],
            outcome=outcome,
            exit_code=exit_code,
            seconds=kept.seconds,
            options=options,
            answer=kept.text,
            reasoning=kept.reasoning,
            model_returned=kept.model,
            tool_calls=kept.tool_calls,
            finish_reason=kept.finish_reason,
            usage=kept.usage,
            credits=cost.credits,
            credits_source=cost.source,
            first_token_seconds=kept.first_token_seconds,
            retries=kept.attempts - 1,
            request_id=kept.request_id or getattr(error, "request_id", None),
            error=getattr(error, "message", None),
        )
        self._store(call, body["messages"])

    def _store(self, call: Call, messages: Sequence[Message]) -> None:
        assert self._history is not None  # noqa: S101 - for mypy; record() has looked
        keys = self._run.terminal.stderr.keys
        try:
            self._conversation = self._history.record(call, messages, self._conversation, keys)
        except HistoryError as problem:
            self._run.warn(f"this call is not in the history: {problem.message}")

    def _note_waiting(self) -> None:
        self._run.note("waiting for another ocx in the same conversation")


@contextmanager
def chronicle(run: Runtime, settings: Settings, depth: Depth) -> Iterator[Chronicle]:
    """An open history where the call is kept, and its conversation.

    Raises: UsageError, HistoryError where a conversation is to be continued.
    """
    history = _open(run, settings, depth)
    try:
        chosen = Chronicle(run, settings, history)
        chosen.choose(depth)
        yield chosen
    finally:
        if history is not None:
            history.close()


def _open(run: Runtime, settings: Settings, depth: Depth) -> History | None:
    if not depth.keeps(run, settings):
        return None
    try:
        return History(state_dir(run.terminal.env))
    except HistoryError as problem:
        if depth.continues:
            raise
        run.warn(f"this call is not in the history: {problem.message}")
        return None


def _ending(error: BaseException | None) -> tuple[Outcome, int]:
    """How the call ended; one whose answer came whole but was not what was asked is finished."""
    if error is None:
        return "finished", 0
    if isinstance(error, OcxError):
        whole = isinstance(error, InvalidAnswerError)
        return ("finished" if whole else "failed"), error.exit_code
    if isinstance(error, OutputClosed):
        return "cancelled", 141
    if isinstance(error, Exception):
        return "failed", 1
    return "cancelled", 143 if isinstance(error, Terminated) else 130
