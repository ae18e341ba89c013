"""`serve.toml`: limits, models with their prices and routes, upstreams; checked to the last key.

```toml
port = 8790
grant = 500                     # credits of a new account
[upstreams.ollama]
base_url = "http://localhost:11434/v1"
api_key_env = "OLLAMA_KEY"      # the name of an environment variable, never a key
[models."llama3"]
route = "forward:ollama"        # echo, lorem:20, fault/…, script:FILE, tape:FILE, forward:NAME
upstream_model = "llama3.2:1b"
prompt_price = 5                # credits per million tokens
completion_price = 18
cached_prompt_price = 0.5       # of prompt tokens that the upstream had in its cache
```
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path

from ocx.api.urls import check_base_url, is_loopback, origin
from ocx.errors import ConfigError
from ocx.secret import Secret
from ocx.serve import faults, script
from ocx.serve.app import CONCURRENCY, REQUEST_TIMEOUT, RPM, SEND_TIMEOUT
from ocx.serve.builtin import Echo, Target, parse_lorem
from ocx.serve.charge import MICRO, Price
from ocx.serve.forward import Forward, Upstream
from ocx.serve.routing import BUILT_IN, ECHO, Catalogue, Model
from ocx.serve.tape_player import TapeTarget
from ocx.toml import Keys, TomlFile

PORT = 8790
GRANT = 500.0
MOST_PRICE = 1_000_000
_TOP = (
    *("port", "database", "grant", "rpm", "concurrency", "send_timeout", "request_timeout"),
    "catalogue",
)
_MODEL = (
    *("route", "upstream_model", "owner"),
    *("prompt_price", "completion_price", "cached_prompt_price"),
)
_UPSTREAM = (
    *("base_url", "api_key_env", "timeout", "connect_timeout", "idle_timeout"),
    "allow_fields",
)
_TAPES = 'cassettes are tapes now: `ocx serve --record FILE -- CMD`, then route = "tape:FILE"'
_ENV_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


@dataclass(frozen=True)
class ServeSettings:
    """The settings in `serve.toml`, and the defaults for those that it lacks."""

    port: int = PORT
    database: Path | None = None
    grant: int = int(GRANT) * MICRO
    rpm: int = RPM
    concurrency: int = CONCURRENCY
    send_timeout: float = SEND_TIMEOUT
    request_timeout: float = REQUEST_TIMEOUT
    catalogue: Catalogue = field(default_factory=Catalogue)
    targets: Mapping[str, Target] = field(default_factory=dict)
    key_names: frozenset[str] = frozenset()
    """Variables of the environment that hold keys of upstreams."""

    @property
    def spends(self) -> bool:
        """A route forwards with a key of the user."""
        return bool(self.key_names)


def load(path: Path, env: Mapping[str, str]) -> ServeSettings:
    """Read the settings in `path`; files named in it are relative to its folder.

    Args:
        env: holds the keys of upstreams.

    Raises:
        ConfigError: unreadable or wrong; the message names the line.
    """
    return _Reader(TomlFile.read(path), env).settings()


class _Reader:
    def __init__(self, file: TomlFile, env: Mapping[str, str]) -> None:
        self._file = file
        self._env = env
        self._key_names: set[str] = set()

    def settings(self) -> ServeSettings:
        file = self._file
        file.known((), [*_TOP, "models", "upstreams"])
        upstreams = {name: self._upstream(name) for name in file.table(("upstreams",))}
        models: dict[str, Model] = {}
        if file.flag(("catalogue",), True):
            models = {model.id: model for model in BUILT_IN}
        targets: dict[str, Target] = {}
        for name in file.table(("models",)):
            models[name] = self._model(name)
            targets[name] = self._target(models[name], upstreams)
        database = file.text(("database",))
        return ServeSettings(
            file.whole(("port",), PORT, 0, 65535),
            file.folder / database if database else None,
            round(file.number(("grant",), GRANT, 0, 1_000_000_000) * MICRO),
            file.whole(("rpm",), RPM, 1, 10_000_000),
            file.whole(("concurrency",), CONCURRENCY, 1, 1_000_000),
            file.number(("send_timeout",), SEND_TIMEOUT, 0.01, 3600),
            file.number(("request_timeout",), REQUEST_TIMEOUT, 0.01, 3600),
            Catalogue(models.values()),
            targets,
            frozenset(self._key_names),
        )

    def _upstream(self, name: str) -> Upstream:
        file, keys = self._file, ("upstreams", name)
        file.known(keys, _UPSTREAM)
        url = file.text((*keys, "base_url"))
        if url is None:
            file.fail(keys, "base_url is required")
        key = self._key((*keys, "api_key_env"))
        direct = self._check_url((*keys, "base_url"), url, key)
        return Upstream(
            name,
            url,
            key,
            file.number((*keys, "timeout"), 600, 0.01, 86400),
            file.number((*keys, "connect_timeout"), 10, 0.01, 600),
            file.number((*keys, "idle_timeout"), 120, 0.01, 86400),
            direct,
            frozenset(file.texts((*keys, "allow_fields"))),
        )

    def _key(self, keys: Keys) -> Secret | None:
        name = self._file.text(keys)
        if name is None:
            return None
        if not _ENV_NAME.fullmatch(name):
            # Perhaps it is the key itself: it is not repeated.
            self._file.fail(keys, "takes the name of an environment variable, never a key")
        text = self._env.get(name, "").strip()
        if not text:
            self._file.fail(keys, f"the environment has no {name}")
        key = Secret(text)
        if not key.is_valid():
            self._file.fail(keys, f"{name} holds what no key can be")
        self._key_names.add(name)
        return key

    def _check_url(self, keys: Keys, url: str, key: Secret | None) -> bool:
        """Whether the upstream is on this machine. With a key, plain http is only for loopback."""
        try:
            check_base_url(url, allow_http=key is None)
            return is_loopback(origin(url)[1])
        except ConfigError as error:
            self._file.fail(keys, error.message)

    def _model(self, name: str) -> Model:
        file, keys = self._file, ("models", name)
        if "record_from" in file.table(keys):
            file.fail((*keys, "record_from"), _TAPES)
        file.known(keys, _MODEL)
        if name.startswith(("lorem:", faults.PREFIX, "script:", "tape:", "forward:")):
            file.fail(keys, "a model cannot be called like a target")
        like = next((model for model in BUILT_IN if model.id == name), BUILT_IN[0])
        has_cached = "cached_prompt_price" in file.table(keys)
        prompt = self._price((*keys, "prompt_price"), like.price.prompt)
        return Model(
            name,
            file.text((*keys, "owner")) or (like.owner if like.id == name else "ocx"),
            Price(
                prompt,
                self._price((*keys, "completion_price"), like.price.completion),
                # No more than the others: the hold of a request does not know what is cached.
                self._price((*keys, "cached_prompt_price"), prompt, float(prompt))
                if has_cached
                else None,
            ),
            file.text((*keys, "route")) or ECHO,
            like.reasons and like.id == name,
        )

    def _price(self, keys: Keys, default: Decimal, most: float = MOST_PRICE) -> Decimal:
        # str: the decimal that was written, not the double that is nearest to it.
        return Decimal(str(self._file.number(keys, float(default), 0, most)))

    def _target(self, model: Model, upstreams: Mapping[str, Upstream]) -> Target:
        keys = ("models", model.id, "route")
        kind, _, rest = model.target.partition(":")
        try:
            if kind == "forward":
                return self._forward(keys, rest, upstreams)
            if kind == "script":
                return script.load(self._file.folder / rest)
            if kind == "tape":
                return TapeTarget(self._file.folder / rest)
            if kind == "cassette":
                self._file.fail(keys, _TAPES)
            if kind == "lorem":
                return parse_lorem(model.target)
            if model.target.startswith(faults.PREFIX):
                faults.parse(model.target)
                return Echo(model.reasons)
        except ValueError as error:
            self._file.fail(keys, str(error))
        if model.target != ECHO:
            self._file.fail(
                keys, "must be echo, lorem:N, fault/…, script:FILE, tape:FILE or forward:NAME"
            )
        return Echo(model.reasons)

    def _forward(self, keys: Keys, name: str, upstreams: Mapping[str, Upstream]) -> Forward:
        if name not in upstreams:
            self._file.fail(keys, f"there is no [upstreams.{name}]")
        model = self._file.text((*keys[:-1], "upstream_model"))
        return Forward(upstreams[name], model)
