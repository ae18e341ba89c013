"""What is looked at instead of sent: --dry-run, --snippet, --estimate, --save-template."""

from __future__ import annotations

import time

from ocx.api.http import encode, request_preview
from ocx.api.prices import ESTIMATED, max_completion_tokens, prompt_tokens, worst_of
from ocx.api.urls import CHAT_PATH, join
from ocx.chat import credits
from ocx.chat.delivery import open_output
from ocx.chat.exchange import Body
from ocx.chat.options import ChatOptions
from ocx.chat.placeholders import parse_options, parse_params
from ocx.chat.request import Request
from ocx.chat.templates import Template, dump, parse_template, template_path, write_template
from ocx.config.paths import templates_dir
from ocx.config.settings import Settings
from ocx.context import Context
from ocx.errors import AuthError, ConfigError, UsageError
from ocx.keys.client import keep_balance, open_client, read_balance
from ocx.keys.lookup import endpoint, locate_key
from ocx.output.writers import write_json
from ocx.secret import Secret, is_secret_header
from ocx.text import escape_control


def show_request(ctx: Context, request: Request, body: Body, options: ChatOptions) -> None:
    """Print the request with the body, as it would be sent or as a program; needs no key.

    Raises:
        UsageError: the program goes to the sandbox, or is in a language that is not known.
    """
    stream, language = options.output.streams(ctx), options.preview.snippet
    with open_output(ctx, options.output) as target:
        if language is None:
            data = _as_sent(ctx, request.settings, body, stream)
        else:
            data = _as_program(language, ctx, request.settings, body, stream)
        if target.is_stdout and ctx.terminal.stdout_tty:
            # What others wrote is no command to the terminal.
            data = escape_control(data.decode("utf-8", "replace")).encode()
        target.write(data)


def _as_sent(ctx: Context, settings: Settings, body: Body, stream: bool) -> bytes:
    """Method and URL, headers (key masked), an empty line, the exact body, a newline."""
    secret, authorization = _authorization(ctx, settings)
    place = endpoint(settings, secret)
    method, url, headers, content = request_preview(place, body, stream=stream)
    if secret is None and authorization:
        headers["Authorization"] = authorization
    headers |= {name: "…" for name in settings.headers if is_secret_header(name)}
    lines = [f"{method} {url}", *(f"{name}: {value}" for name, value in headers.items())]
    return "\n".join([*lines, "", ""]).encode() + content + b"\n"


def _authorization(ctx: Context, settings: Settings) -> tuple[Secret | None, str]:
    """The key if reading it is harmless, else what would stand in the header."""
    try:
        source = locate_key(ctx, settings)
        if not source.has_side_effects:
            default = "Bearer (made by the sandbox)" if settings.sandbox else ""
            return source.read(settings).secret, default
    except AuthError:
        return None, "Bearer (no key found)"
    return None, f"Bearer (from {source.name})"


def _as_program(language: str, ctx: Context, settings: Settings, body: Body, stream: bool) -> bytes:
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
        ctx.warn(f"the header {name} stands in the program as it is")
    encode(body)  # a program could hold what no request can
    return snippet(language, call).encode()


def save_template(ctx: Context, options: ChatOptions, name: str) -> None:
    """Keep the options of a call as a template; files and stdin are not part of it.

    Raises:
        UsageError: there is one of that name: it may hold more than the options say.
    """
    path = template_path(templates_dir(ctx.terminal.env), name)
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
    write_template(ctx.terminal.env, path, dump(checked))
    ctx.note(f"saved {path}; use it with: ocx chat -t {name}")


def estimate(ctx: Context, settings: Settings, body: Body, min_balance: str | None) -> None:
    """Print the tokens and the worst cost, and hold that against --min-balance.

    Raises:
        BelowError: after the worst case the balance would be below the minimum.
        ConfigError: there is a minimum, and no price for one of the models.
        OcxError: the balance cannot be read.
    """
    prompt, completion = prompt_tokens(body), max_completion_tokens(body)
    models = (str(body["model"]), *settings.fallback_models)
    prices = credits.known_prices(ctx, settings, models)
    worst = worst_of(body, settings.fallback_models, prices)
    unpriced = next((each for each in models if each not in prices), None)
    if ctx.json:
        document = {
            "model": body["model"],
            "prompt_tokens": prompt,
            "max_completion_tokens": completion,
            "worst_credits": None if worst is None else float(worst),
        }
        write_json(ctx.terminal, document)
    else:
        cost = f"at most {worst:f} credits" if worst is not None else f"no price for {unpriced}"
        about = f"about {prompt} prompt tokens ({ESTIMATED})"
        ctx.terminal.print(f"{about}, at most {completion} completion tokens, {cost}")
    minimum = credits.gate(settings, "--min-balance", min_balance)
    if minimum is None:
        return
    if worst is None:
        raise ConfigError(
            f"--min-balance needs a price for {unpriced}",
            hint=f'add [prices."{unpriced}"] with prompt and completion to config.toml',
        )
    with open_client(ctx, settings) as client:
        reading = read_balance(client, settings)
    keep_balance(ctx, settings, [(time.time(), reading)])
    credits.check_minimum(reading, minimum + worst, accept_guess=False)
