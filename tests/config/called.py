"""Commands called in this process, with a terminal in memory and an environment of their own."""

from __future__ import annotations

import io
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ocx.entry import invoke
from ocx.errors import OcxError
from ocx.terminal import FdWriter, RedactingStderr, Terminal
from tests.support.memory import MemoryRaw


@dataclass(frozen=True)
class Call:
    """What a call left: both streams, and the error that it ended with."""

    stdout: str
    stderr: str
    error: OcxError | None

    @property
    def json(self) -> Any:
        return json.loads(self.stdout)

    @property
    def rows(self) -> list[list[str]]:
        return [line.split("\t") for line in self.stdout.splitlines()]

    def failed(self, kind: type[OcxError]) -> OcxError:
        """Its error, where that is of this class exactly."""
        assert type(self.error) is kind, repr(self.error)
        return self.error

    def ok(self) -> Call:
        if self.error is not None:
            raise self.error
        return self


class Caller:
    """`ocx` in an empty home, without a process."""

    def __init__(self, home: Path, env: Mapping[str, str] | None = None) -> None:
        self.home = home
        self.env = {"HOME": str(home), **(env or {})}

    @property
    def folder(self) -> Path:
        return self.home / ".config" / "ocx"

    @property
    def config(self) -> Path:
        return self.folder / "config.toml"

    @property
    def credentials(self) -> Path:
        return self.folder / "credentials.toml"

    def names(self, kind: str) -> list[str]:
        return (self.home / f".cache/ocx/names/{kind}.txt").read_text().splitlines()

    def write(self, text: str) -> None:
        self.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        self.config.write_text(text)

    def __call__(self, *words: str, stdin: bytes = b"", tty: bool = False, **env: str) -> Call:
        """Run one command; `tty` puts a person at stdin and stderr."""
        raw, messages = MemoryRaw(), io.StringIO()
        terminal = Terminal(
            stdin=io.BytesIO(stdin),
            stdout=FdWriter(raw),
            stderr=RedactingStderr(messages),
            env={**self.env, **env},
            stdin_tty=tty,
            stderr_tty=tty,
        )
        error = None
        try:
            invoke(list(words), terminal)
        except OcxError as raised:
            error = raised
        return Call(raw.text(), messages.getvalue(), error)
