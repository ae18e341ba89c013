"""Values as `ocx config` shows them: typed as JSON knows them, and without secrets."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ocx.config.profiles import ConfigFile
from ocx.config.schema import BY_NAME, DEFAULT_BASE_URL, SANDBOX
from ocx.config.setting_path import Target
from ocx.secret import is_secret_header, redact


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
