"""Values as `ocx config` shows them: typed as JSON knows them, and without secrets.

What a name means in `config get`, `set` and `unset`: a setting, or an entry of a table.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, NamedTuple

from ocx.config import values
from ocx.config.profiles import TOP_LEVEL, ConfigFile
from ocx.config.schema import BY_NAME, DEFAULT_BASE_URL, SANDBOX
from ocx.errors import UsageError
from ocx.secret import is_secret_header, redact, word_of_argv
from ocx.text import nearest


def as_text(value: Any) -> str:
    """A value as `config set` takes it back."""
    if value is None:
        return ""
    if isinstance(value, str):
        return value
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    if isinstance(value, (int, float)):
        return str(value)
    from ocx.jsontext import compact  # only for lists and tables

    return compact(value)


def plain(value: Any) -> Any:
    """As JSON and TOML know it: no tuple, no Decimal; an empty list or table is nothing."""
    if isinstance(value, tuple):
        return list(value) or None
    if isinstance(value, Mapping):
        return dict(value) or None
    return value if isinstance(value, (str, int, float, type(None))) else float(value)


def masked(where: Target, value: Any) -> Any:
    """The same, fit to be shown: a proxy's password and headers that name a secret are hidden."""
    if where.name == "headers" and isinstance(value, dict):
        return {name: masked(Target("headers", name), text) for name, text in value.items()}
    if where.name == "headers" and is_secret_header(where.entry or ""):
        return "…"
    if where.name == "proxy" and isinstance(value, str) and "@" in value:
        scheme, _, rest = value.partition("://")
        return f"{scheme}://…@{rest.rpartition('@')[2]}"
    if isinstance(value, list):
        return [redact(item) for item in value]
    return redact(value) if isinstance(value, str) else value


def summary(config: ConfigFile, name: str, current: str) -> dict[str, Any]:
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
        "base_url": redact(str(url)),
        "model": redact(str(profile.get("model", BY_NAME["model"].default))),
        "key": None if key is None else redact(str(key)),
    }


_ALIAS = r"[A-Za-z0-9][A-Za-z0-9._:/@+-]{0,127}"
_OTHERS = ("default_profile", "headers.NAME", "aliases.NAME")


class Target(NamedTuple):
    """`name` is a setting, `default_profile` or `aliases`; `entry` is what follows the dot."""

    name: str
    entry: str | None = None

    @property
    def in_profile(self) -> bool:
        return self.name not in TOP_LEVEL


def target(word: str) -> Target:
    """The setting or the entry that a word names.

    Raises:
        UsageError: nothing reads it.
    """
    name, dot, entry = word.partition(".")
    if name in {"headers", "aliases"} and dot and entry:
        return Target(name, entry)
    if word in BY_NAME or word == "default_profile":
        return Target(word)
    raise unknown(word)


def unknown(word: str) -> UsageError:
    known = [*BY_NAME, *_OTHERS]
    near = nearest(word, known)
    hint = f"did you mean {near}?" if near else f"settings: {', '.join(known)}"
    return UsageError(f"no setting called {word_of_argv(word)}", hint=hint)


def value_of(where: Target, text: str) -> Any:
    """The typed value that `text` means there, as it is written to the file.

    Raises:
        UsageError: it means none; the text is not repeated.
    """
    try:
        return _typed(where, text)
    except values.BadValue as problem:
        word = where.name if where.entry is None else f"{where.name}.{where.entry}"
        raise UsageError(f"{word} {problem}", hint=problem.hint) from None


def _typed(where: Target, text: str) -> Any:
    if where.name == "default_profile":
        return values.check_name(text, "profile")
    if where.name == "aliases":
        return _alias(where.entry or "", text)
    if where.entry is not None:
        return values.check_header(where.entry, text)[1]
    kind = BY_NAME[where.name].type
    return kind.stored(kind.check(kind.parse(text)))


def _alias(name: str, model: str) -> str:
    if not re.fullmatch(_ALIAS, name) and not values.is_name(name):
        raise values.BadValue("is not a name for a model")
    return str(BY_NAME["model"].type.check(model))


def put(config: ConfigFile, profile: dict[str, Any], where: Target, value: Any) -> None:
    """Write `value` where it belongs: into the file or into `profile`, one of its tables."""
    table = profile if where.in_profile else config.data
    if where.entry is None:
        table[where.name] = value
        return
    entries = _entries(table, where)
    for name in _same(entries, where):
        del entries[name]
    entries[where.entry] = value


def drop(config: ConfigFile, profile: dict[str, Any], where: Target) -> bool:
    """Remove it, and a table that is empty without it; False if it is not there."""
    table = profile if where.in_profile else config.data
    if where.entry is None:
        return table.pop(where.name, None) is not None
    entries = _entries(table, where)
    found = _same(entries, where)
    for name in found:
        del entries[name]
    if not entries:
        del table[where.name]
    return bool(found)


def _entries(table: dict[str, Any], where: Target) -> dict[str, Any]:
    entries = table.setdefault(where.name, {})
    if not isinstance(entries, dict):
        raise UsageError(
            f"{where.name} is not a table in the config file",
            hint=f"`ocx config unset {where.name}` removes it",
        )
    return entries


def _same(entries: Mapping[str, Any], where: Target) -> list[str]:
    """The entries of that name; headers have no case."""
    if where.name != "headers":
        return [name for name in entries if name == where.entry]
    wanted = (where.entry or "").lower()
    return [name for name in entries if name.lower() == wanted]
