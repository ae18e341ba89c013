"""`--snippet`: the request of a call as a program."""

from __future__ import annotations

from typing import Any

from ocx.api.http import CHAT_PATH, encode
from ocx.api.urls import join
from ocx.call.delivery import Form, with_usage
from ocx.config.display import is_secret_header
from ocx.config.settings import Settings
from ocx.errors import UsageError
from ocx.runtime import Runtime
from ocx.snippet import SnippetRequest, snippet


def print_snippet(
    run: Runtime, settings: Settings, body: dict[str, Any], language: str, form: Form
) -> None:
    """Print the program; needs no key and sends nothing. Raises UsageError."""
    if settings.sandbox:
        raise UsageError(
            "the sandbox lives only as long as one call; a program could not reach it",
            hint="run `ocx serve` and give its address with --base-url",
        )
    body = with_usage(body, form)
    request = SnippetRequest(
        join(settings.base_url, CHAT_PATH),
        {**body, "stream": True} if form.stream else body,
        settings.headers,
        with_key=settings.auth != "none",
    )
    for name in filter(is_secret_header, settings.headers):
        run.warn(f"the header {name} stands in the program as it is")
    encode(body)  # a program could hold what no request can
    run.terminal.stdout.write(snippet(language, request).encode())
