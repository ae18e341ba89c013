"""What is looked at instead of sent: --dry-run, --snippet, --estimate, --save-template."""

from __future__ import annotations

import time
from typing import Any

from ocx.api.http import encode, request_preview
from ocx.api.urls import CHAT_PATH, join
from ocx.chat.credits import check_minimum, refuse_play_money, threshold
from ocx.chat.options import ChatOptions, CreditLimits
from ocx.chat.parameters import parse_options, parse_params
from ocx.chat.prices import (
    ESTIMATED,
    known_prices,
    max_completion_tokens,
    prompt_tokens,
    worst_of,
)
from ocx.config.paths import templates_dir
from ocx.config.settings import Settings
from ocx.errors import AuthError, ConfigError, UsageError
from ocx.keys.balance import keep_balance, read_balance
from ocx.keys.client import open_client
from ocx.keys.lookup import endpoint, locate_key
from ocx.output.output_file import Target
from ocx.output.results import write_json
from ocx.runtime import Runtime
from ocx.secret import Secret, is_secret_header
from ocx.text import escape_control

Body = dict[str, Any]


def print_request(
    run: Runtime, settings: Settings, body: Body, target: Target, *, stream: bool
) -> None:
    """Print method and URL, headers (key masked), an empty line, the exact body, a newline.

    Needs no key: `Authorization` then says what is missing.
    """
    secret, authorization = _authorization(run, settings)
    place = endpoint(settings, secret)
    method, url, headers, content = request_preview(place, body, stream=stream)
    if secret is None and authorization:
        headers["Authorization"] = authorization
    headers |= {name: "…" for name in settings.headers if is_secret_header(name)}
    lines = [f"{method} {url}", *(f"{name}: {value}" for name, value in headers.items())]
    data = "\n".join([*lines, "", ""]).encode() + content + b"\n"
    target.write(_shown(run, target, data))


def print_snippet(
    run: Runtime, settings: Settings, body: Body, language: str, target: Target, *, stream: bool
) -> None:
    """Print the request as a program; needs no key.

    Raises:
        UsageError: it goes to the sandbox, or to a language that is not known.
    """
    from ocx.snippet import SnippetRequest, snippet  # four languages, only for --snippet

    if settings.sandbox:
        raise UsageError(
            "the sandbox lives only as long as one call; a program could not reach it",
            hint="run `ocx serve` and give its address with --base-url",
        )
    call = SnippetRequest(
        join(settings.base_url, CHAT_PATH),
        {**body, "stream": True} if stream else body,
        settings.headers,
        with_key=settings.auth != "none",
    )
    for name in filter(is_secret_header, settings.headers):
        run.warn(f"the header {name} stands in the program as it is")
    encode(body)  # a program could hold what no request can
    target.write(_shown(run, target, snippet(language, call).encode()))


def _shown(run: Runtime, target: Target, data: bytes) -> bytes:
    """The same bytes, but for a terminal: there what others wrote is no command to it."""
    if not (target.is_stdout and run.terminal.stdout_tty):
        return data
    return escape_control(data.decode("utf-8", "replace")).encode()


def save_template(run: Runtime, options: ChatOptions, name: str) -> None:
    """Keep the options of a call as a template; files and stdin are not part of it.

    Raises:
        UsageError: there is one of that name: it may hold more than the options say.
    """
    from ocx.chat.templates import (  # tomllib, only for --save-template
        Template,
        dump,
        parse_template,
        template_path,
        write_template,
    )

    path = template_path(templates_dir(run.terminal.env), name)
    if path.exists():
        raise UsageError(
            f"there is a template {name} already",
            hint=f"ocx config templates edit {name}, or rm {name} first",
        )
    chosen, instructions = options.model, options.instructions
    flags = {k: v for k, v in chosen.settings().items() if v is not None}
    template = Template(
        name,
        instructions.system,
        " ".join(options.prompt.words) or None,
        chosen.model,
        {**flags, **parse_options(chosen.options, flags)},
        parse_params(instructions.params),
    )
    checked = parse_template(dump(template).decode(), name)
    write_template(run.terminal.env, path, dump(checked))
    run.note(f"saved {path}; use it with: ocx chat -t {name}")


def estimate(run: Runtime, settings: Settings, body: dict[str, Any], limits: CreditLimits) -> None:
    """Print the estimate, and hold it against --min-balance.

    Raises:
        BelowError: after the worst case the balance would be below the minimum.
        ConfigError: there is a minimum, and no price for one of the models.
        OcxError: the balance cannot be read.
    """
    model = str(body["model"])
    prompt, completion = prompt_tokens(body), max_completion_tokens(body)
    models = (model, *settings.fallback_models)
    prices = known_prices(run, settings, models)
    worst = worst_of(body, settings.fallback_models, prices)
    unpriced = next((each for each in models if each not in prices), None)
    if run.json:
        document = {"model": model, "prompt_tokens": prompt, "max_completion_tokens": completion}
        write_json(
            run.terminal, {**document, "worst_credits": None if worst is None else float(worst)}
        )
    else:
        cost = f"at most {worst:f} credits" if worst is not None else f"no price for {unpriced}"
        about = f"about {prompt} prompt tokens ({ESTIMATED})"
        run.terminal.print(f"{about}, at most {completion} completion tokens, {cost}")
    minimum = threshold("--min-balance", limits.min_balance)
    if minimum is None:
        return
    refuse_play_money(settings, "--min-balance")
    if worst is None:
        raise ConfigError(
            f"--min-balance needs a price for {unpriced}",
            hint=f'add [prices."{unpriced}"] with prompt and completion to config.toml',
        )
    with open_client(run, settings) as client:
        reading = read_balance(client, settings)
    keep_balance(run, settings, [(time.time(), reading)])
    check_minimum(reading, minimum + worst, accept_guess=False)


def _authorization(run: Runtime, settings: Settings) -> tuple[Secret | None, str]:
    """The key if reading it is harmless, else what would stand in the header."""
    try:
        source = locate_key(run, settings)
        if not source.has_side_effects:
            default = "Bearer (made by the sandbox)" if settings.sandbox else ""
            return source.read(settings).secret, default
    except AuthError:
        return None, "Bearer (no key found)"
    return None, f"Bearer (from {source.name})"
