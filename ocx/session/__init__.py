"""`ocx chat` on a terminal without a prompt: a conversation, turn by turn."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace

from ocx import process
from ocx.chat.credits import Credits
from ocx.chat.delivery import open_output, send
from ocx.chat.exchange import ChatRunner
from ocx.chat.messages import Message
from ocx.chat.options import ChatOptions
from ocx.chat.placeholders import join
from ocx.chat.recorder import HistoryRecorder, open_recorder
from ocx.chat.request import Request, refuse_several
from ocx.config.paths import if_known, state_dir
from ocx.config.values import expand
from ocx.context import Context
from ocx.decoding import FLAG, check_encoding, read_file
from ocx.errors import Interrupted, OcxError, UsageError
from ocx.history.call import Totals
from ocx.keys.client import advise, open_client
from ocx.output.balance_formats import balance_text
from ocx.output.writers import write_failure
from ocx.process import edit_text, editor
from ocx.session.commands import (
    Candidates,
    Models,
    as_typed_in_ascii,
    completions,
    copy_text,
    cost_so_far,
    files,
    in_session,
    no_argument,
    pipe_text,
    save_text,
    split_encoding,
    split_names,
    tokens_so_far,
)
from ocx.session.line_editor import LineEditor
from ocx.text import did_you_mean, one_line

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
  /usage           tokens and credits so far; also after each answer, or stop that; /cost, too
  /help  /exit     exit, quit, /quit and /q leave, too; // at the beginning sends one slash'''

_LEAVE = frozenset(("exit", "quit"))


def session(ctx: Context, request: Request, options: ChatOptions) -> None:
    """Read and answer until Ctrl-D or /exit; an error ends the turn, not the session.

    Raises:
        UsageError, ConfigError, AuthError: before the first turn.
    """
    conversation, output = options.conversation, options.output
    if not output.to_stdout:
        raise UsageError("-o needs a prompt", hint="in a session, /save FILE keeps an answer")
    settings = request.settings
    schema = options.checks.read_schema(ctx.read_stdin)
    credits = Credits(options.credits, settings)
    with ExitStack() as stack:
        if conversation.log is not False:
            stack.callback(credits.keep, ctx)
        recorder = None
        if kept := conversation.kept(ctx, settings):
            recorder = stack.enter_context(open_recorder(ctx, settings, conversation))
        if recorder is not None:
            request = recorder.with_its_model(request)
        request = request._replace(model_given=True)  # what the prompt shows is asked
        client = stack.enter_context(open_client(ctx, settings))
        state = if_known(state_dir, ctx.terminal.env)
        history = state / "prompts" if state and kept else None
        refuse_several(ctx, request.options)
        runner = ChatRunner(
            client,
            options.checks,
            schema,
            credits,
            recorder,
            output.streams(ctx),
            split_think=output.reasoning != "raw",
            fallbacks=settings.fallback_models,
        )
        talk = Session(ctx, request, options, runner, recorder)
        lines = stack.enter_context(LineEditor(ctx.terminal, history, talk.complete))
        ctx.note(f"{request.settings.model}; /help for help, Ctrl-D to leave")
        _loop(ctx, lines, talk)


def _loop(ctx: Context, lines: LineEditor, talk: Session) -> None:
    while talk.open:
        text = None
        try:
            text = lines.read(talk.prompt)
            if text is None:
                return
            talk.handle_line(text)
        except (Interrupted, KeyboardInterrupt):
            process.install()  # the handler that raised has removed itself
            ctx.terminal.message("" if text is None else "\n(cancelled)")
        except OcxError as error:
            advise(ctx, error, talk.request.settings)
            error.hint = in_session(error.hint)
            write_failure(ctx.terminal, error, as_json=False)


@dataclass
class Session:
    """What the turns share: the request to come, and what the last one left.

    Attributes:
        memory: what was said so far, where no recorder keeps it.
        asked: the messages of the last request; None before the first.
        files: texts that go with the next message.
        typed: the last message, as it was typed.
        left: the credits that are left, as text; empty if they are not looked at.
    """

    ctx: Context
    request: Request
    options: ChatOptions
    runner: ChatRunner
    recorder: HistoryRecorder | None
    open: bool = True
    memory: list[Message] = field(default_factory=list)
    asked: list[Message] | None = None
    answer: str | None = None
    files: list[str] = field(default_factory=list)
    totals: Totals = field(default_factory=Totals)
    typed: str = ""
    left: str = ""

    def __post_init__(self) -> None:
        self.models = Models(self.ctx, self.runner.client)
        self.commands: dict[str, tuple[Callable[[str], None], Candidates | None]] = {
            "/help": (lambda _: self.tell(HELP), None),
            "/model": (self._model, self._model_names),
            "/system": (self._system, no_argument),
            **dict.fromkeys(("/usage", "/cost"), (self._usage, None)),
            "/save": (self._save, files),
            "/file": (self._file, files),
            "/edit": (self._edit, None),
            "/copy": (self._copy, None),
            "/pipe": (self._pipe, no_argument),
            "/retry": (self._retry, None),
            **dict.fromkeys(("/new", "/clear"), (self._new, None)),
            **dict.fromkeys(("/exit", "/quit", "/q"), (self._exit, None)),
        }
        """Each with what completes its argument; None if it takes none, or any text."""

    def complete(self, line: str) -> list[str]:
        """Every line that `line`, up to the cursor, may become."""
        return completions(line, {name: takes for name, (_, takes) in self.commands.items()})

    @property
    def prompt(self) -> str:
        """The model, and with /usage the credits that are left."""
        left = f", {self.left}" if self.left and self.options.output.usage else ""
        return one_line(f"{self.request.settings.model}{left}> ")

    def tell(self, text: str) -> None:
        self.ctx.terminal.message(text)

    def handle_line(self, text: str) -> None:
        """One entry: a command, or a message to send.

        Raises:
            OcxError: whatever sending raises.
        """
        text = as_typed_in_ascii(text)
        if text.startswith("/") and not text.startswith("//"):
            word, _, rest = text.partition(" ")
            if word not in self.commands:
                meant = did_you_mean(word, self.commands)
                raise UsageError(f"no such command: {word}{meant}", hint="/help lists them")
            self.commands[word][0](rest.strip())
        elif text.strip() in _LEAVE:  # nobody pays for a model's goodbye
            self.open = False
        elif text.strip():
            self._say(text[1:] if text.startswith(("//", "／／")) else text)

    def _say(self, text: str) -> None:
        self.typed = text
        message = {"role": "user", "content": join([text, *self.files])}
        with self._turn([message]) as (request, previous):
            self._ask(request, previous)
        self.files = []

    @contextmanager
    def _turn(self, messages: list[Message]) -> Iterator[tuple[Request, list[Message]]]:
        """The request with these messages, and what was said before it."""
        shown = self.options.output.usage or self.options.credits.cost
        counted = self.runner.stream and (shown or self.recorder is not None)
        request = self.request._replace(messages=messages, count_tokens=counted)
        if self.recorder is None or not self.recorder.conversation:
            yield request, self.memory
            return
        with self.recorder.turn(request) as turn:
            yield turn

    def _ask(self, request: Request, previous: list[Message]) -> None:
        body = request.body(previous)
        with open_output(self.ctx, self.options.output) as target:
            self.asked = body["messages"]
            exchange = send(self.ctx, self.options, self.runner, body, target)
        self.answer = exchange.answer.text
        self.memory = [*body["messages"], {"role": "assistant", "content": self.answer}]
        cost = exchange.cost
        self.totals.add(exchange.answer.usage, cost.credits if cost else None)
        if self.left:
            self._look_at_credits()

    def _look_at_credits(self) -> None:
        """Once they cannot be read they are not asked for again, up to the next /usage."""
        credits = self.runner.credits if self.options.output.usage else None
        left = credits.left(self.runner.client) if credits else None
        self.left = balance_text(left) if left else ""

    def _model_names(self, begun: str) -> list[str]:
        settings = self.request.settings
        names = (*self.models.known(settings), *settings.aliases)
        return [name for name in names if name.startswith(begun)]

    def _model(self, name: str) -> None:
        settings = self.request.settings
        if not name:
            self.models.show(settings)
        else:
            chosen = settings.aliases.get(name) or self.models.chosen(settings, name)
            self.request = self.request.with_model(chosen)._replace(model_given=True)
        self.tell(f"model: {self.request.settings.model}")

    def _system(self, text: str) -> None:
        if text:
            self.request = self.request._replace(system=text, system_given=True)
        self.tell(f"system: {self.request.system or '(none)'}")

    def _usage(self, _rest: str) -> None:
        output = replace(self.options.output, usage=not self.options.output.usage)
        self.options = replace(self.options, output=output)
        state = "on" if output.usage else "off"
        self._look_at_credits()
        self.tell(f"usage: {tokens_so_far(self.totals)}; showing it is {state}")
        if cost := cost_so_far(self.totals):
            self.tell(f"cost: {cost}")

    def _edit(self, text: str) -> None:
        draft = text or self.typed
        terminal = self.ctx.terminal
        command = editor(terminal.env, terminal=terminal.can_ask())
        edited = edit_text(command, draft).removesuffix("\n")
        if not edited.strip() or edited == draft:
            self.tell("nothing was sent: the text is empty, or as it was")
        else:
            self._say(edited)

    def _last_answer(self, doing: str) -> str:
        if self.answer is None:
            raise UsageError(f"there is no answer to {doing} yet")
        return self.answer

    def _copy(self, _rest: str) -> None:
        text = self._last_answer("copy")
        copy_text(self.ctx.terminal, text)
        self.tell(f"sent {len(text)} characters to the clipboard")

    def _pipe(self, command: str) -> None:
        text = self._last_answer("pipe")
        if not command:
            raise UsageError("/pipe needs a command", hint="as in /pipe wc -w")
        pipe_text(command, text)

    def _save(self, name: str) -> None:
        save_text(name, self._last_answer("save"))
        self.tell(f"saved {name}")

    def _file(self, text: str) -> None:
        named, names = split_encoding(text)
        encoding = check_encoding(named)
        for name in split_names(names):
            flag = f"/file {FLAG}"
            self.files.append(read_file(expand(name), lambda: b"", encoding, flag=flag))
            self.tell(f"{name} goes with the next message")

    def _retry(self, _rest: str) -> None:
        messages = self.asked or (self.recorder.repeated() if self.recorder else None)
        if messages is None:
            raise UsageError("there is nothing to ask again yet")
        with self._turn(messages) as (request, _previous):
            self._ask(request, [])

    def _new(self, _rest: str) -> None:
        self.memory, self.asked, self.answer, self.files = [], None, None, []
        if self.recorder is not None:
            self.recorder.conversation = None
        self.tell("a new conversation")

    def _exit(self, _rest: str) -> None:
        self.open = False
