"""What an endpoint says about a key; and a new key: read, asked about, stored, put to use."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

from ocx.api.balance import Balance, parse_balance
from ocx.api.urls import origin
from ocx.config.profiles import ConfigFile, choose_profile, load, users_of
from ocx.config.saving import change_profile
from ocx.config.schema import DEFAULT_BASE_URL
from ocx.config.settings import Settings
from ocx.context import Context
from ocx.errors import AuthError, ConfigError, CreditsError, OcxError, ServerError, UsageError
from ocx.keys.client import open_client
from ocx.keys.credentials import Keys, StoredKey, change_keys, stored_key
from ocx.keys.lookup import KEY_VARIABLES, FoundKey, check_key, key_from, read_key_file
from ocx.secret import Secret

if TYPE_CHECKING:
    from decimal import Decimal

    from ocx.api import Client

State = Literal["valid", "no credits", "invalid", "could not tell", "failed"]


class Verdict(NamedTuple):
    """`error` is what the command ends with: None only if the key is valid.

    `could not tell` is a failure (exit 8) and not a success: a script that asks whether a key is
    valid must not be told yes by an endpoint that would serve anybody.
    """

    state: State
    detail: str
    error: OcxError | None = None
    balance: Decimal | None = None


def validate_key(client: Client, path: str | None = None, scale: Decimal | None = None) -> Verdict:
    """Ask the endpoint of `client`; never raises an OcxError.

    Args:
        path: where the balance stands in the answer; None finds it.
        scale: what to multiply it by.
    """
    try:
        reply = client.balance()
    except OcxError as error:
        return _without_balance(client) if error.status == 404 else _from_error(error)
    try:
        return judge_balance(parse_balance(reply.body, path=path, scale=scale))
    except ServerError as error:
        return _unknown(error.message)
    except OcxError as error:
        return _from_error(error)


def ask_endpoint(ctx: Context, settings: Settings, secret: Secret) -> Verdict:
    """Ask the endpoint of `settings` about a key that need not be stored.

    Raises:
        ConfigError: the key must not go there.
    """
    with open_client(ctx, settings, secret) as client:
        return validate_key(client, settings.balance_path, settings.balance_scale)


def refuse_keyless(settings: Settings) -> None:
    """Refuse an endpoint that takes no key of ours.

    Raises:
        UsageError: it is the sandbox, or has auth = none.
    """
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


def settings_of(ctx: Context, key: StoredKey) -> Settings:
    """The settings under which a stored key may be sent: of a profile that uses it.

    That is the profile in force if it uses the key, else the first that does; -P chooses among
    several. A key that no profile uses goes back to where it was added, without the headers of
    another endpoint.

    Raises:
        ConfigError: flags or environment name another endpoint.
        UsageError: the endpoint takes no key of ours.
    """
    config = load(ctx.terminal.env)
    users = users_of(config, key.name)
    profile: str = choose_profile(config, ctx.flags, ctx.terminal.env).value
    if users and profile not in users:
        if ctx.flags.get("profile") is not None:
            used = f"used by: {', '.join(users)}"
            raise ConfigError(
                f"profile {profile} does not use the key {key.name}",
                hint=f"{used}; `ocx keys use {key.name} -P {profile}` changes it",
            )
        profile = users[0]
    settings = ctx.with_flags(profile=profile).settings()
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


def judge_balance(reading: Balance) -> Verdict:
    """What a balance says of its key."""
    amounts = [(each.amount, each.unit) for each in reading.each if each.amount is not None]
    if reading.unlimited or not amounts:
        return Verdict("valid", "unlimited")
    detail = ", ".join(f"{amount:f} {unit}" for amount, unit in amounts)
    # A guessed number may be anything: it does not make a key useless.
    if max(amounts)[0] > 0 or reading.confidence == "guessed":
        return Verdict("valid", detail, None, reading.amount)
    error = CreditsError(f"no credits are left: the balance is {detail}")
    return Verdict("no credits", detail, error, reading.amount)


def _without_balance(client: Client) -> Verdict:
    """Without /balance, ask /models: a list proves little, a refusal proves the key invalid."""
    try:
        client.models()
    except OcxError as error:
        return _from_error(error)
    return _unknown("this server has no /balance, and its /models may be open to everybody")


_STATES: dict[type[OcxError], State] = {AuthError: "invalid", CreditsError: "no credits"}


def _from_error(error: OcxError) -> Verdict:
    return Verdict(_STATES.get(type(error), "failed"), error.message, error)


def _unknown(why: str) -> Verdict:
    error = ServerError(f"could not check the key: {why}", hint="")
    return Verdict("could not tell", why, error)


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


def read(ctx: Context, settings: Settings, name: str) -> Secret:
    """The key from --key-file, stdin or a hidden prompt, hidden from stderr from now on.

    Raises:
        UsageError: nobody can be asked, or the endpoint takes no key.
        ConfigError: it is not a key, or must not go to the endpoint.
    """
    refuse_keyless(settings)
    path = ctx.flags.get("key_file")
    if path is None and ctx.terminal.stdin_tty:
        found = FoundKey(key_from(_prompt(ctx, name), "the key"), "the prompt")
    else:
        found = read_key_file(path or "-", ctx.read_stdin)
    assert found.secret is not None  # noqa: S101 - each of them holds a key, told to mypy
    ctx.terminal.stderr.hide(found.secret)
    for warning in found.warnings + check_key(found.secret, "the key", settings.base_url):
        ctx.warn(warning)
    return found.secret


def _prompt(ctx: Context, name: str) -> str:
    if not ctx.terminal.can_ask():
        raise UsageError(
            "nobody can be asked for the key here",
            hint=f"pipe it in: ocx keys add {name} < FILE, or use --key-file",
        )
    import getpass  # only if a person types a key

    try:
        return getpass.getpass(f"Key for {name} (not shown): ")
    except EOFError:
        raise UsageError("no key was given; nothing is stored") from None


def ask(ctx: Context, settings: Settings, secret: Secret) -> Verdict:
    """What the endpoint says about the key; one without credits is still a key.

    Raises:
        OcxError: the endpoint refuses the key, or cannot be asked.
    """
    verdict = ask_endpoint(ctx, settings, secret)
    if verdict.state in {"invalid", "failed"} and verdict.error is not None:
        verdict.error.hint = "nothing was changed; " + (
            "copy the key from the dashboard again"
            if verdict.state == "invalid"
            else "try again later (`ocx keys add --no-check` stores a key without asking)"
        )
        raise verdict.error
    if verdict.state != "valid":
        known = "could not check the key" if verdict.state == "could not tell" else verdict.state
        ctx.warn(f"{known}: {verdict.detail}")
    return verdict


def store(ctx: Context, key: StoredKey) -> None:
    def change(keys: Keys) -> None:
        refuse_stored(keys, key.name)  # another process may have been faster
        keys[key.name] = key

    change_keys(ctx.terminal.env, change)
    ctx.note(f"key {key.name} ({key.secret.masked()}) is stored")


def replace_key(ctx: Context, old: StoredKey, new: StoredKey) -> None:
    def change(keys: Keys) -> None:
        if stored_key(keys, old.name).secret != old.secret:
            raise ConfigError(f"another process changed the key {old.name} meanwhile")
        keys[old.name] = new

    change_keys(ctx.terminal.env, change)
    ctx.note(f"key {new.name} is {new.secret.masked()} now")


def use_where_none(ctx: Context, settings: Settings, key: StoredKey) -> list[str]:
    """Let the profile in force use a new key, if it has none; the profiles that use it now."""
    used: list[str] = []
    own = origin(settings.base_url) == origin(settings.profile_base_url)

    def change(_: ConfigFile, profile: dict[str, Any]) -> None:
        if own and not profile.get("key_name") and not profile.get("api_key_command"):
            profile["key_name"] = key.name
            used.append(settings.profile)

    flags = {"profile": settings.profile}
    change_profile(ctx.terminal.env, flags, change, create=False)
    if used:
        ctx.note(f"profile {settings.profile} uses it from now on")
        _note_variables(ctx)
    elif own:
        ctx.note(f"`ocx keys use {key.name} -P PROFILE` makes a profile use it")
    else:
        ctx.note(f"it goes only to {settings.base_url}, and profile {settings.profile} does not")
        ctx.note(
            f"for a profile that does: `ocx -P NAME config set base_url URL`, then "
            f"`ocx -P NAME keys use {key.name}`"
        )
    return used


def warn_of_use(ctx: Context, key: StoredKey, profile: dict[str, Any]) -> None:
    if profile.get("api_key_command"):
        ctx.warn("its api_key_command comes first: `ocx config unset api_key_command`")
    url = str(profile.get("base_url", DEFAULT_BASE_URL))
    if key.base_url is not None and origin(key.base_url) != origin(url):
        ctx.warn(f"the key was stored for {key.base_url}: it is not sent to {url} of this profile")
    _note_variables(ctx)


def _note_variables(ctx: Context) -> None:
    for variable in KEY_VARIABLES:
        if ctx.terminal.env.get(variable) and ctx.flags.get("profile") is None:
            ctx.note(f"{variable} is set, and comes first unless -P names the profile")
