"""`ocx config templates list`."""

from __future__ import annotations

from ocx.chat.templates import Template, load_template, template_names
from ocx.config.paths import templates_dir
from ocx.errors import ConfigError
from ocx.output.json_output import write_json
from ocx.output.table import Column, write_table
from ocx.runtime import Runtime


def list_(run: Runtime) -> None:
    """List the templates and their parameters."""
    folder = templates_dir(run.terminal.env)
    templates = []
    for name in template_names(folder):
        try:
            templates.append(load_template(folder, name))
        except ConfigError as error:  # it must not hide the others
            run.warn(error.message)
    if run.json:
        write_json(run.terminal, [template.as_json() for template in templates])
        return
    if not templates:
        run.note("there are no templates yet; `ocx config templates edit NAME` makes one")
        return
    rows = [(t.name, t.model or "", " ".join(t.places), _line(t)) for t in templates]
    columns = (Column("NAME", "accent"), "MODEL", "PARAMETERS", Column("PROMPT", "dim", cut=True))
    write_table(run.terminal, columns, rows, color=run.color)


def _line(template: Template) -> str:
    text = template.prompt or template.system or ""
    return text.strip().partition("\n")[0][:60]
