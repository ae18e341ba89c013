"""Which of arguments, files and stdin make the prompt of a call, and reading them once."""

from __future__ import annotations

from dataclasses import dataclass

from ocx.errors import UsageError
from ocx.prompt.input import STDIN, StdinClaims, decode, join, read_file
from ocx.runtime import Runtime

_SILENCE = 2.0  # seconds until a person is told that stdin is being waited for


@dataclass(frozen=True)
class Sources:
    """Where the texts of one call come from, as typed."""

    words: tuple[str, ...]
    files: tuple[str, ...]
    ignore_stdin: bool
    system_file: str | None
    claims: tuple[str, ...] = ()
    """Further flags that read stdin."""
    before: str = ""
    """Text that comes first: a template's."""
    stdin_read: bool = False
    """A template has taken stdin."""

    @property
    def stdin_is_prompt(self) -> bool:
        return self.words == (STDIN,)


def read_prompt(run: Runtime, sources: Sources) -> str:
    """Prompt, then each file, then stdin; empty where there is none. Raises UsageError."""
    claimed = _claims(run, sources)
    parts = [sources.before, "" if sources.stdin_is_prompt else " ".join(sources.words)]
    parts += [read_file(name, run.terminal.read_stdin) for name in sources.files]
    if not sources.stdin_read and (
        sources.stdin_is_prompt or (not claimed and _stdin_is_meant(run, sources))
    ):
        parts.append(_piped(run, announce=bool(sources.words)))
    return join(parts)


def read_template_stdin(run: Runtime, sources: Sources) -> str | None:
    """What is piped in, for `$stdin`; None where nothing is. Raises UsageError."""
    claimed = _claims(run, sources)
    if sources.stdin_is_prompt or (not claimed and _stdin_is_meant(run, sources)):
        return _piped(run, announce=True)
    return None


def read_system(run: Runtime, sources: Sources, system: str | None) -> str | None:
    """--system-file, else --system; None where neither was given."""
    if sources.system_file is None:
        return system
    if system is not None:
        raise UsageError("--system and --system-file exclude each other")
    return read_file(sources.system_file, run.terminal.read_stdin)


def _claims(run: Runtime, sources: Sources) -> tuple[str, ...]:
    claims = ["the prompt -"] if sources.stdin_is_prompt else []
    claims += ["-f -" for name in sources.files if name == STDIN]
    claims += ["--system-file -"] if sources.system_file == STDIN else []
    claims += sources.claims
    claims += ["--key-file -"] if run.flags.get("key_file") == STDIN else []
    StdinClaims(tuple(claims)).check()
    return tuple(claims)


def _stdin_is_meant(run: Runtime, sources: Sources) -> bool:
    return run.terminal.stdin_piped and not sources.ignore_stdin


def _piped(run: Runtime, *, announce: bool) -> str:
    if announce and not run.terminal.wait_for_stdin(_SILENCE):
        run.note("waiting for stdin; use -I to ignore it")
    return decode(run.terminal.read_stdin(), "stdin")
