"""What one run of a command works with: the terminal, the shared flags, and the settings."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import field, replace
from typing import Any

from ocx.config.settings import Settings, resolve
from ocx.errors import DeclinedError, UsageError
from ocx.record import record
from ocx.secret import secrets_of
from ocx.terminal import Terminal
from ocx.text import compact, one_line


@record
class Context:
    """One run of one command.

    Attributes:
        flags: the options that every command knows, as given; absent if not given.
        trailing: the words after the first `--`, for `serve` and `exec`; None without a `--`.
    """

    terminal: Terminal
    flags: Mapping[str, Any] = field(default_factory=dict)
    trailing: tuple[str, ...] | None = None

    @property
    def json(self) -> bool:
        return bool(self.flags.get("json"))

    @property
    def quiet(self) -> bool:
        return bool(self.flags.get("quiet"))

    @property
    def debug(self) -> bool:
        return bool(self.flags.get("debug"))

    @property
    def animates(self) -> bool:
        """Whether what is waited for is shown: to a person at a terminal, and not with -q."""
        return self.terminal.stdout_tty and self.terminal.can_animate() and not self.quiet

    @property
    def color(self) -> str:
        return self.flags.get("color") or "auto"

    def settings(self, **command_flags: Any) -> Settings:
        """Flags, environment and profile as one value; its warnings are shown.

        Raises: UsageError, ConfigError.
        """
        env = self.terminal.env
        settings = resolve({**self.flags, **command_flags}, env)
        proxies = [text for name, text in env.items() if name.lower().endswith("_proxy")]
        for secret in secrets_of(settings.headers, settings.proxy, *proxies):
            self.terminal.stderr.hide(secret)
        for warning in settings.warnings:
            self.warn(warning)
        return settings

    def warn(self, text: str) -> None:
        """Say on stderr what may be wrong."""
        self.tell("warning", f"ocx: warning: {one_line(text)}", text)

    def note(self, text: str) -> None:
        """Say on stderr what is worth knowing."""
        self.tell("note", f"ocx: {one_line(text)}", text)

    def tell(self, kind: str, line: str, value: Any) -> None:
        """One line on stderr: `line` for a person, `{kind: value}` with --json; none with -q."""
        if self.quiet:
            return
        if self.json:
            self.terminal.exact_message(compact({kind: value}, ascii_only=True))
        else:
            self.terminal.message(line)

    def note_override(self, variable: str) -> None:
        """Say so if an environment variable beats what was just set."""
        if self.terminal.env.get(variable):
            self.note(f"{variable} is set, and comes first")

    def read_stdin(self, on_silence: Callable[[], object] | None = None) -> bytes:
        """All of stdin, within a --timeout typed in this call: a profile's is not about people.

        Args:
            on_silence: called once if nothing comes for 2 s.

        Raises:
            UsageError: it cannot be read.
            DeadlineError: it did not end in time.
        """
        return self.terminal.read_stdin(self.flags.get("timeout"), on_silence)

    def confirm(self, question: str, yes: bool) -> None:
        """Return where the user agrees.

        Raises:
            DeclinedError: at no.
            UsageError: nobody can be asked.
        """
        if yes:
            return
        if not self.terminal.can_ask():
            would, _, more = question.partition("?")
            why = "CI is set" if self.terminal.stdin_tty else "there is no terminal to ask on"
            raise UsageError(
                f"this would {would[:1].lower()}{would[1:]}, and {why}{'.' if more else ''}{more}",
                hint="add --yes",
            )
        self.terminal.stderr.write(self.terminal.for_person(f"{question} [y/N]") + " ")
        stdin = self.terminal.stdin
        answer = stdin.readline().decode("utf-8", "replace") if stdin else ""
        if answer.strip().lower() not in {"y", "yes"}:
            raise DeclinedError("nothing changed")

    def start_logging(self) -> None:
        """Send what the packages of `ocx` log to stderr, one line a record."""
        import logging  # start-up that only commands with a client pay

        handler = logging.StreamHandler(self.terminal.stderr)
        text = logging.Formatter("ocx: %(message)s")
        # On this one handler: a subclass would need `logging` when this file is imported.
        handler.format = (  # type: ignore[method-assign]
            _json_record
            if self.json
            else lambda record: self.terminal.for_person(text.format(record))
        )
        logger = logging.getLogger("ocx")
        logger.handlers[:] = [handler]
        logger.propagate = False
        quiet = logging.ERROR if self.quiet else logging.WARNING
        logger.setLevel(logging.DEBUG if self.debug else quiet)

    def with_flags(self, **flags: Any) -> Context:
        return replace(self, flags={**self.flags, **flags})


def _json_record(record: Any) -> str:
    """A line of the log as JSON: a retry as its numbers, all else as its text."""
    retry = getattr(record, "retry", None)
    if retry is not None:
        return compact({"retry": retry}, ascii_only=True)
    kind = "debug" if record.levelname == "DEBUG" else "warning"
    return compact({kind: record.getMessage()}, ascii_only=True)
