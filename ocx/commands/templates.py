"""`ocx config templates`: list, show, edit and remove the templates of `ocx chat -t`."""

from __future__ import annotations

from typing import Annotated

from ocx.chat.templates import (
    load_template,
    parse_template,
    template_names,
    template_path,
    write_template,
)
from ocx.cli import Option
from ocx.commands import Yes, print_json, print_result
from ocx.config.paths import templates_dir, write_names
from ocx.context import Context
from ocx.errors import ConfigError, OcxError
from ocx.output.columns import Column
from ocx.process import edit_text, editor
from ocx.text import escape_control

_Name = Annotated[str, Option("NAME", "The template's name.")]


def list_(ctx: Context) -> None:
    """List the templates and their parameters."""
    folder = templates_dir(ctx.terminal.env)
    templates = []
    for name in template_names(folder):
        try:
            templates.append(load_template(folder, name))
        except ConfigError as error:  # it must not hide the others
            ctx.warn(error.message)
    if not templates and not ctx.json:
        ctx.note("there are no templates yet; `ocx config templates edit NAME` makes one")
        return
    rows = []
    for each in templates:
        first_line = (each.prompt or each.system or "").strip().partition("\n")[0]
        rows.append((each.name, each.model or "", " ".join(each.places_of()), first_line[:60]))
    columns = (Column("NAME", "accent"), "MODEL", "PARAMETERS", Column("PROMPT", "dim", cut=True))
    print_result(ctx, [template.as_json() for template in templates], columns, rows)


def show(ctx: Context, name: _Name) -> None:
    """Print a template's TOML."""
    template = load_template(templates_dir(ctx.terminal.env), name)
    if ctx.json:
        print_json(ctx, template.as_json())
        return
    text = template_path(templates_dir(ctx.terminal.env), name).read_text("utf-8-sig")
    ctx.terminal.print((escape_control(text) if ctx.terminal.stdout_tty else text).rstrip("\n"))


def edit(ctx: Context, name: _Name) -> None:
    """Edit a template, or begin a new one.

    It is checked before it is saved.
    """
    path = template_path(templates_dir(ctx.terminal.env), name)
    try:
        old = path.read_text("utf-8-sig")
    except FileNotFoundError:
        old = _NEW
    except UnicodeDecodeError:
        raise ConfigError(f"cannot read the template {name}: it is not UTF-8") from None
    command = editor(ctx.terminal.env, terminal=ctx.terminal.can_ask())
    text = edit_text(command, old, suffix=".toml")
    if text == old:
        ctx.note("nothing changed")
        return
    try:
        parse_template(text, name)
    except OcxError as error:
        draft = path.with_suffix(".rejected")
        write_template(ctx.terminal.env, draft, text.encode())
        error.hint = f"your text is kept in {draft}"
        raise
    write_template(ctx.terminal.env, path, text.encode())
    ctx.note(f"saved {path}")


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


def rm(ctx: Context, name: _Name, yes: Yes = False) -> None:
    """Remove a template."""
    folder = templates_dir(ctx.terminal.env)
    path = template_path(folder, name)
    if not path.is_file():
        load_template(folder, name)  # says what there is instead
    ctx.confirm(f"Remove the template {name}?", yes)
    path.unlink(missing_ok=True)
    write_names(ctx.terminal.env, "templates", template_names(folder))
