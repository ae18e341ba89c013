"""`ocx config templates show`."""

from __future__ import annotations

from ocx.chat.templates import load_template, template_path
from ocx.commands.options import TemplateName
from ocx.config.paths import templates_dir
from ocx.escaping import escape_control
from ocx.output.json_output import write_json
from ocx.runtime import Runtime


def show(run: Runtime, name: TemplateName) -> None:
    """Print a template's TOML."""
    template = load_template(templates_dir(run.terminal.env), name)
    if run.json:
        write_json(run.terminal, template.as_json())
        return
    text = template_path(templates_dir(run.terminal.env), name).read_text("utf-8-sig")
    run.terminal.print((escape_control(text) if run.terminal.stdout_tty else text).rstrip("\n"))
