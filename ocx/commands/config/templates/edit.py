"""`ocx config templates edit`."""

from __future__ import annotations

from ocx.chat.templates import parse_template, template_path, write_template
from ocx.commands.options import TemplateName
from ocx.config.paths import templates_dir
from ocx.editor import edit_text
from ocx.errors import ConfigError, OcxError
from ocx.runtime import Runtime


def edit(run: Runtime, name: TemplateName) -> None:
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
