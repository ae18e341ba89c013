"""Which key goes to which endpoint: keys and URLs are found as a pair."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Iterator
from dataclasses import fields
from typing import TYPE_CHECKING, NamedTuple

from ocx.api.types import Endpoint
from ocx.api.urls import is_loopback, origin
from ocx.config.paths import ELSEWHERE, Env, config_file, env_name, if_known, value_in
from ocx.config.schema import BY_NAME, DEFAULT_BASE_URL
from ocx.config.settings import Settings, check_url
from ocx.config.values import expand
from ocx.errors import AuthError, ConfigError, UsageError, os_errors_as, out_of_reach
from ocx.keys.credentials import OWN_KEYS, is_default_key, load_keys, run_key_command
from ocx.owners import is_out_of_reach
from ocx.secret import Secret, word_of_argv

if TYPE_CHECKING:
    from ocx.context import Context

PROVIDER_VARIABLE = "OPENCODEX_API_KEY"
KEY_VARIABLES = (env_name("api_key"), env_name("api_key_file"), PROVIDER_VARIABLE)
"""The variables of the environment that hold or name a key, the first that is set wins."""
_MOUNTED = ("/run/secrets", "/var/run/secrets")
_KEY_FILE_CAP = 64 * 1024
_ENDPOINT_SETTINGS = BY_NAME.keys() & {item.name for item in fields(Endpoint)}
_QUOTES = frozenset("\"'`“”‘’")
_SHAPE_HINT = "a key is 1 to 512 printable ASCII characters without spaces or line breaks"


class FoundKey(NamedTuple):
    """A key that may be sent to the endpoint in use; None if that wants none.

    `source` is for a person: `--key-file`, `environment OCX_API_KEY`, `api_key_command of
    profile work`, `key work`.
    """

    secret: Secret | None
    source: str
    warnings: tuple[str, ...] = ()


class KeySource(NamedTuple):
    """Where the key comes from; `reader` reads it there.

    Attributes:
        has_side_effects: reading takes stdin, or runs a program.
    """

    name: str
    reader: Callable[[], FoundKey]
    has_side_effects: bool = False

    def read(self, settings: Settings) -> FoundKey:
        """The key, which may go to `settings.base_url`.

        Raises:
            AuthError: the stored one is gone.
            ConfigError: it is malformed or unreadable, belongs to `ocx serve` elsewhere, or
                `api_key_command` failed.
        """
        found = self.reader()
        if found.secret is None:
            return found
        warnings = check_key(found.secret, f"the key ({found.source})", settings.base_url)
        return found._replace(warnings=found.warnings + warnings)


def find_key(ctx: Context, settings: Settings) -> FoundKey:
    """The key for `settings.base_url`, which stderr hides from now on; its warnings are shown.

    Raises: as `locate_key` and `KeySource.read`.
    """
    found = locate_key(ctx, settings).read(settings)
    for warning in found.warnings:
        ctx.warn(warning)
    if found.secret is not None:
        ctx.terminal.stderr.hide(found.secret)
    return found


def locate_key(ctx: Context, settings: Settings) -> KeySource:
    """Where the key for `settings.base_url` comes from; the first source that has one wins.

    Raises:
        AuthError: none has.
        ConfigError: none has, and what may name one cannot be reached.
        UsageError: `--key-file` for an endpoint that wants no key.
    """
    if settings.sandbox:  # a real key never goes there; it makes its own
        return KeySource("sandbox", lambda: FoundKey(None, "sandbox"))
    if settings.auth == "none":
        if ctx.flags.get("key_file") is not None:
            raise UsageError(
                f"--key-file is given, but profile {settings.profile} has auth = none",
                hint="leave it out, or use another profile with -P",
            )
        return KeySource("auth = none", lambda: FoundKey(None, "auth = none"))
    env = ctx.terminal.env
    for source in _sources(ctx, settings, env):
        return source
    config = if_known(config_file, env)
    if config is not None and is_out_of_reach(config):
        raise out_of_reach(config, f"set {env_name('api_key')}; {ELSEWHERE}")
    raise AuthError(f"no key for {settings.base_url}", hint=_missing_hint(settings, env))


def endpoint(settings: Settings, key: Secret | None, base_url: str | None = None) -> Endpoint:
    """What the client needs to know, after the last check of what goes where.

    Args:
        base_url: instead of the settings' own: the sandbox's, once its port is known.

    Raises:
        ConfigError: the URL is refused, or the key must not go there.
    """
    url = base_url or settings.base_url
    check_url(url, settings.auth, settings.sources["base_url"])
    if key is not None:
        if settings.auth == "none":
            raise ConfigError(f"profile {settings.profile} sends no key: it has auth = none")
        check_key(key, "the key", url)
    same = {name: getattr(settings, name) for name in _ENDPOINT_SETTINGS}
    same["base_url"] = url
    same["ca_bundle"] = expand(settings.ca_bundle) if settings.ca_bundle else None
    return Endpoint(**same, key=key, allow_http=settings.auth == "none")


def key_from(data: bytes | str, what: str) -> Secret:
    """The key that a file, a variable or a program holds; white space around it is dropped.

    Raises:
        ConfigError: it is not a key; it is not repeated.
    """
    text = (data if isinstance(data, str) else data.decode("utf-8-sig", "replace")).strip()
    if text and _QUOTES & {text[0], text[-1]}:
        raise ConfigError(
            f"{what} stands in quotes",
            hint="take them away; a shell does, `docker --env-file` and a file with a key do not",
        )
    key = Secret(text)
    if not key.is_valid():
        raise ConfigError(f"{what} is {'malformed' if text else 'empty'}", hint=_SHAPE_HINT)
    return key


def check_key(key: Secret, what: str, url: str) -> tuple[str, ...]:
    """Check that `key` may go to `url`; warnings if it will hardly work there.

    Raises:
        ConfigError: it must not.
    """
    if not key.is_valid():
        raise ConfigError(f"{what} is malformed", hint=_SHAPE_HINT)
    host = origin(url)[1]
    if key.reveal().startswith("sk-live-local-") and not is_loopback(host):
        raise ConfigError(
            f"{what} was made by `ocx serve`, and {host} is not this machine",
            hint="use a key of that endpoint, or the base URL that `ocx serve` prints",
        )
    if _is_provider(url) and not key.reveal().startswith("sk-live-"):
        return (f"{what} does not start with sk-live-, as keys of {host} do",)
    return ()


def read_key_file(path: str, read_stdin: Callable[[], bytes]) -> FoundKey:
    """The key in a file, or on stdin if `path` is `-`.

    A loose mode is a warning only, and none where secrets are mounted.

    Raises:
        ConfigError: the file cannot be read, or it holds no key.
    """
    if path == "-":
        return FoundKey(key_from(read_stdin(), "the key on stdin"), "--key-file -")
    return _key_in(path)


def _key_in(path: str, source: str = "--key-file") -> FoundKey:
    what = f"cannot read the key file {word_of_argv(path)}"
    with os_errors_as(ConfigError, what), open(path, "rb") as file:  # noqa: PTH123 - may be ""
        data, mode = file.read(_KEY_FILE_CAP), os.fstat(file.fileno()).st_mode
    loose = stat.S_ISREG(mode) and mode & 0o077 and not _is_mounted_secret(path, mode)
    warnings = (f"{path} can be read by others (mode {mode & 0o777:04o})",) if loose else ()
    return FoundKey(key_from(data, f"the key in {path}"), source, warnings)


def _is_mounted_secret(path: str, mode: int) -> bool:
    """Docker and Kubernetes mount secrets so that the container's user, whoever it is, can read."""
    real = os.path.realpath(path)
    return not mode & 0o022 and any(real.startswith(f"{folder}/") for folder in _MOUNTED)


def _sources(ctx: Context, settings: Settings, env: Env) -> Iterator[KeySource]:
    """Every source that has a key, the first to be asked first."""
    own, file, provider = KEY_VARIABLES
    path = ctx.flags.get("key_file")
    if path is not None:
        yield KeySource("--key-file", lambda: read_key_file(path, ctx.read_stdin), path == "-")
    if settings.from_flag("profile"):
        yield from _profile_sources(settings, env)
    if env.get(own):
        yield _variable(own, env)
    if path_in_env := value_in(env, file):
        source = f"environment {file}"
        yield KeySource(source, lambda: _key_in(expand(path_in_env), source))
    if env.get(provider) and (
        settings.sources["base_url"].is_explicit or _is_provider(settings.base_url)
    ):
        yield _variable(provider, env)
    yield from _profile_sources(settings, env)


def _variable(name: str, env: Env) -> KeySource:
    source = f"environment {name}"
    return KeySource(source, lambda: FoundKey(key_from(env[name], name), source))


def _profile_sources(settings: Settings, env: Env) -> Iterator[KeySource]:
    """The profile's own key, which goes to the profile's own origin and nowhere else."""
    if origin(settings.base_url) != origin(settings.profile_base_url):
        return
    if settings.api_key_command:
        source = f"api_key_command of profile {settings.profile}"
        yield KeySource(source, lambda: _commanded(settings, source, env), True)
    if settings.key_name is not None:
        name = settings.key_name
        yield KeySource(f"key {name}", lambda: _stored(settings, name, env))


def _commanded(settings: Settings, source: str, env: Env) -> FoundKey:
    output = run_key_command(settings.api_key_command, source, env)
    return FoundKey(key_from(output, f"the output of {source}"), source)


def _stored(settings: Settings, name: str, env: Env) -> FoundKey:
    stored = load_keys(env).get(name)
    if stored is None:
        # Do not fall through to the next source: its key may belong to another endpoint.
        own = f"`ocx keys add {name}` stores it; `ocx keys use NAME` takes another"
        raise AuthError(
            f"profile {settings.profile} uses the key {name}, and no such key is stored",
            hint=OWN_KEYS if is_default_key(name, env) else own,
        )
    if stored.base_url is not None and origin(stored.base_url) != origin(settings.base_url):
        keys = f"ocx -P {settings.profile} keys"
        raise AuthError(
            f"the key {name} was stored for {stored.base_url}, and profile {settings.profile} goes"
            f" to {settings.base_url}",
            hint=f"`ocx -P {settings.profile} config set base_url URL` if the first is meant; "
            f"else a key of its own: `{keys} add NAME`, then `{keys} use NAME`",
        )
    return FoundKey(stored.secret, f"key {name}")


def _is_provider(url: str) -> bool:
    return origin(url) == origin(DEFAULT_BASE_URL)


def _missing_hint(settings: Settings, env: Env) -> str:
    if origin(settings.base_url) != origin(settings.profile_base_url) and (
        settings.key_name or settings.api_key_command
    ):
        return (
            f"profile {settings.profile} has another endpoint, {settings.profile_base_url}, and "
            "sends its key nowhere else; use --key-file, OCX_API_KEY, or a profile for this one: "
            "`ocx -P NAME config set base_url URL`"
        )
    for variable in KEY_VARIABLES:
        if variable in env and not value_in(env, variable):
            return f"{variable} is set, and empty: a secret that this job may not see?"
    if env.get(PROVIDER_VARIABLE):
        return (
            f"{PROVIDER_VARIABLE} goes only to opencodex.hk; store a key for this profile with "
            f"`ocx keys add NAME -P {settings.profile}`"
        )
    return "store one with `ocx keys add NAME`, or set OPENCODEX_API_KEY; `--sandbox` needs no key"
