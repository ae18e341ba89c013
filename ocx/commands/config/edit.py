"""`ocx config edit`."""

from __future__ import annotations

from ocx.config.paths import config_file
from ocx.config.saving import edit_config, editor
from ocx.errors import ConfigError, UsageError
from ocx.escaping import one_line
from ocx.runtime import Runtime


def edit(run: Runtime) -> None:
    """Edit the config file in $VISUAL or $EDITOR.

    The text is checked before it replaces the old one, and kept where it is refused.
    """
    command = editor(run.terminal.env, terminal=run.terminal.can_ask())
    warnings = edit_config(run.terminal.env, command, lambda error: _edit_again(run, error))
    if warnings is None:
        run.note("nothing changed")
        return
    for warning in warnings:
        run.warn(warning)
    run.note(f"saved {config_file(run.terminal.env)}")


def _edit_again(run: Runtime, error: ConfigError) -> bool:
    if not run.terminal.can_ask():
        return False
    run.terminal.message(f"ocx: error: {one_line(error.message)}")
    try:
        run.confirm("Edit it again?", yes=False)
    except UsageError:
        return False
    return True
