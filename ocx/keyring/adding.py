"""A new key: read it, ask its endpoint about it, store it."""

from __future__ import annotations

from typing import Any

from ocx.api.urls import origin
from ocx.config.profiles import ConfigFile
from ocx.config.schema import DEFAULT_BASE_URL, env_name
from ocx.config.settings import Settings
from ocx.config.transactions import change_profile
from ocx.errors import ConfigError, UsageError
from ocx.keyring.credentials import Keys, StoredKey, change_keys, stored_key
from ocx.keyring.lookup import FILE_VARIABLE, PROVIDER_VARIABLE, check_key, key_from, read_key_file
from ocx.keyring.validation import Verdict, ask_endpoint, refuse_keyless
from ocx.runtime import Runtime
from ocx.secret import Secret


def refuse_stored(keys: Keys, name: str) -> None:
    """Refuse a name that is in use.

    Raises:
        UsageError: a key has it.
    """
    if name in keys:
        raise UsageError(
            f"there is a key {name} already",
            hint=f"`ocx keys rotate {name}` replaces it, and checks the new one first",
        )


def read(run: Runtime, settings: Settings, name: str) -> Secret:
    """The key from --key-file, stdin or a hidden prompt, hidden from stderr from now on.

    Raises:
        UsageError: nobody can be asked, or the endpoint takes no key.
        ConfigError: it is not a key, or must not go to the endpoint.
    """
    refuse_keyless(settings)
    path = run.flags.get("key_file")
    if path is not None:
        found = read_key_file(path, run.read_stdin)
        secret, warnings = found.secret, found.warnings
    elif run.terminal.stdin_tty:
        secret, warnings = key_from(_prompt(run, name), "the key"), ()
    else:
        secret, warnings = key_from(run.read_stdin(), "the key on stdin"), ()
    assert secret is not None  # noqa: S101 - a key file always holds one, told to mypy
    run.terminal.stderr.hide(secret)
    for warning in (*warnings, *check_key(secret, "the key", settings.base_url)):
        run.warn(warning)
    return secret


def _prompt(run: Runtime, name: str) -> str:
    if not run.terminal.can_ask():
        raise UsageError(
            "nobody can be asked for the key here",
            hint=f"pipe it in: ocx keys add {name} < FILE, or use --key-file",
        )
    import getpass  # only if a person types a key

    try:
        return getpass.getpass(f"Key for {name} (not shown): ")
    except EOFError:
        raise UsageError("no key was given; nothing is stored") from None


def ask(run: Runtime, settings: Settings, secret: Secret) -> Verdict:
    """What the endpoint says about the key; one without credits is still a key.

    Raises:
        OcxError: the endpoint refuses the key, or cannot be asked.
    """
    verdict = ask_endpoint(run, settings, secret)
    if verdict.state in {"invalid", "failed"} and verdict.error is not None:
        verdict.error.hint = "nothing was changed; " + (
            "copy the key from the dashboard again"
            if verdict.state == "invalid"
            else "try again later (`ocx keys add --no-check` stores a key without asking)"
        )
        raise verdict.error
    if verdict.state != "valid":
        known = "could not check the key" if verdict.state == "could not tell" else verdict.state
        run.warn(f"{known}: {verdict.detail}")
    return verdict


def store(run: Runtime, key: StoredKey) -> None:
    def change(keys: Keys) -> None:
        refuse_stored(keys, key.name)  # another process may have been faster
        keys[key.name] = key

    change_keys(run.terminal.env, change)
    run.note(f"key {key.name} ({key.secret.masked()}) is stored")


def replace(run: Runtime, old: StoredKey, new: StoredKey) -> None:
    def change(keys: Keys) -> None:
        if stored_key(keys, old.name).secret != old.secret:
            raise ConfigError(f"another process changed the key {old.name} meanwhile")
        keys[old.name] = new

    change_keys(run.terminal.env, change)
    run.note(f"key {new.name} is {new.secret.masked()} now")


def use_where_none(run: Runtime, settings: Settings, key: StoredKey) -> list[str]:
    """Let the profile in force use a new key, if it has none; the profiles that use it now."""
    used: list[str] = []
    own = origin(settings.base_url) == origin(settings.profile_base_url)

    def change(_: ConfigFile, profile: dict[str, Any]) -> None:
        if own and not profile.get("key_name") and not profile.get("api_key_command"):
            profile["key_name"] = key.name
            used.append(settings.profile)

    flags = {"profile": settings.profile}
    changed = change_profile(run.terminal.env, flags, change, create=False)
    for note in changed.notes():
        run.note(note)
    if used:
        run.note(f"profile {settings.profile} uses it from now on")
        _note_variables(run)
    else:
        run.note(f"`ocx keys use {key.name} -P PROFILE` makes a profile use it")
    return used


def warn_of_use(run: Runtime, key: StoredKey, profile: dict[str, Any]) -> None:
    if profile.get("api_key_command"):
        run.warn("its api_key_command comes first: `ocx config unset api_key_command`")
    url = str(profile.get("base_url", DEFAULT_BASE_URL))
    if key.base_url is not None and origin(key.base_url) != origin(url):
        run.warn(f"the key was stored for {key.base_url}: it is not sent to {url} of this profile")
    _note_variables(run)


def _note_variables(run: Runtime) -> None:
    for variable in (env_name("api_key"), FILE_VARIABLE, PROVIDER_VARIABLE):
        if run.terminal.env.get(variable) and run.flags.get("profile") is None:
            run.note(f"{variable} is set, and comes first unless -P names the profile")
