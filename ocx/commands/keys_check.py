"""Asking an endpoint about a key, and the settings under which a key may be sent there."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, NamedTuple

from ocx.api.urls import origin
from ocx.config.profiles import choose_profile, load, users_of
from ocx.errors import AuthError, ConfigError, OcxError, PartialError, UsageError
from ocx.keyring.credentials import StoredKey, load_keys, stored_key
from ocx.runtime import Runtime

if TYPE_CHECKING:
    from ocx.config.settings import Settings
    from ocx.keyring.validation import Verdict
    from ocx.secret import Secret


class Checked(NamedTuple):
    """One key and what its endpoint said about it."""

    name: str
    secret: Secret | None
    verdict: Verdict

    def as_json(self) -> dict[str, Any]:
        balance = self.verdict.balance
        return {
            "name": self.name,
            "key": self.secret and self.secret.masked(),
            "state": self.verdict.state,
            "detail": self.verdict.detail,
            "balance": None if balance is None else float(balance),
            "exit_code": self.verdict.error.exit_code if self.verdict.error else 0,
        }


def ask_endpoint(run: Runtime, settings: Settings, secret: Secret) -> Verdict:
    # The only place here that needs an HTTP library: `keys list` must not pay for it.
    import logging

    from ocx.api import Client
    from ocx.client import log_to
    from ocx.keyring.lookup import endpoint
    from ocx.keyring.validation import ask

    run.terminal.stderr.hide(secret)
    quiet = logging.ERROR if run.quiet else logging.WARNING
    log_to(run.terminal, logging.DEBUG if run.debug else quiet)
    with Client(endpoint(settings, secret)) as client:
        return ask(client, settings.balance_path, settings.balance_scale)


def refuse_keyless(settings: Settings) -> None:
    if settings.sandbox:
        raise UsageError(
            f"the sandbox (from {settings.sources['sandbox']}) makes its own key; "
            "a real one never goes there",
            hint="leave out --sandbox, unset OCX_SANDBOX, or name a profile with -P",
        )
    if settings.auth == "none":
        raise UsageError(
            f"profile {settings.profile} sends no key: it has auth = none",
            hint="name another profile with -P",
        )


def settings_of(run: Runtime, key: StoredKey) -> Settings:
    """The settings under which a stored key may be sent: of a profile that uses it.

    A key that no profile uses goes back to where it was added, without the headers of another
    endpoint. -P chooses among several profiles.

    Raises: ConfigError where flags or environment name another endpoint.
    """
    users = users_of(load(run.terminal.env), key.name)
    profile = _profile_for(run, key, users)
    settings = run.with_flags(profile=profile).settings()
    refuse_keyless(settings)
    home = settings.profile_base_url
    if profile not in users and key.base_url is not None:
        home = key.base_url
    if origin(settings.base_url) == origin(home):
        return settings
    if profile in users or settings.sources["base_url"].is_explicit:
        raise ConfigError(
            f"the key {key.name} goes only to {home}, and not to {settings.base_url}",
            hint="leave out --base-url and unset OCX_BASE_URL",
        )
    return replace(settings, base_url=home, headers={})


def _profile_for(run: Runtime, key: StoredKey, users: Sequence[str]) -> str:
    """The profile in force where it uses the key, or nobody does; else the first that does."""
    config = load(run.terminal.env)
    current: str = choose_profile(config, run.flags, run.terminal.env).value
    if not users or current in users:
        return current
    if run.flags.get("profile") is not None:
        raise ConfigError(
            f"profile {current} does not use the key {key.name}",
            hint=f"used by: {', '.join(users)}; `ocx keys use {key.name} -P {current}` changes it",
        )
    return users[0]


def check_one(run: Runtime, name: str | None) -> Checked:
    if name is not None:
        return _check_stored(run, stored_key(load_keys(run.terminal.env), name))
    from ocx.keyring.lookup import find_key

    settings = run.settings()
    if settings.sandbox:
        from ocx.client import open_client  # httpx, only if something is sent
        from ocx.keyring.validation import ask

        with open_client(run, settings) as client:
            return Checked("sandbox", None, ask(client))
    refuse_keyless(settings)
    found = find_key(settings, run.flags, run.terminal.env, run.terminal.read_stdin)
    for warning in found.warnings:
        run.warn(warning)
    assert found.secret is not None  # noqa: S101 - keyless endpoints are refused above
    return Checked(found.source, found.secret, ask_endpoint(run, settings, found.secret))


def _check_stored(run: Runtime, key: StoredKey) -> Checked:
    return Checked(key.name, key.secret, ask_endpoint(run, settings_of(run, key), key.secret))


def check_all(run: Runtime) -> list[Checked]:
    """Every stored key; one that cannot be asked about does not keep the others from it."""
    keys = sorted(load_keys(run.terminal.env).values())
    if not keys:
        raise AuthError("no keys are stored", hint="`ocx keys add NAME` stores one")
    return [_checked(run, key) for key in keys]


def _checked(run: Runtime, key: StoredKey) -> Checked:
    from ocx.keyring.validation import Verdict

    try:
        return _check_stored(run, key)
    except OcxError as error:
        return Checked(key.name, key.secret, Verdict("failed", error.message, error))


def end_as(verdicts: Sequence[Verdict]) -> None:
    """Raise what all of them say; PartialError where they differ."""
    errors = [verdict.error for verdict in verdicts if verdict.error is not None]
    codes = {error.exit_code for error in errors}
    if errors and (len(errors) < len(verdicts) or len(codes) > 1):
        raise PartialError(
            f"{len(errors)} of {len(verdicts)} keys are not known to be valid",
            hint="`ocx keys check NAME` says more about one",
        )
    if errors:
        raise errors[0]
