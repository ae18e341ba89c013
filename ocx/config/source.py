"""Where a value comes from."""

from __future__ import annotations

from enum import Enum
from typing import Any, NamedTuple


class SourceKind(Enum):
    """The layers of a setting, and what else can decide its value."""

    FLAG = "flag"
    ENVIRONMENT = "environment"
    PROFILE = "profile"
    DEFAULT_PROFILE = "default_profile"
    SANDBOX = "sandbox"
    DEFAULT = "default"


class Source(NamedTuple):
    """`detail` is the name of the variable or of the profile; as text it is shown to users."""

    kind: SourceKind
    detail: str = ""

    @property
    def is_flag(self) -> bool:
        return self.kind is SourceKind.FLAG

    @property
    def is_explicit(self) -> bool:
        """Whether it was given for this call, by flag or environment, and not by a file."""
        return self.kind in {SourceKind.FLAG, SourceKind.ENVIRONMENT}

    def __str__(self) -> str:
        return f"{self.kind.value} {self.detail}".rstrip()


class Choice(NamedTuple):
    """A value and where it comes from."""

    value: Any
    source: Source
