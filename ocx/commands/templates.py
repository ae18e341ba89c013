"""`ocx config templates`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from ocx.commands.context import shared
from ocx.config.completion_cache import write_names
from ocx.config.paths import config_dir
from ocx.errors import ConfigError, OcxError
from ocx.escaping import escape_control
from ocx.output.json_output import write_json
from ocx.output.table import write_table
from ocx.prompt.templates import (
    Template,
    load_template,
    parse_template,
    template_names,
    template_path,
    write_template,
)
from ocx.runtime import Runtime

Name = Annotated[str, typer.Argument(help="The template's name.")]


@shared
def list_(run: Runtime) -> None:
    """List the templates and their parameters."""
    folder = _folder(run)
    templates = []
    for name in template_names(folder):
        try:
            templates.append(load_template(folder, name))
        except ConfigError as error:  # it must not hide the others
            run.warn(error.message)
    if run.json:
        write_json(run.terminal, [_document(template) for template in templates])
        return
    rows = [(t.name, t.model or "", " ".join(t.places), _line(t)) for t in templates]
    write_table(run.terminal, ("NAME", "MODEL", "PARAMETERS", "PROMPT"), rows, color=run.color)


@shared
def show(run: Runtime, name: Name) -> None:
    """Print a template's TOML."""
    template = load_template(_folder(run), name)
    if run.json:
        write_json(run.terminal, _document(template))
        return
    text = template_path(_folder(run), name).read_text("utf-8")
    run.terminal.print((escape_control(text) if run.terminal.stdout_tty else text).rstrip("\n"))


@shared
def edit(run: Runtime, name: Name) -> None:
    """Edit a template, or begin a new one.

    It is checked before it is saved.
    """
    from ocx.editor import edit_text

    path = template_path(_folder(run), name)
    try:
        old = path.read_text("utf-8")
    except FileNotFoundError:
        old = None
    except UnicodeDecodeError:
        raise ConfigError(f"cannot read the template {name}: it is not UTF-8") from None
    text = edit_text(run, _NEW if old is None else old, suffix=".toml")
    if text == (_NEW if old is None else old):
        run.note("nothing changed")
        return
    try:
        parse_template(text, name)
    except OcxError as error:
        draft = path.with_suffix(".rejected")
        write_template(run.terminal.env, draft, text.encode())
        error.hint = f"your text is kept in {draft}"
        raise
    write_template(run.terminal.env, path, text.encode())
    run.note(f"saved {path}")


@shared
def rm(
    run: Runtime,
    name: Name,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
) -> None:
    """Remove a template."""
    folder = _folder(run)
    path = template_path(folder, name)
    if not path.is_file():
        load_template(folder, name)  # says what there is instead
    run.confirm(f"Remove the template {name}?", yes)
    path.unlink(missing_ok=True)
    write_names(run.terminal.env, "templates", template_names(folder))


_NEW = """\
# $name stands for a parameter (ocx chat -t THIS -p name=…), $stdin for what is piped in.
# model = "deepseek-chat"
# system = "Answer in $language."
prompt = ""

# [defaults]
# language = "English"

# [options]
# temperature = 0.2
"""


def _folder(run: Runtime) -> Path:
    return config_dir(run.terminal.env) / "templates"


def _document(template: Template) -> dict[str, object]:
    return {
        "name": template.name,
        "model": template.model,
        "system": template.system,
        "prompt": template.prompt,
        "options": dict(template.options),
        "defaults": dict(template.defaults),
        "parameters": list(template.places),
    }


def _line(template: Template) -> str:
    text = template.prompt or template.system or ""
    return text.strip().partition("\n")[0][:60]
