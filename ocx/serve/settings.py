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

from ocx.api.prices import Price
from ocx.api.types import Endpoint
from ocx.api.urls import check_base_url, is_loopback, origin
from ocx.errors import ConfigError
from ocx.secret import Secret
from ocx.serve import routing
from ocx.serve.answer import AnswerSource
from ocx.serve.app import ServeSettings
from ocx.serve.charge import MICRO
from ocx.serve.forward import Forward
from ocx.serve.routing import BUILT_IN, DIRECT, ECHO, REASONER, Model, Router, built_in
from ocx.serve.tape_player import TapePlayer
from ocx.toml import Keys, TomlFile

MOST_PRICE = 1_000_000
_TOP = "port database grant rpm concurrency send_timeout request_timeout catalogue models upstreams"
_MODEL = "route upstream_model owner prompt_price completion_price cached_prompt_price"
_UPSTREAM = "base_url api_key_env timeout connect_timeout idle_timeout allow_fields"
_ENV_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


def load(path: Path, env: Mapping[str, str]) -> ServeSettings:
    """Read the settings in `path`; files named in it are relative to its folder.

    Args:
        env: holds the keys of upstreams.

    Raises:
        ConfigError: unreadable or wrong; the message names the line.
    """
    return _Reader(TomlFile.read(path), env).settings()


@dataclass
class _Reader:
    _file: TomlFile
    _env: Mapping[str, str]
    _key_names: set[str] = field(default_factory=set)
    _upstreams: dict[str, tuple[Endpoint, frozenset[str]]] = field(default_factory=dict)

    def settings(self) -> ServeSettings:
        file, default = self._file, ServeSettings
        file.known((), _TOP.split())
        self._upstreams = {name: self._upstream(name) for name in file.table(("upstreams",))}
        has_catalogue = file.flag(("catalogue",), True)
        models = {model.id: model for model in BUILT_IN} if has_catalogue else {}
        for name in file.table(("models",)):
            models[name] = self._model(name)
        database = file.text(("database",))
        return ServeSettings(
            file.whole(("port",), default.port, 0, 65535),
            file.folder / database if database else None,
            round(file.number(("grant",), default.grant / MICRO, 0, 1_000_000_000) * MICRO),
            file.whole(("rpm",), default.rpm, 1, 10_000_000),
            file.whole(("concurrency",), default.concurrency, 1, 1_000_000),
            file.number(("send_timeout",), default.send_timeout, 0.01, 3600),
            file.number(("request_timeout",), default.request_timeout, 0.01, 3600),
            Router(models.values()),
            frozenset(self._key_names),
        )

    def _upstream(self, name: str) -> tuple[Endpoint, frozenset[str]]:
        """Where it is, and the fields that may be passed on."""
        file, keys = self._file, ("upstreams", name)
        file.known(keys, _UPSTREAM.split())
        url = file.text((*keys, "base_url"))
        if url is None:
            file.fail(keys, "base_url is required")
        key = self._key((*keys, "api_key_env"))
        try:
            # With a key, plain http is only for loopback.
            check_base_url(url, allow_http=key is None)
            is_local = is_loopback(origin(url)[1])
        except ConfigError as error:
            file.fail((*keys, "base_url"), error.message)
        endpoint = Endpoint(
            url,
            key,
            timeout=file.number((*keys, "timeout"), 600, 0.01, 86400),
            connect_timeout=file.number((*keys, "connect_timeout"), 10, 0.01, 600),
            idle_timeout=file.number((*keys, "idle_timeout"), 120, 0.01, 86400),
            proxy="" if is_local else None,
            allow_http=key is None,
        )
        return endpoint, frozenset(file.texts((*keys, "allow_fields")))

    def _key(self, keys: Keys) -> Secret | None:
        name = self._file.text(keys)
        if name is None:
            return None
        if not _ENV_NAME.fullmatch(name):
            # Perhaps it is the key itself: it is not repeated.
            self._file.fail(keys, "takes the name of an environment variable, never a key")
        key = Secret(self._env.get(name, "").strip())
        if not key.reveal():
            self._file.fail(keys, f"the environment has no {name}")
        if not key.is_valid():
            self._file.fail(keys, f"{name} holds what no key can be")
        self._key_names.add(name)
        return key

    def _model(self, name: str) -> Model:
        file, keys = self._file, ("models", name)
        table = file.known(keys, _MODEL.split())
        if name.startswith((*DIRECT, "script:", "tape:", "forward:")):
            file.fail(keys, "a model cannot be called like a target")
        like = next((model for model in BUILT_IN if model.id == name), BUILT_IN[0])
        prompt = self._price((*keys, "prompt_price"), like.price.prompt)
        completion = self._price((*keys, "completion_price"), like.price.completion)
        cached = None
        if "cached_prompt_price" in table:
            # No more than the others: the hold of a request does not know what is cached.
            cached = self._price((*keys, "cached_prompt_price"), prompt, float(prompt))
        return Model(
            name,
            file.text((*keys, "owner")) or (like.owner if like.id == name else "ocx"),
            Price(prompt, completion, cached),
            self._source(name),
        )

    def _price(self, keys: Keys, default: Decimal, most: float = MOST_PRICE) -> Decimal:
        # str: the decimal that was written, not the double that is nearest to it.
        return Decimal(str(self._file.number(keys, float(default), 0, most)))

    def _source(self, name: str) -> AnswerSource:
        file, keys = self._file, ("models", name, "route")
        route = file.text(keys) or ECHO
        kind, _, rest = route.partition(":")
        try:
            if kind == "forward":
                if rest not in self._upstreams:
                    file.fail(keys, f"there is no [upstreams.{rest}]")
                endpoint, allowed = self._upstreams[rest]
                upstream_model = file.text((*keys[:-1], "upstream_model"))
                return Forward(rest, endpoint, upstream_model, allowed)
            if kind == "script":
                return routing.load(file.folder / rest)
            if kind == "tape":
                return TapePlayer(file.folder / rest)
            if route != ECHO and not route.startswith(DIRECT):
                text = "must be echo, lorem:N, fault/…, script:FILE, tape:FILE or forward:NAME"
                file.fail(keys, text)
            return built_in(route, reasons=name == REASONER)
        except ValueError as error:
            file.fail(keys, str(error))
