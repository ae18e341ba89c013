"""The checks that need the key: models, balance and a chat."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from functools import partial
from typing import TYPE_CHECKING

from ocx.api.types import model_ids
from ocx.config.settings import Settings
from ocx.doctor.check import Check, failed, ok, skipped, warning
from ocx.errors import AuthError, CreditsError, OcxError
from ocx.keys.balance import keep_balance, read_balance
from ocx.runtime import Runtime

if TYPE_CHECKING:
    from ocx.api import Client


def account(run: Runtime, client: Client, settings: Settings, *, chat: bool) -> Iterator[Check]:
    """Models, balance and, if asked for, one tiny chat; a refused key ends it."""
    steps: list[tuple[str, Callable[[Client, Settings], Check]]] = [
        ("models", _models),
        ("balance", partial(_balance, run)),
        *([("chat", _chat)] if chat else []),
    ]
    refused = False
    for name, step in steps:
        if refused:
            yield skipped(name, "the key was refused")
            continue
        try:
            yield step(client, settings)
        except OcxError as error:
            refused = isinstance(error, AuthError)
            yield failed(name, error)


def _models(client: Client, settings: Settings) -> Check:
    ids = model_ids(client.models().json)
    if settings.model not in ids:
        return warning(
            "models",
            f"{len(ids)}, and {settings.model} ({settings.sources['model']}) is none of them",
            "`ocx models` lists them; `ocx config set model ID` chooses one",
        )
    return ok("models", f"{len(ids)}, {settings.model} is one of them")


def _balance(run: Runtime, client: Client, settings: Settings) -> Check:
    try:
        found = read_balance(client, settings)
    except OcxError as error:
        if error.status == 404:
            return warning("balance", "this endpoint has none", "`ocx balance` is not for it")
        raise
    keep_balance(run, settings, [(time.time(), found)])
    each = found.currencies or (found,)
    detail = ", ".join(f"{b.amount:f} {b.unit}" for b in each if b.amount is not None)
    if found.unlimited or not detail:
        return ok("balance", "unlimited")
    if found.confidence == "guessed":
        return warning("balance", f"{detail}, a guess", "the setting balance_path makes it sure")
    if all(b.amount is not None and b.amount <= 0 for b in each):
        raise CreditsError(f"no credits are left: the balance is {detail}")
    return ok("balance", detail)


def _chat(client: Client, settings: Settings) -> Check:
    body = {
        "model": settings.model,
        "messages": [{"role": "user", "content": "Say ok."}],
        "max_tokens": 5,
    }
    reply = client.chat(body)
    return ok("chat", f"{settings.model} answered in {reply.seconds:.1f} s")
