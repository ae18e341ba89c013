"""Flags > environment > profile > default, resolved once into a frozen value."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from ocx.config import values
from ocx.config.paths import ELSEWHERE, Env, env_name, value_in
from ocx.config.profiles import ConfigFile, choose_profile, load, unknown_keys
from ocx.config.schema import (
    BY_NAME,
    DEFAULT_BASE_URL,
    SANDBOX,
    SETTINGS,
    Choice,
    Setting,
    Settings,
    Source,
)
from ocx.errors import ConfigError, UsageError

if TYPE_CHECKING:
    from decimal import Decimal

__all__ = ["SANDBOX_URL", "Settings", "check_file", "check_url", "check_url_and_auth", "resolve"]

SANDBOX_URL = "http://sandbox.localhost/api/v1"
"""Stands for the sandbox's own, whose port is known only while it runs."""


def resolve(flags: Mapping[str, Any], env: Env) -> Settings:
    """The settings of one call.

    Args:
        flags: setting names, `profile`, `sandbox`, and `header` (a list of `NAME: VALUE`);
            None or an empty list means not given; other names are ignored.
        env: the environment.

    Raises:
        UsageError: a flag is bad.
        ConfigError: a variable, a profile, the file or the URL is bad.
    """
    config = load(env)
    profile, profile_source = choose_profile(config, flags, env)
    sandbox = _sandbox_source(flags, env, profile)
    stored = _checked_profile(config, profile)
    if sandbox is not None:
        stored = {name: v for name, v in stored.items() if not BY_NAME[name].of_endpoint}
    chosen = {s.name: _choose(s, flags, env, stored, profile) for s in SETTINGS}
    own_url = stored.get("base_url", DEFAULT_BASE_URL)
    sources = {"profile": profile_source}
    if sandbox is not None:
        own_url, sources["sandbox"] = SANDBOX_URL, sandbox
        chosen["base_url"] = Choice(SANDBOX_URL, Source("sandbox"))
        chosen["auth"] = Choice("key", Source("sandbox"))
    warnings = _warnings(config, profile, env)
    fields = {name: choice.value for name, choice in chosen.items()}
    check_url(fields["base_url"], fields["auth"], chosen["base_url"].source)
    headers = chosen["headers"]
    if (
        headers.value
        and headers.source.layer == "profile"
        and not _same_origin(fields["base_url"], own_url)
    ):
        headers = Choice({}, Source("default"))
        warnings.append(f"the headers of profile {profile} go only to {own_url}")
    chosen["headers"] = _with_header_flags(headers, flags)
    aliases = config.aliases()
    model = aliases.get(fields["model"], fields["model"])
    fallbacks = [aliases.get(name, name) for name in fields["fallback_models"]]
    return Settings(
        **fields
        | {
            "headers": chosen["headers"].value,
            "model": model,
            "fallback_models": tuple(name for name in fallbacks if name != model),
            "balance_scale": _decimal(fields["balance_scale"]),
        },
        profile=profile,
        profile_base_url=own_url,
        sandbox=sandbox is not None,
        aliases=aliases,
        sources=sources | {name: choice.source for name, choice in chosen.items()},
        warnings=tuple(warnings),
    )


def _same_origin(url: str, own: str) -> bool:
    """Whether a profile's headers may go to `url`; like its key, they may be a secret."""
    if url == own:
        return True
    from ocx.api.urls import origin  # as in `check_url`

    try:
        return origin(url) == origin(own)
    except ConfigError:
        return False


def check_url(url: str, auth: str, source: Source | str) -> None:
    """Refuse a URL that no key may go to.

    Args:
        source: where the URL comes from, for the message.

    Raises:
        ConfigError: it is one.
    """
    if url == DEFAULT_BASE_URL:
        return
    # `config get` must start fast, and most people never use another URL.
    from ocx.api.urls import check_base_url

    try:
        check_base_url(url, allow_http=auth == "none")
    except ConfigError as error:
        raise ConfigError(f"{error.message} (base_url from {source})", hint=error.hint) from None


def check_file(config: ConfigFile) -> list[str]:
    """Every profile of a file at once, before it replaces another; warnings for what is ignored.

    Raises:
        ConfigError: names the first thing that is wrong.
    """
    config.aliases()
    config.prices()
    for name in config.profiles():
        if not values.is_name(name):
            config.toml.fail(("profiles", name), "not a name for a profile")
        check_url_and_auth(_checked_profile(config, name), f"profile {name}")
    choose_profile(config, {}, {})
    return unknown_keys(config, config.profiles())


def check_url_and_auth(profile: Mapping[str, Any], source: str) -> None:
    """Check a profile's URL against its kind of authentication.

    Raises:
        ConfigError: no key may go there.
    """
    check_url(profile.get("base_url", DEFAULT_BASE_URL), profile.get("auth", "key"), source)


def _checked_profile(config: ConfigFile, profile: str) -> dict[str, Any]:
    """The known settings of a profile, checked.

    Raises:
        ConfigError: the profile is broken, or one of its values is bad.
    """
    checked = {}
    for name, value in config.profile(profile).items():
        if name in BY_NAME:
            where = f"{config.path}: profiles.{profile}.{name}"
            with values.bad_values_as(ConfigError, where):
                checked[name] = BY_NAME[name].type.check(value)
    return checked


def _choose(
    setting: Setting, flags: Mapping[str, Any], env: Env, stored: Mapping[str, Any], profile: str
) -> Choice:
    given = flags.get(setting.name)
    if given is not None and given not in ([], ()):
        with values.bad_values_as(UsageError, f"--{setting.name.replace('_', '-')}"):
            return Choice(setting.type.check(given), Source("flag"))
    variable = setting.variable
    if variable and (text := value_in(env, variable)):
        with values.bad_values_as(ConfigError, variable):
            value = setting.type.check(setting.type.parse(text))
            return Choice(value, Source("environment", variable))
    if setting.name in stored:
        return Choice(stored[setting.name], Source("profile", profile))
    return Choice(setting.default, Source("default"))


def _sandbox_source(flags: Mapping[str, Any], env: Env, profile: str) -> Source | None:
    """What chose the sandbox, or None.

    OCX_SANDBOX holds against -P as well: a test run with play money must not turn into one with
    real money because a script names a profile.

    Raises:
        ConfigError: OCX_SANDBOX is neither true nor false.
        UsageError: --base-url names another endpoint.
    """
    variable = env_name("sandbox")
    word = value_in(env, variable).lower()
    if flags.get("sandbox"):
        source = Source("flag")
    elif word in {"1", "true", "yes", "on"}:
        source = Source("environment", variable)
    elif word not in {"", "0", "false", "no", "off"}:
        raise ConfigError(f"{variable} must be 1 or 0")
    elif profile == SANDBOX:
        source = Source("profile", SANDBOX)
    else:
        return None
    if flags.get("base_url") is not None:
        raise UsageError(
            "--base-url names one endpoint and the sandbox is another",
            hint="leave out --base-url, or the sandbox (--sandbox, OCX_SANDBOX, its profile)",
        )
    return source


def _with_header_flags(headers: Choice, flags: Mapping[str, Any]) -> Choice:
    """A header given twice counts once, the last one; names have no case."""
    lines = flags.get("header") or ()
    merged = {name.lower(): (name, text) for name, text in (headers.value or {}).items()}
    for line in lines:
        name, colon, text = line.partition(":")
        with values.bad_values_as(UsageError, "--header"):
            if not colon:
                raise values.BadValue("must be NAME:VALUE")
            merged[name.strip().lower()] = values.check_header(name.strip(), text.strip())
    return Choice(dict(merged.values()), Source("flag") if lines else headers.source)


def _decimal(number: float | None) -> Decimal | None:
    if number is None:
        return None
    from decimal import Decimal  # 5 ms that only a profile with a scale pays

    return Decimal(repr(number))


def _warnings(config: ConfigFile, profile: str, env: Env) -> list[str]:
    warnings = unknown_keys(config, [profile])
    if not config.found and value_in(env, env_name("config")):
        warnings.append(f"{env_name('config')} names {config.path}, which does not exist")
    if not config.reachable:
        warnings.append(f"{config.path} cannot be reached, and is taken as not there; {ELSEWHERE}")
    if config.warning:
        warnings.append(config.warning)
    if SANDBOX in config.profiles():
        warnings.append(f"{config.path}: profiles.{SANDBOX} is built in; the file's is ignored")
    return warnings
