"""`ocx config templates rm`."""

from __future__ import annotations

from ocx.chat.templates import load_template, template_names, template_path
from ocx.commands.options import TemplateName, Yes
from ocx.config.completion_cache import write_names
from ocx.config.paths import templates_dir
from ocx.runtime import Runtime


def rm(
    run: Runtime,
    name: TemplateName,
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
