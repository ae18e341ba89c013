"""How a call ended, for the history and for --report; the conversation that a call continues."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from functools import partial
from typing import Any

from ocx.chat.exchange import Exchange, Recorder
from ocx.chat.options import ConversationOptions
from ocx.chat.request import Request
from ocx.config.paths import state_dir, write_names
from ocx.config.schema import SANDBOX
from ocx.config.settings import Settings
from ocx.context import Context
from ocx.errors import (
    BrokenCallError,
    ConfigError,
    InvalidAnswerError,
    OcxError,
    UsageError,
)
from ocx.history import store
from ocx.history.call import Call, Entry, Message, Outcome
from ocx.history.database import PATIENCE, PATIENCE_OF_ANSWERS, HistoryError
from ocx.history.store import History
from ocx.output.writers import report_file, write_report
from ocx.text import compact, counted, did_you_mean, one_line
from ocx.typography import cut

_DIGITS = 19  # SQLite's numbers have no more
_REMINDER = 60  # columns of the last prompt
_WAIT = 600.0  # as long as a call of another process may take


def outcome_and_exit_code(error: BaseException | None) -> tuple[Outcome, int]:
    """How the call ended; one whose answer came whole but was not what was asked is finished.

    A broken tool call is no answer that a conversation can go on with.
    """
    if error is None:
        return "finished", 0
    if isinstance(error, OcxError):
        whole = isinstance(error, InvalidAnswerError) and not isinstance(error, BrokenCallError)
        return ("finished" if whole else "failed"), error.exit_code
    number = getattr(error, "number", None)  # of the signal that this event is
    if number is None and isinstance(error, Exception):
        return "failed", 1
    return "cancelled", 128 + (number or 2)


class HistoryRecorder:
    """Keeps calls in the history, and knows the conversation that they continue.

    A history that cannot be written costs a warning, never the answer.
    """

    def __init__(self, ctx: Context, settings: Settings, history: History) -> None:
        self._ctx = ctx
        self._settings = settings
        # Play must not turn up in, or go on with, what was said to the real endpoint.
        self._profile = settings.profile_in_use
        self._history = history
        self.conversation: store.Conversation | None = None
        """What the next call goes on with."""

    def choose(self, conversation: ConversationOptions) -> None:
        """Find the conversation that the options mean.

        Raises:
            UsageError: its name cannot be one.
            HistoryError: the history cannot be read.
        """
        if conversation.named is not None:
            self.conversation = self._find(conversation.named.strip())
        elif conversation.continue_last:
            self.conversation = self._history.last_conversation(self._profile)
            if self.conversation is None:
                self._ctx.note("no conversation to continue yet; this starts one")
        if (found := self.conversation) is None:
            return
        name = found.name or str(found.id)
        messages, last = self._history.turns(found)
        if last is None:
            known = self._history.conversation_names()
            if found.name not in (None, *known):  # else its calls have all failed
                self._ctx.note(f"{name} is a new conversation{did_you_mean(name, known)}")
            return
        said = cut(one_line(" ".join(last.prompt.split())), _REMINDER)
        self._ctx.note(f"continuing {name} ({counted(len(messages), 'message')}): {said}")

    def _find(self, name: str) -> store.Conversation:
        if not name or not name.isprintable():
            raise UsageError("--conversation needs a name, or a number of `ocx history list`")
        if not name.isdecimal():
            return self._history.conversation(name, self._profile)
        found = self._numbered(name)
        if found is None:
            raise UsageError(
                f"there is no conversation {name}",
                hint="`ocx history list` shows the numbers; a new one needs a name",
            )
        if (found.profile == SANDBOX) != (self._profile == SANDBOX):
            raise UsageError(
                f"conversation {name} belongs to the profile {found.profile}",
                hint=f"add -P {found.profile}",
            )
        return found

    def _numbered(self, digits: str) -> store.Conversation | None:
        return self._history.numbered_conversation(int(digits) if len(digits) < _DIGITS else -1)

    def note_number(self, words: Sequence[str]) -> None:
        """Say so where `-c 5 question` may have meant the conversation 5: -c takes no number."""
        if len(words) > 1 and words[0].isdecimal() and self._numbered(words[0]):
            self._ctx.note(
                f"{words[0]} is sent as part of the prompt;"
                f" to continue that conversation: --conversation {words[0]}"
            )

    @contextmanager
    def turn(self, request: Request) -> Iterator[tuple[Request, list[Message]]]:
        """The request as it goes on with the conversation, and the messages so far.

        No other process goes on with it meanwhile.

        Raises:
            HistoryError: the history cannot be read, or the conversation stays locked.
        """
        if self.conversation is None:
            yield request, []
            return
        wait = self._settings.timeout or _WAIT
        note = partial(self._ctx.note, "waiting for another ocx in the same conversation")
        with self._history.locked(self.conversation, wait, note):
            messages, last = self._history.turns(self.conversation)
            yield self._as_before(request, last), messages

    def with_its_model(self, request: Request) -> Request:
        """The request to the model that the conversation was held with, if no other is given."""
        if self.conversation is None:
            return request
        return self._as_before(request, self._history.turns(self.conversation)[1])

    def _as_before(self, request: Request, last: Entry | None) -> Request:
        # Another profile's model may not be there.
        if last is None or last.profile != self._profile or request.model_given:
            return request
        return request.with_model(last.model)

    def repeated(self) -> list[Message] | None:
        """The messages of the last call, to send them again."""
        if self.conversation is None:
            return None
        _messages, last = self._history.turns(self.conversation)
        return self._history.messages(last.id) if last else None

    def record(self, exchange: Exchange) -> None:
        """Keep a request that ended, however it ended."""
        answer, error, cost = exchange.answer, exchange.error, exchange.cost
        outcome, exit_code = outcome_and_exit_code(error)
        messages = exchange.body["messages"]
        call = Call(
            started=exchange.started,
            profile=self._profile,
            base_url=self._settings.base_url,
            model=exchange.body["model"],
            outcome=outcome,
            exit_code=exit_code,
            seconds=answer.seconds,
            options={k: v for k, v in exchange.body.items() if k not in {"model", "messages"}},
            answer=answer.text,
            reasoning=answer.reasoning,
            model_returned=answer.model,
            tool_calls=answer.tool_calls or None,
            finish_reason=answer.finish_reason,
            usage=answer.usage,
            credits=cost.credits if cost else None,
            credits_source=cost.source if cost else "unknown",
            first_token_seconds=answer.first_token_seconds,
            retries=answer.attempts - 1,
            request_id=answer.request_id or getattr(error, "request_id", None),
            error=getattr(error, "message", None),
        )
        keys = self._ctx.terminal.stderr.keys
        try:
            self.conversation = self._history.record(call, messages, self.conversation, keys)
            if self.conversation.name is not None:
                env, names = self._ctx.terminal.env, self._history.conversation_names()
                write_names(env, "conversations", names)
        except HistoryError as problem:
            _warn_of(self._ctx, problem)


def _warn_of(ctx: Context, problem: OcxError) -> None:
    step = f"; {problem.hint}" if problem.hint else ""
    ctx.warn(f"this call is not in the history: {problem.message}{step}")


@contextmanager
def open_recorder(
    ctx: Context, settings: Settings, conversation: ConversationOptions
) -> Iterator[HistoryRecorder | None]:
    """An open history and its conversation; None with a warning if it cannot be opened.

    Raises:
        UsageError: the conversation's name cannot be one.
        HistoryError, ConfigError: it cannot be opened, and a conversation is to be continued.
    """
    patience = PATIENCE if conversation.continues else PATIENCE_OF_ANSWERS
    try:
        history = History(state_dir(ctx.terminal.env), patience)
    except (HistoryError, ConfigError) as problem:
        if conversation.continues:
            raise
        _warn_of(ctx, problem)
        yield None
        return
    with closing(history):
        recorder = HistoryRecorder(ctx, settings, history)
        recorder.choose(conversation)
        yield recorder


class CallReport:
    """Hears of each request of a call, and passes it on to `recorder`."""

    def __init__(self) -> None:
        self.recorder: Recorder | None = None
        self._attempts = 0
        self._last = Exchange({})

    def record(self, exchange: Exchange) -> None:
        self._attempts += exchange.answer.attempts
        self._last = exchange
        if self.recorder is not None:
            self.recorder.record(exchange)

    def document(self, error: BaseException | None) -> dict[str, Any]:
        """What the file holds; of several requests the last one counts.

        `credits` is null if unknown; `retries` counts all requests after the first.
        """
        outcome, exit_code = outcome_and_exit_code(error)
        answer, cost = self._last.answer, self._last.cost
        credits = cost.credits if cost else None
        said = (
            {"type": error.name, "message": error.message} if isinstance(error, OcxError) else None
        )
        return {
            "outcome": outcome,
            "exit_code": exit_code,
            "error": said,
            "model": answer.model or self._last.body.get("model"),
            "finish_reason": answer.finish_reason,
            "usage": answer.usage,
            "credits": None if credits is None else float(credits),
            "credits_source": "unknown" if cost is None or credits is None else cost.source,
            "seconds": round(answer.seconds, 3),
            "retries": max(0, self._attempts - 1),
            "request_id": answer.request_id or getattr(error, "request_id", None),
        }


@contextmanager
def reported(ctx: Context, name: str) -> Iterator[CallReport]:
    """Write a report of what happens inside to a file, without the keys that stderr hides.

    Raises:
        UsageError, OcxError: the file cannot be written; a warning if the call failed, too.
    """
    report = CallReport()
    with report_file(ctx.terminal, name) as target:

        def write(ended: BaseException | None) -> None:
            write_report(ctx.terminal, target, f"{compact(report.document(ended))}\n")

        try:
            yield report
        except BaseException as error:
            try:
                write(error)
            except OcxError as problem:
                ctx.warn(problem.message)
            raise
        write(None)
