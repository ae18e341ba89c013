"""The shape of `config.toml`: which profiles there are, and which one is meant."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from ocx.config.paths import ELSEWHERE, Env, config_file, env_name, if_known, value_in
from ocx.config.schema import BY_NAME, DEFAULT_PROFILE, SANDBOX, Choice, Source
from ocx.config.values import check_name, composed, is_name
from ocx.errors import ConfigError, out_of_reach
from ocx.owners import changed_by_others, is_out_of_reach, keeps_owners
from ocx.secret import word_of_argv
from ocx.text import nearest
from ocx.toml import TomlFile, read_bytes

_DECIDING = ("api_key_command", "proxy", "ca_bundle")
"""Settings by which a key may reach somebody else."""
_MOST_PRICE = 1_000_000_000
TOP_LEVEL = ("default_profile", "profiles", "aliases", "prices")
EDIT_HINT = "mend it with `ocx config edit`"


class ConfigFile(NamedTuple):
    """A config file as read; one that is not there reads as empty.

    Attributes:
        content: None if there is no file; `toml` is read from it.
        reachable: False if that cannot be told.
    """

    path: Path
    toml: TomlFile
    content: bytes | None = None
    reachable: bool = True
    warning: str | None = None

    @classmethod
    def of(cls, path: Path, content: bytes | None, *, reachable: bool = True) -> ConfigFile:
        """Raises ConfigError: it is not TOML."""
        return cls(path, TomlFile(path, content or b"", hint=EDIT_HINT), content, reachable)

    @property
    def data(self) -> dict[str, Any]:
        return self.toml.data

    @property
    def found(self) -> bool:
        return self.content is not None

    def profiles(self) -> dict[str, dict[str, Any]]:
        """The tables of all profiles by name.

        Raises:
            ConfigError: one is not a table.
        """
        profiles = self.toml.table(("profiles",))
        for name in profiles:
            self.toml.table(("profiles", name))
        return profiles

    def profile(self, name: str) -> dict[str, Any]:
        """What the file says about one profile; `sandbox` is built in and takes nothing from it."""
        return {} if name == SANDBOX else self.profiles().get(name, {})

    def aliases(self) -> dict[str, str]:
        """The ids of models by their aliases.

        Raises:
            ConfigError: one is not an id.
        """
        table = self.toml.table(("aliases",))
        for name, model in table.items():
            if not isinstance(model, str) or not model.strip():
                self.toml.fail(("aliases", name), "must be the id of a model")
        return table

    def prices(self) -> dict[str, dict[str, float]]:
        """Credits per million tokens by model: prompt, completion, maybe cached_prompt.

        Raises:
            ConfigError: one is not a table of these numbers.
        """
        prices = self.toml.table(("prices",))
        for model in prices:
            keys = ("prices", model)
            row = self.toml.known(keys, ("prompt", "completion", "cached_prompt"))
            for name in ("prompt", "completion", *row):
                if self.toml.number((*keys, name), -1, 0, _MOST_PRICE) < 0:
                    self.toml.fail(keys, f"{name} is required")
        return prices

    def default_profile(self) -> str | None:
        """The profile to use if none is named.

        Raises:
            ConfigError: it is not a name.
        """
        return self.toml.text(("default_profile",))

    def names(self) -> list[str]:
        """Every profile there is, the two built-in ones too, sorted."""
        return sorted({*self.profiles(), DEFAULT_PROFILE, SANDBOX})


def load(env: Env) -> ConfigFile:
    """The config file in use; raises as `read`.

    One that cannot be reached is taken as not there, unless `OCX_CONFIG` names it.
    """
    path = if_known(config_file, env)
    if path is None:
        return ConfigFile.of(Path("config.toml"), None)
    named = bool(value_in(env, env_name("config")))
    if not named and is_out_of_reach(path):
        return ConfigFile.of(path, None, reachable=False)
    config = read(path)
    problem = changed_by_others(path.stat()) if config.found else None
    return config if problem is None else _distrusted(config, problem, named=named)


def _distrusted(config: ConfigFile, problem: str, *, named: bool) -> ConfigFile:
    """A file that others may change: an error, or a warning where its mode says little.

    That is for root, for a file that `OCX_CONFIG` names, and on a mount that gives every file one
    owner or mode; and only if nothing in it says who gets the key.
    """
    path = config.path
    hint = f"if it is yours: chown it to you, and chmod go-w {path}"
    tables = config.profiles().values()
    deciding = next((name for name in _DECIDING if any(name in table for table in tables)), None)
    if deciding or not (named or os.geteuid() == 0 or not keeps_owners(path.parent)):
        what = f", and sets {deciding}" if deciding else ""
        raise ConfigError(f"{path} {problem}{what}", hint=hint)
    return config._replace(warning=f"{path} {problem}")


def read(path: Path) -> ConfigFile:
    """A config file.

    Raises:
        ConfigError: it cannot be read, or it is not TOML.
    """
    return ConfigFile.of(path, read_bytes(path))


def choose_profile(config: ConfigFile, flags: Mapping[str, Any], env: Env) -> Choice:
    """-P > OCX_PROFILE > default_profile > `default`.

    Raises:
        ConfigError: there is no such profile.
        UsageError: -P is not a name.
    """
    choice = named_profile(config, flags, env)
    if choice.value in config.names():
        return choice
    if not config.reachable:
        raise out_of_reach(config.path, ELSEWHERE)
    name = word_of_argv(choice.value)
    near = nearest(choice.value, config.names())
    guess = f"did you mean {near}? " if near else ""
    by = "" if choice.source.is_flag else f" (from {choice.source})"
    raise ConfigError(
        f"no profile {name} in {config.path}{by}",
        hint=f"{guess}create it with `ocx config set -P {name} base_url URL`",
    )


def named_profile(config: ConfigFile, flags: Mapping[str, Any], env: Env) -> Choice:
    """The same, whether there is such a profile or not: what `config set` writes."""
    if flags.get("profile") is not None:
        return Choice(check_name(flags["profile"], "profile"), Source("flag"))
    variable = env_name("profile")
    if name := value_in(env, variable):
        choice = Choice(composed(name), Source("environment", variable))
    elif (default := config.default_profile()) is not None:
        choice = Choice(default, Source("default_profile"))
    else:
        return Choice(DEFAULT_PROFILE, Source("default"))
    if not is_name(choice.value):
        raise ConfigError(f"{choice.source} does not hold the name of a profile", hint=EDIT_HINT)
    return choice


def users_of(config: ConfigFile, key: str) -> list[str]:
    """The profiles that use a stored key."""
    return [name for name in config.names() if config.profile(name).get("key_name") == key]


def unknown_keys(config: ConfigFile, profiles: Iterable[str]) -> list[str]:
    """A warning for each key that nothing reads: at the top, and in these profiles."""
    found = [
        (key, f"[profiles.{DEFAULT_PROFILE}] {key}" if key in BY_NAME else nearest(key, TOP_LEVEL))
        for key in config.data
        if key not in TOP_LEVEL
    ]
    for name in profiles:
        unknown = (key for key in config.profile(name) if key not in BY_NAME)
        found += [(f"profiles.{name}.{key}", nearest(key, BY_NAME)) for key in unknown]
    return [
        f"{config.path}: unknown key {key} is ignored" + (f"; did you mean {near}?" if near else "")
        for key, near in found
    ]
