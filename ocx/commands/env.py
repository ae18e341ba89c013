"""`ocx env` and `ocx exec`: the endpoint and the key for any OpenAI-compatible tool.

OpenAI's SDKs read OPENAI_BASE_URL and OPENAI_API_KEY, their versions before 1.0 and tools built
on LiteLLM (aider) OPENAI_API_BASE; an organization or project of another account is refused by
most gateways.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Mapping, Sequence
from typing import NamedTuple, NoReturn

from ocx.cli import Text, Texts, option
from ocx.commands import chosen_format
from ocx.config.paths import env_name
from ocx.config.schema import DEFAULT_PROFILE, SETTINGS
from ocx.config.settings import Settings
from ocx.context import Context
from ocx.errors import UsageError, cannot_run
from ocx.keys.lookup import KEY_VARIABLES, endpoint, find_key
from ocx.output import environment
from ocx.output.environment import append, command
from ocx.secret import Secret

_FORMATS = (*environment.FORMATS, "github")
_FORMAT = f"--format {'|'.join(_FORMATS)}"


def env(
    ctx: Context,
    format_: Text = option(_FORMAT, "How to write them; sh is the default."),
    model: Text = option("--model -m ID", "Model id or alias."),
    reveal: bool = option("--reveal", "Print the key, on a terminal and in CI too.", False),
) -> None:
    """Print endpoint and key as variables for other tools.

    Base URL, key and model under the names that OpenAI-compatible tools read, for `eval`, a
    .env file or the next steps of a GitHub job. On a terminal the key is masked, and with CI set
    nothing is printed, unless --reveal says so. `ocx exec` needs no printing at all.
    """
    form = chosen_format(ctx, format_, _FORMATS, "sh")
    if form != "github" and ctx.terminal.env.get("CI") and not reveal:
        raise UsageError(
            "with CI set the key is not printed: logs are kept",
            hint="`ocx exec -- CMD` prints nothing, --format github masks the key; or --reveal",
        )
    found = tool_environment(ctx, ctx.settings(model=model))
    if form == "github":
        _write_github(ctx, found)
        return
    hide = ctx.terminal.stdout_tty and not reveal and found.secret is not None
    variables = found.masked() if hide else found.variables
    text = environment.assignments(form, variables, found.removed)
    ctx.terminal.stdout.write(text.encode())
    if hide:
        ctx.note("the key is masked on a terminal; --reveal prints it")


def _write_github(ctx: Context, found: ToolEnvironment) -> None:
    if not ctx.terminal.env.get("GITHUB_ENV"):
        raise UsageError(
            "--format github is for a job of GitHub Actions: GITHUB_ENV is not set",
            hint="--format sh, or dotenv, works anywhere",
        )
    if found.secret is not None:  # before anything else could print it
        ctx.terminal.print(command("add-mask", found.secret.reveal()))
    # A file of variables cannot remove one, and most tools take an empty one for none.
    emptied = {name: "" for name in found.removed if ctx.terminal.env.get(name)}
    append(ctx.terminal.env, "GITHUB_ENV", environment.github_file({**found.variables, **emptied}))


def exec_(
    ctx: Context,
    words: Texts = option("-- CMD", "The program and its arguments, after `--`.", ()),
    model: Text = option("--model -m ID", "Model id or alias."),
) -> None:
    """Run a program with the endpoint and key in its environment.

    The program takes the place of ocx: its exit code, its signals and its terminal are its own.
    The key stands in its environment only, never in an argument or a file.
    """
    if words or not ctx.trailing:
        raise UsageError("the program to run goes after `--`", hint="ocx exec -- CMD [ARG]...")
    found = tool_environment(ctx, ctx.settings(model=model))
    env = {name: text for name, text in ctx.terminal.env.items() if name not in found.removed}
    replace_process(ctx.trailing, {**env, **found.variables})


def replace_process(words: Sequence[str], env: Mapping[str, str]) -> NoReturn:
    """Become the program `words[0]`, found through the PATH of `env`.

    Raises:
        NotFoundError, CannotRunError: it could not be started.
    """
    # Python ignores these, and a program inherits what is ignored; the handlers of ours it does
    # not inherit, and an ignored SIGINT it shall (nohup, a job in the background).
    for name in ("SIGPIPE", "SIGXFZ", "SIGXFSZ"):
        if number := getattr(signal, name, None):
            signal.signal(number, signal.SIG_DFL)
    try:
        os.execvpe(words[0], list(words), dict(env))  # noqa: S606 - no shell is meant
    except (OSError, ValueError) as error:
        raise cannot_run(words[0], error) from error


NO_KEY = "none"
"""Stands for a key if the endpoint wants none: the SDKs do not start without one."""


class ToolEnvironment(NamedTuple):
    """Variables to set, in order, and to remove; `secret` is the one value not to show."""

    variables: dict[str, str]
    removed: tuple[str, ...]
    secret: Secret | None

    def masked(self) -> dict[str, str]:
        """The variables with the key masked."""
        if self.secret is None:
            return self.variables
        key, shown = self.secret.reveal(), self.secret.masked()
        return {name: shown if text == key else text for name, text in self.variables.items()}


def tool_environment(ctx: Context, settings: Settings) -> ToolEnvironment:
    """What a tool needs to use this call's endpoint, after every check that a request would pass.

    Raises:
        UsageError: the sandbox is in use, which ends with this process.
        AuthError, ConfigError: there is no key, or it must not go there.
    """
    if settings.sandbox:
        raise UsageError(
            "the sandbox lives only as long as one command of ocx, and other tools cannot reach it",
            hint="`ocx serve -- CMD` runs a tool against the same server",
        )
    key = find_key(ctx, settings).secret
    url = endpoint(settings, key).base_url
    variables = {
        "OPENAI_BASE_URL": url,
        "OPENAI_API_BASE": url,
        "OPENAI_API_KEY": key.reveal() if key else NO_KEY,
        env_name("base_url"): url,
    }
    removed = ["OPENAI_ORG_ID", "OPENAI_PROJECT_ID", env_name("sandbox")]
    own, file, provider = KEY_VARIABLES
    if key:
        variables |= dict.fromkeys((own, provider), key.reveal())
    else:
        removed += [own, provider, file]
    if settings.sources["model"].layer != "default":
        variables |= {"OPENAI_MODEL": settings.model, env_name("model"): settings.model}
    # An `ocx` below sees what this one does: its profile, and the flags of this call.
    if settings.profile != DEFAULT_PROFILE:
        variables[env_name("profile")] = settings.profile
    for setting in SETTINGS:
        if setting.variable and setting.name != "base_url" and settings.from_flag(setting.name):
            variables[setting.variable] = str(getattr(settings, setting.name))
    return ToolEnvironment(variables, tuple(removed), key)
