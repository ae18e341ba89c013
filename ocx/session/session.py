"""`ocx chat` on a terminal without a prompt: a conversation, turn by turn."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from typing import NamedTuple

from ocx import signals
from ocx.chat.credits import Credits
from ocx.chat.delivery import open_output, show_cost, sink_with_spinner
from ocx.chat.exchange import ChatRunner
from ocx.chat.messages import Message
from ocx.chat.options import ChatOptions
from ocx.chat.parameters import join
from ocx.chat.recorder import HistoryRecorder, open_recorder
from ocx.chat.request import Request, refuse_several
from ocx.config.paths import expand, if_known, state_dir
from ocx.decoding import FLAG, check_encoding, read_file
from ocx.editor import edit_text
from ocx.errors import Interrupted, OcxError, UsageError
from ocx.output.balance_formats import balance_text
from ocx.output.results import write_failure
from ocx.runtime import Runtime
from ocx.session.answers import Totals, copy_text, pipe_text, save_text
from ocx.session.line_editor import LineEditor
from ocx.session.typed import (
    Candidates,
    Completer,
    Models,
    as_typed_in_ascii,
    files,
    in_session,
    no_argument,
    one_of,
    split_encoding,
    split_names,
)
from ocx.text import one_line

HELP = '''\
A line is sent when you press Enter. For several lines: paste them, end a line with \\, or write \
""" first and last. Ctrl-C cancels an answer or the line. Ctrl-D leaves; `ocx chat -c` goes on. \
Tab completes commands, models and files.
  /model [ID]      list the models, or take another one, by its id or number
  /system [TEXT]   the system prompt, or another one
  /file FILE       add a file to the next message (--encoding NAME FILE, if needed)
  /edit [TEXT]     write the next message in your editor, from TEXT or the last message
  /retry           ask the last question again
  /new             begin a new conversation; /clear is the same
  /copy            copy the last answer to the clipboard, if the terminal allows it
  /pipe COMMAND    run a shell command with the last answer as its input
  /save FILE       write the last answer to a new file
  /usage           tokens and credits so far; also after each answer, or stop that
  /help  /exit     exit, quit, /quit and /q leave, too; // at the beginning sends one slash'''

_LEAVE = frozenset(("exit", "quit"))


def session(run: Runtime, request: Request, options: ChatOptions) -> None:
    """Read and answer until Ctrl-D or /exit; an error ends the turn, not the session.

    Raises:
        UsageError, ConfigError, AuthError: before the first turn.
    """
    conversation, output = options.conversation, options.output
    if not output.to_stdout:
        raise UsageError("-o needs a prompt", hint="in a session, /save FILE keeps an answer")
    settings = request.settings
    schema = options.checks.read_schema(run.read_stdin)
    credits = Credits(options.credits, settings)
    with ExitStack() as stack:
        if conversation.log is not False:
            stack.callback(credits.keep, run, settings)
        recorder = None
        if conversation.kept(run, settings):
            recorder = stack.enter_context(open_recorder(run, settings, conversation))
        from ocx.keys.client import open_client  # httpx, only if something is sent

        client = stack.enter_context(open_client(run, settings))
        state = if_known(state_dir, run.terminal.env)
        history = state / "prompts" if state and conversation.log is not False else None
        refuse_several(run, request.options)
        runner = ChatRunner(
            client,
            options.checks,
            schema,
            credits,
            recorder,
            output.streams(run),
            split_think=output.reasoning != "raw",
            fallbacks=settings.fallback_models,
        )
        talk = Session(run, request, options, runner, recorder)
        lines = stack.enter_context(LineEditor(run.terminal, history, talk.complete))
        run.note(f"{settings.model}; /help for help, Ctrl-D to leave")
        _loop(run, lines, talk)


def _loop(run: Runtime, lines: LineEditor, talk: Session) -> None:
    while talk.open:
        text = None
        try:
            text = lines.read(talk.prompt)
            if text is None:
                return
            talk.handle_line(text)
        except (Interrupted, KeyboardInterrupt):
            signals.install()  # the handler that raised has removed itself
            run.terminal.message("" if text is None else "\n(cancelled)")
        except OcxError as error:
            error.hint = in_session(error.hint)
            write_failure(run.terminal, error, as_json=False)


class _Command(NamedTuple):
    """`takes` completes the argument; None if there is none."""

    run: Callable[[str], None]
    takes: Candidates | None = None


class Session:
    """What the turns share: the request to come, and what the last one left."""

    def __init__(
        self,
        run: Runtime,
        request: Request,
        options: ChatOptions,
        runner: ChatRunner,
        recorder: HistoryRecorder | None,
    ) -> None:
        self.open = True
        self._run = run
        self._request = request
        self._options = options
        self._runner = runner
        self._shows_usage = options.output.usage
        self._recorder = recorder
        self._memory: list[Message] = []
        self._last: list[Message] | None = None
        self._answer: str | None = None
        self._files: list[str] = []
        self._totals = Totals()
        self._typed = ""
        self._left = ""
        self._models = Models(run, runner.client)
        self._commands: dict[str, _Command] = {
            "/help": _Command(lambda _: run.terminal.message(HELP)),
            "/model": _Command(self._model, one_of(self._model_names)),
            "/system": _Command(self._system, no_argument),
            "/usage": _Command(self._usage),
            "/save": _Command(self._save, files),
            "/file": _Command(self._file, files),
            "/edit": _Command(self._edit),
            "/copy": _Command(self._copy),
            "/pipe": _Command(self._pipe, no_argument),
            "/retry": _Command(self._retry),
            "/new": _Command(self._new),
            "/clear": _Command(self._new),
            "/exit": _Command(self._exit),
            "/quit": _Command(self._exit),
            "/q": _Command(self._exit),
        }
        takes = {name: command.takes for name, command in self._commands.items()}
        self.complete = Completer(takes).complete

    @property
    def prompt(self) -> str:
        """The model, and with /usage the credits that are left."""
        left = f", {self._left}" if self._left and self._shows_usage else ""
        return one_line(f"{self._request.settings.model}{left}> ")

    def handle_line(self, text: str) -> None:
        """One entry: a command, or a message to send.

        Raises:
            OcxError: whatever sending raises.
        """
        text = as_typed_in_ascii(text)
        if text.startswith("/") and not text.startswith("//"):
            word, _, rest = text.partition(" ")
            self._command(word).run(rest.strip())
        elif text.strip() in _LEAVE:  # nobody pays for a model's goodbye
            self.open = False
        elif text.strip():
            self._say(text[1:] if text.startswith(("//", "／／")) else text)

    def _say(self, text: str) -> None:
        self._typed = text
        self._send([{"role": "user", "content": join([text, *self._files])}])
        self._files = []

    def _command(self, word: str) -> _Command:
        if word not in self._commands:
            near = difflib.get_close_matches(word, self._commands, 1)
            meant = f", did you mean {near[0]}?" if near else ""
            raise UsageError(f"no such command: {word}{meant}", hint="/help lists them")
        return self._commands[word]

    def _send(self, messages: list[Message]) -> None:
        with self._turn(messages) as (request, previous):
            self._ask(request, previous)

    @contextmanager
    def _turn(self, messages: list[Message]) -> Iterator[tuple[Request, list[Message]]]:
        """The request with these messages, and what was said before it."""
        shown = self._shows_usage or self._options.credits.cost
        counted = self._runner.stream and (shown or self._recorder is not None)
        request = self._request._replace(messages=messages, count_tokens=counted)
        if self._recorder is None or not self._recorder.started:
            yield request, self._memory
            return
        with self._recorder.turn(request) as turn:
            yield turn

    def _ask(self, request: Request, previous: list[Message]) -> None:
        body = request.body(previous)
        run, client, model = self._run, self._runner.client, request.settings.model
        output = replace(self._options.output, usage=self._shows_usage)
        options = replace(self._options, output=output)
        with open_output(run, output) as target:
            self._last = body["messages"]
            with sink_with_spinner(run, options, client, model, target) as sink:
                trip = self._runner.send(body, sink)
            if options.credits.cost:
                show_cost(run, trip.cost)
        self._answer = trip.answer.text
        self._memory = [*body["messages"], {"role": "assistant", "content": self._answer}]
        self._totals.add(trip.answer.usage, trip.cost)
        if self._left:
            self._look_at_credits()

    def _look_at_credits(self) -> None:
        """Once they cannot be read they are not asked for again, up to the next /usage."""
        credits = self._runner.credits if self._shows_usage else None
        left = credits.left(self._runner.client) if credits else None
        self._left = balance_text(left) if left else ""

    def _model_names(self) -> list[str]:
        settings = self._request.settings
        return [*self._models.known(settings), *settings.aliases]

    def _model(self, name: str) -> None:
        settings = self._request.settings
        if not name:
            self._models.show(settings)
        else:
            chosen = settings.aliases.get(name) or self._models.chosen(settings, name)
            self._request = self._request.with_model(chosen)._replace(model_given=True)
        self._run.terminal.message(f"model: {self._request.settings.model}")

    def _system(self, text: str) -> None:
        if text:
            self._request = self._request._replace(system=text, system_given=True)
        self._run.terminal.message(f"system: {self._request.system or '(none)'}")

    def _usage(self, _rest: str) -> None:
        self._shows_usage = not self._shows_usage
        state = "on" if self._shows_usage else "off"
        self._look_at_credits()
        self._run.terminal.message(f"usage: {self._totals.tokens()}; showing it is {state}")
        if cost := self._totals.cost():
            self._run.terminal.message(f"cost: {cost}")

    def _edit(self, text: str) -> None:
        draft = text or self._typed
        edited = edit_text(self._run, draft).removesuffix("\n")
        if not edited.strip() or edited == draft:
            self._run.terminal.message("nothing was sent: the text is empty, or as it was")
        else:
            self._say(edited)

    def _last_answer(self, doing: str) -> str:
        if self._answer is None:
            raise UsageError(f"there is no answer to {doing} yet")
        return self._answer

    def _copy(self, _rest: str) -> None:
        text = self._last_answer("copy")
        copy_text(self._run.terminal, text)
        self._run.terminal.message(f"sent {len(text)} characters to the clipboard")

    def _pipe(self, command: str) -> None:
        text = self._last_answer("pipe")
        if not command:
            raise UsageError("/pipe needs a command", hint="as in /pipe wc -w")
        pipe_text(command, text)

    def _save(self, name: str) -> None:
        text = self._last_answer("save")
        save_text(name, text)
        self._run.terminal.message(f"saved {name}")

    def _file(self, text: str) -> None:
        named, names = split_encoding(text)
        encoding = check_encoding(named)
        for name in split_names(names):
            path, flag = expand(name), f"/file {FLAG}"
            self._files.append(read_file(path, lambda: b"", encoding, flag=flag))
            self._run.terminal.message(f"{name} goes with the next message")

    def _retry(self, _rest: str) -> None:
        messages = self._last or (self._recorder.repeated() if self._recorder else None)
        if messages is None:
            raise UsageError("there is nothing to ask again yet")
        with self._turn(messages) as (request, _previous):
            self._ask(request, [])

    def _new(self, _rest: str) -> None:
        self._memory, self._last, self._answer, self._files = [], None, None, []
        if self._recorder is not None:
            self._recorder.leave()
        self._run.terminal.message("a new conversation")

    def _exit(self, _rest: str) -> None:
        self.open = False
