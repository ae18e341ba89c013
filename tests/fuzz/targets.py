"""What is fuzzed: a strategy for the input of each reader, and what must hold of it.

A reader may return, or raise one of our own errors. Anything else is a crash.
"""

from __future__ import annotations

import contextlib
import gzip
import io
import json
import tempfile
import unicodedata
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

from hypothesis import strategies as st

from ocx.api.balance import parse_balance
from ocx.api.sse import Decoder, EventTooLarge
from ocx.batch.batch_row import read_output
from ocx.batch.input import build_rows
from ocx.batch.records import Dialect, read_records
from ocx.batch.request_builder import RequestBuilder
from ocx.batch.row import BadRow, Row
from ocx.chat.templates import parse_template
from ocx.cli.argv import read_argv
from ocx.config import profiles
from ocx.config.settings import resolve
from ocx.errors import OcxError
from ocx.keys.credentials import load_keys
from ocx.output.markdown.document import Document
from ocx.output.markdown.layout import AnsiRenderer
from ocx.serve import routing, settings, tape, tape_player
from tests.output.test_live import CUTS, MARKDOWN, check_cuts
from tests.support.drawn import SIZES


class Target(NamedTuple):
    """Attributes:
    given: the inputs.
    check: raises if something is wrong.
    """

    name: str
    given: st.SearchStrategy[Any]
    check: Callable[[Any], object]


def _words(*words: str | bytes) -> st.SearchStrategy[bytes]:
    """Pieces of a format, in any order, and anything between them."""
    known = [word.encode() if isinstance(word, str) else word for word in words]
    piece = st.one_of(st.sampled_from(known), st.sampled_from(known), st.binary(max_size=6))
    return st.lists(piece, max_size=40).map(b"".join)


_NAMES = st.sampled_from(
    ["balance", "credits", "remaining", "data", "total", "used", "unit", "currency", "limit", "USD"]
) | st.text(max_size=8)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=12),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(_NAMES, inner, max_size=5),
    max_leaves=20,
)
_TOML = _words(
    "[", "]", "[[", "]]", "=", '"', "'", '"""', "\n", " ", "profiles", ".", "default", "key_name",
    "model", "temperature", "1", "0.5", "true", "{", "}", ",", "aliases", "prices", "headers",
    "base_url", "https://x.test", "models", "id", "keys", "created", "#", "\\u0000", "1979-05-27",
    "faults", "secret", "prompt", "system", "defaults", "$name", "inf", "nan", "-",
)  # fmt: skip


def _sse(stream: bytes) -> None:
    def events(pieces: list[bytes]) -> list[str] | None:
        decoder, found = Decoder(), []
        try:
            for piece in pieces:
                found += decoder.feed(piece)
            return found + decoder.end()
        except EventTooLarge:
            return None

    alone = [stream[at : at + 1] for at in range(len(stream))]
    assert events([stream]) == events(alone)


def _balance(document: Any) -> None:
    body = document if isinstance(document, bytes) else json.dumps(document).encode()
    with contextlib.suppress(OcxError):
        found = parse_balance(body)
        assert found.unlimited or found.amount is not None


def _in_a_file(read: Callable[[Path], object], name: str) -> Callable[[bytes], None]:
    def check(data: bytes) -> None:
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder, "ocx", name)
            path.parent.mkdir(mode=0o700)
            path.write_bytes(data)
            path.chmod(0o600)
            with contextlib.suppress(OcxError):
                read(path)

    return check


def _env(path: Path) -> dict[str, str]:
    return {"HOME": str(path.parent.parent), "XDG_CONFIG_HOME": str(path.parent.parent)}


def _config(path: Path) -> None:
    config = profiles.load(_env(path))
    for read in (lambda: config.profiles, lambda: config.aliases, lambda: config.prices):
        with contextlib.suppress(OcxError):
            read()
    resolve({}, _env(path))


def _tape(path: Path) -> None:
    for read in (tape_player.TapePlayer, tape.load_tape, routing.load):
        with contextlib.suppress(OcxError):
            read(path)


def _batch(given: tuple[str, bytes, bool]) -> None:
    form, data, packed = given
    stream = io.BytesIO(gzip.compress(data)) if packed else io.BytesIO(data)
    source = gzip.GzipFile(fileobj=stream) if packed else stream
    with contextlib.suppress(OcxError):
        records = read_records(source, form, Dialect())  # type: ignore[arg-type]
        for row in build_rows(RequestBuilder({"model": "m"}), records):
            assert isinstance(row, Row | BadRow)
            if isinstance(row, Row):
                json.dumps(row.body).encode()


def _output(path: Path) -> None:
    for _, _, row in read_output(path):
        assert row.id is not None


def _controls(text: str) -> None:
    document = Document(40, AnsiRenderer(color=False))
    document.feed(text)
    document.end()
    for line in document.finished():
        bad = [c for c in line if unicodedata.category(c) == "Cc" or c in _REORDERING]
        assert not bad, bad


_REORDERING = "\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069"


def _argv(words: list[str]) -> None:
    with contextlib.suppress(OcxError):
        argv = read_argv(words)
        argv.has("--json")
        assert argv.title.startswith("ocx")


_FORMS = st.sampled_from(["jsonl", "csv", "tsv", "text"])
_ROWS = _words(
    '{"custom_id": "a", "method": "POST", "url": "/v1/chat/completions", "body": {"messages": []}}',
    '{"prompt": "x"}', '{"id": 1, "prompt": "x", "expect": {"contains": "y"}}', "\n", "\r\n", '"',
    ",", "\t", "prompt,id\n", "prompt\tid\n", "\ufeff", "[1]", "{", "}", "\\ud800", "\x00", b"\xff",
)  # fmt: skip
_WORDS = st.lists(
    st.sampled_from(
        ["chat", "models", "--json", "-q", "--", "-", "--profile", "-P", "x", "serve", "keys",
         "add", "--format", "nagios", "balance", "--format=nagios", "-qv", "exec", "help", "--help"]
    ) | st.text(max_size=5),
    max_size=12,
)  # fmt: skip

_EVENTS = _words(
    "data:", "data: ", "\n", "\r", "\r\n", "event: x", ":", "{}", "[DONE]", "\ufeff", "id: 1",
    "retry: 2", '{"a": "b"}',
)  # fmt: skip
_OUTPUT = _words(
    '{"id":"batch_req_', '"custom_id":"a"', "{", "}", ",", '"ocx":{"class":"ok"}', "\n",
    '{"custom_id": "a", "error": null}\n',
)  # fmt: skip


def _template(path: Path) -> object:
    return parse_template(path.read_bytes().decode("utf-8", "replace"), "x")


TARGETS = [
    Target("event streams", _EVENTS, _sse),
    Target("balances", st.one_of(JSON, st.binary(max_size=60)), _balance),
    Target("config.toml", _TOML, _in_a_file(_config, "config.toml")),
    Target(
        "credentials.toml",
        _TOML,
        _in_a_file(lambda path: load_keys(_env(path)), "credentials.toml"),
    ),
    Target("serve.toml", _TOML, _in_a_file(lambda path: settings.load(path, {}), "serve.toml")),
    Target("templates", _TOML, _in_a_file(_template, "x.toml")),
    Target("tapes, scripts", st.one_of(_ROWS, _TOML), _in_a_file(_tape, "x.jsonl")),
    Target("batch inputs", st.tuples(_FORMS, _ROWS, st.booleans()), _batch),
    Target("batch outputs", _OUTPUT, _in_a_file(_output, "out.jsonl")),
    Target(
        "Markdown cut anywhere",
        st.tuples(MARKDOWN, CUTS, st.sampled_from(SIZES)),
        lambda given: check_cuts(*given),
    ),
    Target("control characters on a terminal", st.text(max_size=80), _controls),
    Target("command lines", _WORDS, _argv),
]
