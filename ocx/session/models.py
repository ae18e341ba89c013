"""The models that a session may take, as a numbered list."""

from __future__ import annotations

from typing import TYPE_CHECKING
from unicodedata import normalize

from ocx.api.models import model_ids
from ocx.config.completion_cache import read_models, write_models
from ocx.config.settings import Settings
from ocx.errors import OcxError, UsageError
from ocx.runtime import Runtime
from ocx.text import counted, did_you_mean, one_line

if TYPE_CHECKING:
    from ocx.api import Client


_DIGITS = 5
# `ocx serve` answers to these without listing them.
_UNLISTED = ("lorem:", "fault/")
_LISTED = "/model lists them"


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

    def chosen(self, settings: Settings, name: str) -> str:
        """The id with this number in the list, or the name itself, if there is such a model.

        Raises:
            UsageError: there is none; nobody wants to learn that from the next question.
        """
        ids = self._all(settings)
        if not ids or name in ids:
            return name
        digits = normalize("NFKC", name)  # full-width ones of a Chinese keyboard too
        if digits.isascii() and digits.isdigit() and len(digits) < _DIGITS:
            if 0 < int(digits) <= len(ids):
                return ids[int(digits) - 1]
            raise UsageError(f"there are {counted(len(ids), 'model')}", hint=_LISTED)
        if name.startswith(_UNLISTED):
            return name
        ids = self._ask(settings)  # the list may be an old one
        if ids and name not in ids:
            raise UsageError(f"no model called {name}{did_you_mean(name, ids)}", hint=_LISTED)
        return name

    def _all(self, settings: Settings) -> list[str]:
        return self.known(settings) or self._ask(settings)

    def _ask(self, settings: Settings) -> list[str]:
        try:
            ids = model_ids(self._client.models().json)
        except OcxError as error:
            self._run.note(f"the models cannot be listed: {error.message}")
            return []
        write_models(self._run.terminal.env, settings, ids, self._run.terminal.stderr.keys)
        return ids
