"""`--dry-run`: the request as it would go over the wire, secrets masked; nothing is sent."""

from __future__ import annotations

from typing import Any

from ocx.api.http import request_preview
from ocx.config.display import is_secret_header
from ocx.config.settings import Settings
from ocx.errors import AuthError
from ocx.keyring.lookup import endpoint, locate_key
from ocx.runtime import Runtime
from ocx.secret import Secret


def preview(run: Runtime, settings: Settings, body: dict[str, Any], *, stream: bool) -> bytes:
    """Method and URL, headers, an empty line, the exact body, a newline.

    Needs no key: `Authorization` then says what is missing.
    """
    secret, authorization = _authorization(run, settings)
    target = endpoint(settings, secret)
    method, url, headers, content = request_preview(target, body, stream=stream)
    if secret is None and authorization:
        headers["Authorization"] = authorization
    headers |= {name: _masked(name, headers[name]) for name in settings.headers}
    lines = [f"{method} {url}", *(f"{name}: {value}" for name, value in headers.items())]
    return "\n".join([*lines, "", ""]).encode() + content + b"\n"


def _masked(name: str, text: str) -> str:
    return "…" if is_secret_header(name) else text


def _authorization(run: Runtime, settings: Settings) -> tuple[Secret | None, str]:
    """The key where reading it is harmless, else what would stand in the header."""
    try:
        located = locate_key(settings, run.flags, run.terminal.env, run.terminal.read_stdin)
        if located.quiet:
            found = located.fetch()
            default = "Bearer (made by the sandbox)" if settings.sandbox else ""
            return found.secret, default
    except AuthError:
        return None, "Bearer (no key found)"
    return None, f"Bearer (from {located.source})"
