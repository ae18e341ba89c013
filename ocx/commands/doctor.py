"""`ocx doctor`: is everything in order, and what to do if not."""

from __future__ import annotations

from collections.abc import Iterator

from ocx import doctor as machine
from ocx.cli import option
from ocx.commands import print_json, waiting
from ocx.config.settings import Settings
from ocx.context import Context
from ocx.doctor import Check, failed, ok, skipped, system, warning
from ocx.errors import OcxError
from ocx.output.screen_table import check_writer
from ocx.secret import Secret

_FIRST = ("version", "programs", "system", "config", "credentials", "key", "network")
_NETWORK = ("proxy", "dns", "tcp", "tls", "http", "clock")
_ACCOUNT = ("models", "balance")


def doctor(
    ctx: Context,
    chat: bool = option("--chat", "Ask a model one tiny thing, too; it costs credits.", False),
) -> None:
    """Find out what is wrong, and what to do about it.

    Looks at the installation, the files, the key, the network and the account, one line each:
    ok, warning or failed. The exit code is that of the first failure.
    """
    found = []
    write = None
    if not (ctx.json or ctx.quiet):
        write = check_writer(ctx, (*_FIRST, *_NETWORK, *_ACCOUNT))
    for check in _checks(ctx, chat):
        found.append(check)
        if write:
            write(check.state, check.name, check.detail, check.hint)
    failures = [(check.name, check.error) for check in found if check.error is not None]
    if ctx.json:
        checks = [check.as_json() for check in found]
        print_json(ctx, {"ok": not failures, "checks": checks})
    if failures:  # by the class of the first, so that the exit code is its own
        names = ", ".join(name for name, _ in failures)
        raise type(failures[0][1])(f"failed: {names}", hint="the lines above say what to do")


def _checks(ctx: Context, chat: bool) -> Iterator[Check]:
    env = ctx.terminal.env
    yield machine.version()
    yield machine.programs(env)
    yield system(env)
    try:
        settings = ctx.with_flags(quiet=True).settings()
    except OcxError as error:
        yield failed("config", error)
        yield machine.credentials(env)
        yield from _not_tried("the configuration is broken", chat)
        return
    yield machine.config(settings, env)
    yield machine.credentials(env)
    key, secret = _key(ctx, settings)
    yield key
    if settings.sandbox:
        yield ok("network", "not needed: the sandbox runs in this process")
    else:
        # The HTTP library takes longer to import than everything above takes to run.
        from ocx.doctor.network import network

        for check in _awaited(ctx, "the network", network(settings)):
            yield check
            if check.error is not None:
                yield from _not_tried(f"{check.name} failed", chat, _ACCOUNT)
                return
    if key.error is not None:
        yield from _not_tried("there is no key", chat, _ACCOUNT)
        return
    from ocx.doctor.network import account
    from ocx.keys.client import open_client

    # With the key that was found: no file or program is asked a second time.
    with open_client(ctx.with_flags(quiet=True), settings, secret) as client:
        yield from _awaited(ctx, "the account", account(ctx, client, settings, chat=chat))


def _awaited(ctx: Context, what: str, checks: Iterator[Check]) -> Iterator[Check]:
    """The checks; a person sees that each is waited for."""
    while True:
        with waiting(ctx, what):
            check = next(checks, None)
        if check is None:
            return
        yield check


def _key(ctx: Context, settings: Settings) -> tuple[Check, Secret | None]:
    from ocx.keys.lookup import endpoint, locate_key

    try:
        found = locate_key(ctx, settings).read(settings)
        if found.secret is not None:
            ctx.terminal.stderr.hide(found.secret)
        endpoint(settings, found.secret)
    except OcxError as error:
        return failed("key", error), None
    shown = f"{found.secret} from {found.source}" if found.secret else f"none ({found.source})"
    if found.warnings:
        return warning("key", f"{shown}; {'; '.join(found.warnings)}"), found.secret
    return ok("key", shown), found.secret


def _not_tried(
    why: str, chat: bool, names: tuple[str, ...] = ("key", *_NETWORK, *_ACCOUNT)
) -> Iterator[Check]:
    for name in (*names, *(["chat"] if chat else [])):
        yield skipped(name, f"not tried: {why}")
