"""`-t/--template`: prompts kept as TOML files, with parameters.

    model = "gpt-4o"
    system = "You translate into $language."
    prompt = "Translate:\\n\\n$stdin"
    [defaults]
    language = "Malay"
    [options]
    temperature = 0.2

`$name` and `${any name}` stand for a parameter (`ocx.chat.parameters`), `$stdin` for what is piped
in. Values are put in as they are, never expanded again.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from ocx.chat.parameters import RESERVED, fill, is_parameter, place_names
from ocx.config.completion_cache import write_names
from ocx.config.values import NAME_RULE, composed, is_name
from ocx.decoding import decode
from ocx.errors import ConfigError, OcxError, UsageError
from ocx.files import atomic_write, make_folder
from ocx.text import did_you_mean
from ocx.toml import TomlFile
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

    @property
    def places(self) -> tuple[str, ...]:
        """The names of all parameters in the order of their first use, `stdin` too."""
        return self.places_of(())

    def places_of(self, known: Iterable[str]) -> tuple[str, ...]:
        """The same where `known` names have values."""
        names = {*known, *self.defaults}
        texts = (self.system or "", self.prompt or "")
        found = (name for text in texts for name in place_names(text, names))
        return tuple(dict.fromkeys(found))

    def as_json(self) -> dict[str, Any]:
        """The template as `ocx config templates --json` prints it."""
        return {
            "name": self.name,
            "model": self.model,
            "system": self.system,
            "prompt": self.prompt,
            "options": dict(self.options),
            "defaults": dict(self.defaults),
            "parameters": list(self.places),
        }

    @property
    def takes_stdin(self) -> bool:
        return STDIN_NAME in self.places


def parse_template(text: str, name: str) -> Template:
    """The template that `text` describes.

    Raises:
        ConfigError: the TOML or a key in it is wrong, at this line and column.
    """
    file = TomlFile(f"template {name}", text, hint=_edit(name))
    document = file.data
    for key in document:
        if key not in (*_TEXTS, *_TABLES):
            raise _unknown(file, name, key)
    for key, value in document.items():
        kind, wanted = (str, "a text") if key in _TEXTS else (dict, "a table")
        if not isinstance(value, kind):
            raise ConfigError(
                f"template {name}: {key} must be {wanted} {file.where((key,))}", hint=_edit(name)
            )
    return Template(
        name,
        document.get("system"),
        document.get("prompt"),
        document.get("model"),
        _options(document.get("options", {}), file, name),
        _defaults(document.get("defaults", {}), file, name),
    )


def render(template: Template, params: Mapping[str, str], stdin: str | None) -> Template:
    """The template with every place filled, from `params`, then the defaults.

    Args:
        stdin: the text piped in, or None.

    Raises:
        UsageError: lists every missing parameter, or names one that has no place.
    """
    places = template.places_of(params)
    _check_known(template, params, places)
    values = {**template.defaults, **params}
    if stdin is not None:
        values[STDIN_NAME] = stdin
    missing = [name for name in places if name not in values]
    if missing:
        raise _missing(template, missing)
    system, prompt = (
        None if text is None else fill(text, values) for text in (template.system, template.prompt)
    )
    return replace(template, system=system, prompt=prompt)


def dump(template: Template) -> bytes:
    """The TOML of `template`, as `--save-template` writes it."""
    document: dict[str, Any] = {
        key: getattr(template, key) for key in _TEXTS if getattr(template, key) is not None
    }
    for key in _TABLES:
        table = getattr(template, key)
        if table:
            document[key] = dict(table)
    return dump_toml(document, multiline=True)


def check_name(name: str) -> str:
    """`name` as it is stored.

    Raises:
        UsageError: a template's file cannot have it.
    """
    name = composed(name)
    if not is_name(name):
        raise UsageError(f"{name!r} cannot be the name of a template", hint=NAME_RULE)
    return name


def template_path(folder: Path, name: str) -> Path:
    """Where the template is stored; raises as `check_name`."""
    return folder / f"{check_name(name)}.toml"


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
    try:
        return parse_template(decode(path.read_bytes(), f"template {name}"), name)
    except FileNotFoundError:
        raise _no_template(name, template_names(folder)) from None
    except OSError as error:
        raise ConfigError(f"cannot read the template {name}: {error.strerror}") from None
    except UsageError as error:
        raise ConfigError(error.message, hint=error.hint) from None


def write_template(env: Mapping[str, str], path: Path, data: bytes) -> None:
    """Store a template's file, and its name for completion. Raises OcxError."""
    try:
        make_folder(path.parent.parent)
        make_folder(path.parent)
        atomic_write(path, data, 0o600)
    except OSError as error:
        raise OcxError(f"cannot write {path}: {error.strerror or error}") from error
    write_names(env, "templates", template_names(path.parent))


def _check_known(template: Template, params: Mapping[str, str], places: Sequence[str]) -> None:
    known = [name for name in places if name != STDIN_NAME]
    for name in params:
        if name == STDIN_NAME:
            raise UsageError("-p cannot set stdin", hint="pipe the text in")
        if name not in known:
            raise UsageError(
                f"template {template.name} has no parameter {name}{did_you_mean(name, known)}",
                hint=f"it has {', '.join(known)}" if known else "it takes none",
            )


def _missing(template: Template, missing: Sequence[str]) -> UsageError:
    options = " ".join(f"-p {_quoted(name)}=…" for name in missing if name != STDIN_NAME)
    piped = "pipe something in for $stdin" if STDIN_NAME in missing else ""
    hint = " and ".join(part for part in (options and f"add {options}", piped) if part)
    word = "parameter" if len(missing) == 1 else "parameters"
    message = f"missing {word} for template {template.name}: {', '.join(missing)}"
    return UsageError(message, hint=hint)


def _quoted(name: str) -> str:
    return name if name.isidentifier() else f"'{name}'"


def _options(table: Mapping[str, Any], file: TomlFile, name: str) -> dict[str, Any]:
    for key, value in table.items():
        if key in RESERVED:
            where = file.where(("options", key))
            raise ConfigError(f"template {name}: options cannot set {key} {where}")
        try:
            json.dumps(value, allow_nan=False)
        except (TypeError, ValueError):
            where = file.where(("options", key))
            raise ConfigError(
                f"template {name}: option {key} is not a JSON value {where}"
            ) from None
    return dict(table)


def _defaults(table: Mapping[str, Any], file: TomlFile, name: str) -> dict[str, str]:
    defaults: dict[str, str] = {}
    for key, value in table.items():
        where = file.where(("defaults", key))
        if not is_parameter(key) or key == STDIN_NAME:
            raise ConfigError(
                f"template {name}: {key} cannot be a parameter {where}",
                hint="a name holds no {}, = or line end, and is not stdin",
            )
        if not isinstance(value, str | int | float):
            raise ConfigError(f"template {name}: the default of {key} must be a text {where}")
        defaults[composed(key)] = value if isinstance(value, str) else json.dumps(value)
    return defaults


def _unknown(file: TomlFile, name: str, key: str) -> ConfigError:
    known = (*_TEXTS, *_TABLES)
    return ConfigError(
        f"template {name}: unknown key {key}{did_you_mean(key, known)} {file.where((key,))}",
        hint=f"known keys are {', '.join(known)}",
    )


def _no_template(name: str, names: Sequence[str]) -> UsageError:
    return UsageError(
        f"there is no template {name}{did_you_mean(name, names)}",
        hint="`ocx config templates list` shows them; --save-template NAME makes one",
    )


def _edit(name: str) -> str:
    return f"ocx config templates edit {name}"
