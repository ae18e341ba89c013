"""`ocx config templates`."""

from __future__ import annotations

from typing import Annotated

from ocx.chat.templates import (
    Template,
    load_template,
    parse_template,
    template_names,
    template_path,
    write_template,
)
from ocx.cli import Option
from ocx.commands import Yes, print_json, print_result
from ocx.config.completion_cache import write_names
from ocx.config.paths import templates_dir
from ocx.errors import ConfigError, OcxError
from ocx.output.table import Column
from ocx.process import edit_text, editor
from ocx.runtime import Runtime
from ocx.text import escape_control

_Name = Annotated[str, Option("NAME", "The template's name.")]


def list_(run: Runtime) -> None:
    """List the templates and their parameters."""
    folder = templates_dir(run.terminal.env)
    templates = []
    for name in template_names(folder):
        try:
            templates.append(load_template(folder, name))
        except ConfigError as error:  # it must not hide the others
            run.warn(error.message)
    if not templates and not run.json:
        run.note("there are no templates yet; `ocx config templates edit NAME` makes one")
        return
    rows = ((t.name, t.model or "", " ".join(t.places), _line(t)) for t in templates)
    columns = (Column("NAME", "accent"), "MODEL", "PARAMETERS", Column("PROMPT", "dim", cut=True))
    print_result(run, [template.as_json() for template in templates], columns, rows)


def _line(template: Template) -> str:
    text = template.prompt or template.system or ""
    return text.strip().partition("\n")[0][:60]


def show(run: Runtime, name: _Name) -> None:
    """Print a template's TOML."""
    template = load_template(templates_dir(run.terminal.env), name)
    if run.json:
        print_json(run, template.as_json())
        return
    text = template_path(templates_dir(run.terminal.env), name).read_text("utf-8-sig")
    run.terminal.print((escape_control(text) if run.terminal.stdout_tty else text).rstrip("\n"))


def edit(run: Runtime, name: _Name) -> None:
    """Edit a template, or begin a new one.

    It is checked before it is saved.
    """
    path = template_path(templates_dir(run.terminal.env), name)
    try:
        old = path.read_text("utf-8-sig")
    except FileNotFoundError:
        old = None
    except UnicodeDecodeError:
        raise ConfigError(f"cannot read the template {name}: it is not UTF-8") from None
    command = editor(run.terminal.env, terminal=run.terminal.can_ask())
    text = edit_text(command, _NEW if old is None else old, suffix=".toml")
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


def rm(
    run: Runtime,
    name: _Name,
    yes: Yes = False,
) -> None:
    """Remove a template."""
    folder = templates_dir(run.terminal.env)
    path = template_path(folder, name)
    if not path.is_file():
        load_template(folder, name)  # says what there is instead
    run.confirm(f"Remove the template {name}?", yes)
    path.unlink(missing_ok=True)
    write_names(run.terminal.env, "templates", template_names(folder))
