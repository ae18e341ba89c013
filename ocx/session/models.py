"""The models that a session may take, as a numbered list."""

from __future__ import annotations

from typing import TYPE_CHECKING
from unicodedata import normalize

from ocx.api.types import model_ids
from ocx.config.completion_cache import read_models, write_models
from ocx.config.settings import Settings
from ocx.errors import OcxError
from ocx.escaping import one_line
from ocx.runtime import Runtime

if TYPE_CHECKING:
    from ocx.api import Client


_DIGITS = 5


class Models:
    """The ids of the account's models, asked for if none are known yet."""

    def __init__(self, run: Runtime, client: Client) -> None:
        self._run = run
        self._client = client

    def known(self, settings: Settings) -> list[str]:
        """Those that were listed before, as TAB offers them in the shell."""
        return read_models(self._run.terminal.env, settings)

    def show(self, settings: Settings) -> None:
        """List them, the one in use marked."""
        for number, name in enumerate(self._all(settings), 1):
            mark = "*" if name == settings.model else " "
            self._run.terminal.message(f"{mark}{number:>3}  {one_line(name)}")

    def named(self, settings: Settings, name: str) -> str:
        """The id with this number in the list; else the name itself."""
        digits = normalize("NFKC", name)  # full-width ones of a Chinese keyboard too
        if not (digits.isascii() and digits.isdigit() and len(digits) < _DIGITS):
            return name
        ids = self._all(settings)
        number = int(digits)
        return ids[number - 1] if 0 < number <= len(ids) and name not in ids else name

    def _all(self, settings: Settings) -> list[str]:
        if known := self.known(settings):
            return known
        try:
            ids = model_ids(self._client.models().json)
        except OcxError as error:
            self._run.note(f"the models cannot be listed: {error.message}")
            return []
        write_models(self._run.terminal.env, settings, ids, self._run.terminal.stderr.keys)
        return ids
