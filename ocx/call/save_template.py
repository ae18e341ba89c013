"""`--save-template`: keep the flags of a call as a template."""

from __future__ import annotations

from pathlib import Path

from ocx.call.request import Asked
from ocx.config.completion_cache import write_names
from ocx.config.paths import Env, templates_dir
from ocx.errors import OcxError, UsageError
from ocx.files import atomic_write, make_folder
from ocx.prompt.options import parse_options
from ocx.prompt.templates import (
    Template,
    dump,
    parse_params,
    parse_template,
    template_names,
    template_path,
)
from ocx.runtime import Runtime


def save(run: Runtime, asked: Asked, name: str) -> None:
    """Keep the flags of a call as a template; files and stdin are not part of it.

    Raises: UsageError where there is one of that name: it may hold more than the flags say.
    """
    path = template_path(templates_dir(run.terminal.env), name)
    if path.exists():
        raise UsageError(
            f"there is a template {name} already",
            hint=f"ocx config templates edit {name}, or rm {name} first",
        )
    flags = {k: v for k, v in asked.setting_flags().items() if v is not None}
    template = Template(
        name,
        asked.system,
        " ".join(asked.words) or None,
        asked.model,
        {**flags, **parse_options(asked.options, flags)},
        parse_params(asked.params),
    )
    write_template(run.terminal.env, path, dump(parse_template(dump(template).decode(), name)))
    run.note(f"saved {path}; use it with: ocx chat -t {name}")


def write_template(env: Env, path: Path, data: bytes) -> None:
    """Write a template, and the names that completion offers.

    Raises:
        OcxError: it cannot be written.
    """
    try:
        make_folder(path.parent.parent)
        make_folder(path.parent)
        atomic_write(path, data, 0o600)
    except OSError as error:
        raise OcxError(f"cannot write {path}: {error.strerror or error}") from error
    write_names(env, "templates", template_names(path.parent))
