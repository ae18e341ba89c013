"""What a call may be asked for beyond an answer on stdout. Cheap to import: every call does."""

from __future__ import annotations

from dataclasses import dataclass

from ocx.config.settings import Settings
from ocx.errors import UsageError
from ocx.runtime import Runtime


@dataclass(frozen=True)
class Depth:
    """The flags for history, checked answers and credits, as typed.

    Attributes:
        log: --log, --no-log, or None for neither.
        extract: -x and --extract-last.
    """

    continue_last: bool = False
    conversation: str | None = None
    log: bool | None = None
    extract: bool = False
    extract_last: bool = False
    schema: str | None = None
    schema_retries: int = 0
    cost: bool = False
    min_balance: str | None = None

    @property
    def continues(self) -> bool:
        return self.continue_last or self.conversation is not None

    @property
    def extracts(self) -> bool:
        return self.extract or self.extract_last

    def needed(self, run: Runtime, settings: Settings) -> bool:
        """Whether more is asked for than sending and printing."""
        named = (self.schema, self.min_balance)  # "" too: an unset variable must not lift a check
        flags = (self.continues, self.extracts, self.cost)
        return any(flags) or named != (None, None) or self.keeps(run, settings)

    def keeps(self, run: Runtime, settings: Settings) -> bool:
        """Whether the call goes into the history.

        Never by itself in a pipe: people pipe secrets, and opening the history costs start-up.
        """
        if self.log is not None:
            return self.log
        if settings.history != "auto":
            return settings.history == "on"
        return self.continues or run.terminal.stdout_tty

    def check(self, *, json: bool, shows_request: bool) -> None:
        """Raises UsageError for flags that exclude each other.

        Args:
            json: --json. shows_request: --dry-run or --snippet, which send nothing.
        """
        form = "--schema" if self.schema is not None else "--extract"
        shaped = self.extracts or self.schema is not None
        if json and shaped:
            raise UsageError(f"--json and {form} exclude each other")
        if self.extract and self.extract_last:
            raise UsageError("--extract and --extract-last exclude each other")
        if self.extracts and self.schema is not None:
            raise UsageError("--schema and --extract exclude each other")
        if self.continue_last and self.conversation is not None:
            raise UsageError("-c and --conversation exclude each other")
        if self.schema_retries and self.schema is None:
            raise UsageError("--schema-retries is about --schema, which is missing")
        if self.log is False and self.continues:
            raise UsageError(
                "-n keeps nothing, so there is no conversation to go on with",
                hint="leave out -n, or -c and --conversation",
            )
        if json and shows_request:
            raise UsageError("--json excludes --dry-run and --snippet")
