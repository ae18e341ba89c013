"""Checking one value against its row of the table, and reading one from a word of text.

Messages never repeat a text value: it may be a key in the wrong place.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from ocx.config.schema import Setting
from ocx.errors import ConfigError, UsageError

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
KEY_HINT = "keys are never settings or arguments; store one with `ocx keys add NAME`"
# Compiled where they are first used: most commands see no header, proxy or key.
_KEY_WORD = r"sk-[A-Za-z0-9_-]{8,}"
_KEY_INSIDE = r"(?<![A-Za-z0-9_-])sk-live-[A-Za-z0-9_-]{8,}"
_HEADER_NAME = r"[!#$%&'*+.^_`|~0-9A-Za-z-]+"  # RFC 9110 5.6.2, token
_HEADER_VALUE = r"[\t -~]*"
_PROXY = r"(?:https?|socks5h?)://[^/\s?#]+/?"


class BadValue(ValueError):
    """What is wrong, to be read after the setting's name."""

    hint: str | None = None


class KeyInside(BadValue):
    """The value looks like a key."""

    hint = KEY_HINT


def looks_like_key(text: str) -> bool:
    """The whole text is shaped like a key, or one of the provider's stands somewhere in it."""
    if "sk-" not in text:
        return False
    return bool(re.fullmatch(_KEY_WORD, text.strip()) or re.search(_KEY_INSIDE, text))


def check_name(name: str, what: str) -> str:
    """`name` where it can name a key or a profile.

    Raises: UsageError, not repeating what is shaped like a key.
    """
    if name.startswith("sk-"):
        raise UsageError(
            f"that is a key, not the name of a {what}",
            hint="keys go in by stdin or the prompt of `ocx keys add NAME`; a key that stood on a "
            "command line is in the shell's history: revoke it",
        )
    if not NAME.fullmatch(name):
        raise UsageError(
            f"not a name for a {what}",
            hint="1 to 64 letters, digits, dots, dashes or underscores, a letter or digit first",
        )
    return name


def check(setting: Setting, value: Any) -> Any:
    """`value`, normalized: lists as tuples, numbers as float or int.

    Raises: BadValue.
    """
    match setting.kind:
        case "number":
            return _number(setting, value)
        case "integer":
            return _integer(setting, value)
        case "list":
            return _list(setting, value)
        case "headers":
            return check_headers(value)
        case _:
            return _text(setting, value)


def parse(setting: Setting, text: str) -> Any:
    """The value that a word on a command line or in the environment means, not yet checked.

    Raises: BadValue.
    """
    try:
        if setting.kind == "number":
            return float(text)
        if setting.kind == "integer":
            return int(text)
    except ValueError:
        raise BadValue(f"must be {_range(setting)}") from None
    if setting.kind in {"list", "headers"}:
        return _structure(setting, text)
    return text


def check_headers(value: Any) -> dict[str, str]:
    """Names and values that can stand in a request. Raises: BadValue."""
    if not isinstance(value, Mapping):
        raise BadValue("must be a table of names and texts")
    return dict(check_header(name, text) for name, text in value.items())


def check_header(name: str, value: Any) -> tuple[str, str]:
    if not re.fullmatch(_HEADER_NAME, name):
        raise BadValue("has a name that is not one of a header")
    if name.lower() == "authorization":
        raise KeyInside("cannot set Authorization")
    if not isinstance(value, str) or not re.fullmatch(_HEADER_VALUE, value):
        raise BadValue(f"must be printable ASCII text for {name}")
    if any(looks_like_key(word) for word in value.split()):
        raise KeyInside(f"holds a key as {name}")
    return name, value.strip()


def flag_error(name: str, problem: BadValue) -> UsageError:
    return UsageError(f"--{name.replace('_', '-')} {problem}", hint=problem.hint)


def config_error(where: str, problem: BadValue) -> ConfigError:
    return ConfigError(f"{where} {problem}", hint=problem.hint)


def _text(setting: Setting, value: Any) -> str:
    if not isinstance(value, str):
        raise BadValue("must be a text")
    if looks_like_key(value) or (setting.kind == "key name" and value.startswith("sk-")):
        raise KeyInside("looks like a key itself")
    if "\0" in value:
        raise BadValue("cannot hold a NUL character")
    if setting.choices and value not in setting.choices:
        raise BadValue(f"must be {' or '.join(setting.choices)}")
    if setting.kind == "key name" and not NAME.fullmatch(value):
        raise BadValue("is not the name of a key")
    if setting.name == "proxy" and value and not re.fullmatch(_PROXY, value):
        raise BadValue("must be an http, https, socks5 or socks5h URL of a host")
    if setting.name == "model" and not value.strip():
        raise BadValue("cannot be empty")
    return value


def _number(setting: Setting, value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise BadValue(f"must be {_range(setting)}")
    return float(_bounded(setting, value))


def _integer(setting: Setting, value: Any) -> int:
    if isinstance(value, bool) or not isinstance(value, int):
        raise BadValue(f"must be {_range(setting)}")
    return int(_bounded(setting, value))


def _bounded(setting: Setting, value: float) -> float:
    if not setting.low <= value <= setting.high:  # NaN is outside, too
        raise BadValue(f"must be {_range(setting)}, not {value}")
    return value


def _range(setting: Setting) -> str:
    what = "a whole number" if setting.kind == "integer" else "a number"
    return f"{what} from {setting.low:.12g} to {setting.high:.12g}"


def _list(setting: Setting, value: Any) -> tuple[str, ...]:
    if isinstance(value, str) and setting.name == "stop":  # the API takes `stop` both ways
        value = (value,)
    if not isinstance(value, (list, tuple)) or not all(isinstance(item, str) for item in value):
        raise BadValue("must be a list of texts")
    # A command that holds a key is refused where it is set, by `targets`: one that a person wrote
    # into the file, `["echo", "sk-…"]` for a test, harms nobody but its author.
    if setting.name != "api_key_command" and any(looks_like_key(item) for item in value):
        raise KeyInside("holds a key")
    if any("\0" in item for item in value):
        raise BadValue("cannot hold a NUL character")
    return tuple(value)


def _structure(setting: Setting, text: str) -> Any:
    """JSON or TOML; both are written the same for most lists, and people know one of them."""
    bracket = "[" if setting.kind == "list" else "{"
    if not text.lstrip().startswith(bracket):
        return _bare(setting, text)
    import json
    import tomllib

    for read in (json.loads, lambda word: tomllib.loads(f"value = {word}")["value"]):
        try:
            return read(text)
        except (ValueError, RecursionError):
            continue
    raise BadValue("is neither JSON nor TOML")


def _bare(setting: Setting, text: str) -> Any:
    if setting.name == "stop":
        return text
    if setting.kind == "headers":
        raise BadValue("""must be written '{"NAME": "TEXT"}', or set one: headers.NAME TEXT""")
    raise BadValue("""must be written as a list: '["pass", "show", "opencodex"]'""")
