"""`-t/--template`: prompts kept as TOML files, with parameters.

    model = "gpt-4o"
    system = "You translate into $language."
    prompt = "Translate:\\n\\n$stdin"
    [defaults]
    language = "Malay"
    [options]
    temperature = 0.2

`$name` and `${any name}` stand for a parameter (`ocx.chat.placeholders`), `$stdin` for what is
piped in. Values are put in as they are, never expanded again.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from ocx.chat.placeholders import RESERVED, fill, is_parameter, place_names
from ocx.config.paths import write_names
from ocx.config.values import NAME_RULE, composed, is_name
from ocx.decoding import decode
from ocx.errors import ConfigError, OcxError, UsageError, os_errors_as
from ocx.files import atomic_write, make_folder
from ocx.secret import word_of_argv
from ocx.text import did_you_mean
from ocx.toml import TomlFile, read_bytes
from ocx.toml import dump as dump_toml

STDIN_NAME = "stdin"
_TEXTS = ("system", "prompt", "model")
_TABLES = ("options", "defaults")


@dataclass(frozen=True)
class Template:
    """A template as its file has it.

    Attributes:
        options: fields of the API, as JSON values.
        defaults: values of parameters that a call need not give.
    """

    name: str
    system: str | None = None
    prompt: str | None = None
    model: str | None = None
    options: Mapping[str, Any] = field(default_factory=dict)
    defaults: Mapping[str, str] = field(default_factory=dict)

    def places_of(self, known: Iterable[str] = ()) -> tuple[str, ...]:
        """The names of all parameters in the order of their first use, `stdin` too.

        Args:
            known: names that have values, besides those with a default.
        """
        names = {*known, *self.defaults}
        texts = (self.system or "", self.prompt or "")
        found = (name for text in texts for name in place_names(text, names))
        return tuple(dict.fromkeys(found))

    def as_json(self) -> dict[str, Any]:
        """The template as `ocx config templates --json` prints it."""
        names = ("name", "model", "system", "prompt", "options", "defaults")
        fields = {name: getattr(self, name) for name in names}
        return {**fields, "parameters": list(self.places_of())}


def parse_template(text: str, name: str) -> Template:
    """The template that `text` describes.

    Raises:
        ConfigError: the TOML or a key in it is wrong, at this line.
    """
    file = TomlFile(f"template {name}", text, hint=f"ocx config templates edit {name}")
    for key, value in file.known((), (*_TEXTS, *_TABLES)).items():
        if key in _TEXTS and not isinstance(value, str):
            file.fail((key,), "must be a text")
    options = file.table(("options",))
    for key, value in options.items():
        if key in RESERVED:
            file.fail(("options", key), "no option can set it")
        try:
            json.dumps(value, allow_nan=False)
        except (TypeError, ValueError):
            file.fail(("options", key), "is not a JSON value")
    texts = {key: file.data.get(key) for key in _TEXTS}
    return Template(name, **texts, options=options, defaults=_defaults(file))


def _defaults(file: TomlFile) -> dict[str, str]:
    defaults: dict[str, str] = {}
    for key, value in file.table(("defaults",)).items():
        if not is_parameter(key) or key == STDIN_NAME:
            what = "a name holds no {}, = or line end, and is not stdin"
            file.fail(("defaults", key), f"cannot be a parameter: {what}")
        if not isinstance(value, str | int | float):
            file.fail(("defaults", key), "must be a text")
        defaults[composed(key)] = value if isinstance(value, str) else json.dumps(value)
    return defaults


def render(template: Template, params: Mapping[str, str], stdin: str | None) -> Template:
    """The template with every place filled, from `params`, then the defaults.

    Args:
        stdin: the text piped in, or None.

    Raises:
        UsageError: lists every missing parameter, or names one that has no place.
    """
    places = template.places_of(params)
    known = [name for name in places if name != STDIN_NAME]
    for name in params:
        if name == STDIN_NAME:
            raise UsageError("-p cannot set stdin", hint="pipe the text in")
        if name not in known:
            raise UsageError(
                f"template {template.name} has no parameter {name}{did_you_mean(name, known)}",
                hint=f"it has {', '.join(known)}" if known else "it takes none",
            )
    values = {**template.defaults, **params}
    if stdin is not None:
        values[STDIN_NAME] = stdin
    if missing := [name for name in places if name not in values]:
        quoted = [name if name.isidentifier() else f"'{name}'" for name in missing]
        options = " ".join(f"-p {name}=…" for name in quoted if name != STDIN_NAME)
        piped = "pipe something in for $stdin" if STDIN_NAME in missing else ""
        word = "parameter" if len(missing) == 1 else "parameters"
        raise UsageError(
            f"missing {word} for template {template.name}: {', '.join(missing)}",
            hint=" and ".join(filter(None, (options and f"add {options}", piped))),
        )
    system, prompt = (
        None if text is None else fill(text, values) for text in (template.system, template.prompt)
    )
    return replace(template, system=system, prompt=prompt)


def dump(template: Template) -> bytes:
    """The TOML of `template`, as `--save-template` writes it."""
    texts = {key: getattr(template, key) for key in _TEXTS if getattr(template, key) is not None}
    tables = {key: dict(getattr(template, key)) for key in _TABLES if getattr(template, key)}
    return dump_toml({**texts, **tables}, multiline=True)


def template_path(folder: Path, name: str) -> Path:
    """Where the template is stored.

    Raises:
        UsageError: a template's file cannot have the name.
    """
    name = composed(name)
    if not is_name(name):
        raise UsageError(f"{name!r} cannot be the name of a template", hint=NAME_RULE)
    return folder / f"{name}.toml"


def template_names(folder: Path) -> list[str]:
    """The names of the stored templates, sorted; none if there is no folder."""
    try:
        return sorted(path.stem for path in folder.glob("*.toml") if is_name(path.stem))
    except OSError:
        return []


def load_template(folder: Path, name: str) -> Template:
    """The stored template of that name.

    Raises:
        UsageError: there is none.
        ConfigError: it is broken.
    """
    path = template_path(folder, name)
    data = read_bytes(path)
    if data is None:
        near = did_you_mean(name, template_names(folder))
        raise UsageError(
            f"there is no template {word_of_argv(name)}{near}",
            hint="`ocx config templates list` shows them; --save-template NAME makes one",
        )
    try:
        return parse_template(decode(data, f"template {name}"), name)
    except UsageError as error:
        raise ConfigError(error.message, hint=error.hint) from None


def write_template(env: Mapping[str, str], path: Path, data: bytes) -> None:
    """Store a template's file, and its name for completion. Raises OcxError."""
    with os_errors_as(OcxError, f"cannot write {path}"):
        make_folder(path.parent.parent)
        make_folder(path.parent)
        atomic_write(path, data, 0o600)
    write_names(env, "templates", template_names(path.parent))
