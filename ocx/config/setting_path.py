"""What a name means in `config get`, `set` and `unset`: a setting, or an entry of a table.

And its value as `ocx config` shows it: typed as JSON knows it, without secrets.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, NamedTuple

from ocx.config import values
from ocx.config.profiles import TOP_LEVEL, ConfigFile
from ocx.config.schema import BY_NAME, DEFAULT_BASE_URL, SANDBOX
from ocx.errors import UsageError
from ocx.secret import is_secret_header, mask_all, word_of_argv
from ocx.text import compact, did_you_mean

_ALIAS = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:/@+-]{0,127}")


class SettingPath(NamedTuple):
    """`name` is a setting, `default_profile` or `aliases`; `entry` is what follows the dot."""

    name: str
    entry: str | None = None

    @classmethod
    def parse(cls, word: str) -> SettingPath:
        """The setting or the entry that a word names.

        Raises:
            UsageError: nothing reads it.
        """
        name, _, entry = word.partition(".")
        if name in {"headers", "aliases"} and entry:
            return cls(name, entry)
        if word in BY_NAME or word == "default_profile":
            return cls(word)
        known = [*BY_NAME, "default_profile", "headers.NAME", "aliases.NAME"]
        hint = did_you_mean(word, known, "") or f"settings: {', '.join(known)}"
        raise UsageError(f"no setting called {word_of_argv(word)}", hint=hint)

    def __str__(self) -> str:
        return self.name if self.entry is None else f"{self.name}.{self.entry}"

    @property
    def in_profile(self) -> bool:
        return self.name not in TOP_LEVEL

    def value_of(self, text: str) -> Any:
        """The typed value that `text` means here, as it is written to the file.

        Raises:
            UsageError: it means none; the text is not repeated.
        """
        if self.name == "default_profile":
            return values.check_name(text, "profile")
        with values.bad_values_as(UsageError, str(self)):
            if self.name == "aliases":
                alias = self.entry or ""
                if not _ALIAS.fullmatch(alias) and not values.is_name(alias):
                    raise values.BadValue("is not a name for a model")
                return BY_NAME["model"].type.check(text)
            if self.entry is not None:
                return values.check_header(self.entry, text)[1]
            kind = BY_NAME[self.name].type
            return kind.stored(kind.check(kind.parse(text)))

    def put(self, config: ConfigFile, profile: dict[str, Any], value: Any) -> None:
        """Write `value` where it belongs: into the file or into `profile`, one of its tables."""
        self.remove(config, profile)
        table = profile if self.in_profile else config.data
        if self.entry is None:
            table[self.name] = value
        else:
            table.setdefault(self.name, {})[self.entry] = value

    def remove(self, config: ConfigFile, profile: dict[str, Any]) -> bool:
        """Remove it, and a table that is empty without it; False if it is not there."""
        table = profile if self.in_profile else config.data
        if self.entry is None:
            return table.pop(self.name, None) is not None
        entries = table.get(self.name, {})
        if not isinstance(entries, dict):
            raise UsageError(
                f"{self.name} is not a table in the config file",
                hint=f"`ocx config unset {self.name}` removes it",
            )
        # The names of headers have no case.
        fold = str.lower if self.name == "headers" else str
        left = {name: each for name, each in entries.items() if fold(name) != fold(self.entry)}
        if left:
            table[self.name] = left
        else:
            table.pop(self.name, None)
        return len(left) < len(entries)


def as_text(value: Any) -> str:
    """A value as `config set` takes it back."""
    if value is None:
        return ""
    if isinstance(value, str):
        return value
    return compact(int(value) if isinstance(value, float) and value.is_integer() else value)


def to_json(value: Any) -> Any:
    """As JSON and TOML know it: no tuple, no Decimal; an empty list or table is nothing."""
    if isinstance(value, tuple):
        return list(value) or None
    if isinstance(value, Mapping):
        return dict(value) or None
    return value if isinstance(value, (str, int, float, type(None))) else float(value)


def masked_value(where: SettingPath, value: Any) -> Any:
    """The same, fit to be shown: a proxy's password and headers that name a secret are hidden."""
    if where.name == "headers" and isinstance(value, dict):
        return {name: masked_value(SettingPath("headers", name), value[name]) for name in value}
    if where.name == "headers" and is_secret_header(where.entry or ""):
        return "…"
    if where.name == "proxy" and isinstance(value, str) and "@" in value:
        scheme, _, rest = value.partition("://")
        return f"{scheme}://…@{rest.rpartition('@')[2]}"
    if isinstance(value, list):
        return [mask_all(item) for item in value]
    return mask_all(value) if isinstance(value, str) else value


def summary(config: ConfigFile, name: str, current: str) -> dict[str, Any]:
    """A profile as `ocx config profiles` lists it."""
    profile = config.profile(name)
    key = profile.get("key_name")
    if profile.get("api_key_command"):
        key = "api_key_command"
    if profile.get("auth") == "none":
        key = "auth = none"
    url = "built in" if name == SANDBOX else profile.get("base_url", DEFAULT_BASE_URL)
    return {
        "name": name,
        "current": name == current,
        "base_url": mask_all(str(url)),
        "model": mask_all(str(profile.get("model", BY_NAME["model"].default))),
        "key": None if key is None else mask_all(str(key)),
    }
