"""What a command must not import: start-up is most of what a short command costs.

Each runs as its own process under `-X importtime`, which names every import. Coverage would import
sqlite3 and more into that process, so these children are not measured.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.support import answers
from tests.support.chat_server import CHAT, ChatServer
from tests.support.program import KEY, Ocx, Run
from tests.support.sizes import some

IMPORTED = re.compile(r"^import time: +\d+ \| +\d+ \| +(\S+)$", re.MULTILINE)
RICH = {"rich", "rich.markdown", "markdown_it", "pygments"}
HEAVY = {"pydantic", "starlette", "uvicorn", "jsonschema", "sqlite3", "asyncio", "aiohttp"}
NETWORK = {"httpx", "httpcore", "h11", "ssl", "socket"}
WRITERS = {"tomli_w", "tomlkit"}
DEPTH = {
    "readline",
    "ocx.chat.schema",
    "ocx.chat.recorder",
    "ocx.chat.credits",
    "ocx.chat.preview",
    "ocx.output.live_stderr",
    "ocx.session",
    "ocx.history",
    "ocx.chat.attach",
    "ocx.chat.messages",
    "ocx.chat.templates",
    "ocx.snippet",
    "ocx.typography",
}
"""What a chat imports only where a flag or a person at a terminal asks for it."""


@pytest.fixture
def modules(ocx: Ocx) -> Callable[..., set[str]]:
    """Run a command to a good end and give back the names of all modules that it imported."""
    del ocx.env["PYTHONPATH"]
    ocx.env.pop("COVERAGE_PROCESS_CONFIG", None)
    python, *rest = ocx.program
    ocx.program = (python, "-X", "importtime", *rest)

    def run(*args: str, **options: object) -> set[str]:
        done: Run = ocx(*args, **options)  # type: ignore[arg-type]
        return set(IMPORTED.findall(done.has(0).stderr))

    return run


def none_of(imported: set[str], forbidden: set[str]) -> None:
    assert not imported & forbidden, sorted(imported & forbidden)


def test_version_needs_nothing(modules: Callable[..., set[str]]) -> None:
    imported = modules("--version")
    none_of(imported, {"typer", "click", "ocx.entry"} | RICH | HEAVY | NETWORK | WRITERS)
    assert {name for name in imported if name.split(".")[0] == "ocx"} == {"ocx"}


@pytest.mark.parametrize("scheme", ["http", "https"])
def test_a_piped_chat_needs_no_terminal_no_server_and_no_database(
    modules: Callable[..., set[str]],
    chat_servers: Callable[..., ChatServer],
    scheme: str,
) -> None:
    """Nor httpx's own command line, which costs as much as everything else (see ocx/api)."""
    server = chat_servers(tls=scheme == "https")
    server.answer(answers.stream("Hel", "lo"), path=CHAT)
    ca = str(Path(answers.__file__).with_name("localhost.pem"))
    env = {"OCX_BASE_URL": server.base_url, "OCX_API_KEY": KEY}
    imported = modules("chat", "--ca-bundle", ca, env=env, input="hi")
    none_of(imported, RICH | HEAVY | WRITERS | DEPTH)
    assert "httpx" in imported, "else this test sees nothing"
    assert "click" not in imported, "httpx._main is what imports it"


@pytest.mark.parametrize(
    "args", some([("balance",), ("models",), ("models", "--json")], 1), ids=" ".join
)
def test_a_get_needs_no_more(
    modules: Callable[..., set[str]], chat_server: ChatServer, args: tuple[str, ...]
) -> None:
    env = {"OCX_BASE_URL": chat_server.base_url, "OCX_API_KEY": KEY, "OCX_HISTORY": "off"}
    none_of(modules(*args, env=env), RICH | HEAVY | WRITERS | {"ocx.output.live_stderr"})


@pytest.mark.parametrize(
    "args",
    some(
        [
            ("keys", "list"),
            ("config", "path"),
            ("config", "get", "model"),
            ("help", "exit-codes"),
            ("chat", "hi", "--dry-run"),
            ("chat", "--help"),
        ],
        3,
    ),
    ids=" ".join,
)
def test_what_sends_nothing_imports_no_network(
    modules: Callable[..., set[str]], args: tuple[str, ...]
) -> None:
    none_of(modules(*args), RICH | HEAVY | NETWORK | WRITERS)


@pytest.mark.parametrize(
    ("flags", "own"),
    some(
        [
            (("-x",), {"markdown_it"}),
            (("--schema", "a"), {"ocx.chat.schema", "jsonschema"}),
            (("--log",), {"ocx.history", "sqlite3"}),
            (("-a", "-"), {"ocx.chat.attach"}),
            (("--snippet", "curl"), {"ocx.snippet"}),
            (("--messages", "-"), {"ocx.chat.messages"}),
        ],
        3,
    ),
    ids=lambda value: " ".join(sorted(value)),  # a set has another order in each process
)
def test_a_flag_imports_what_it_needs(
    modules: Callable[..., set[str]],
    chat_server: ChatServer,
    flags: tuple[str, ...],
    own: set[str],
) -> None:
    """And of the rest only what the record of a call is made of; rich stays out of every pipe."""
    chat_server.answer(answers.stream("```\n", '{"a": "b"}', "\n```"), path=CHAT)
    env = {"OCX_BASE_URL": chat_server.base_url, "OCX_API_KEY": KEY}
    given = '[{"role": "user", "content": "hi"}]'
    imported = modules("chat", *flags, "hi", env=env, input=given)
    assert own <= imported, sorted(own - imported)
    none_of(imported, {"rich", "readline", "pydantic", "starlette", "uvicorn", "tomli_w"})
    if "-x" not in flags and "--schema" not in flags:
        none_of(imported, {"markdown_it", "jsonschema"})
    if "--snippet" in flags or "-a" in flags or "--messages" in flags:
        none_of(imported, {"sqlite3"})


def test_help_imports_no_command(modules: Callable[..., set[str]]) -> None:
    """The table says what each does; a group's help imports none of its commands either."""
    for args in (("--help",), ("keys", "--help"), ("config", "--help")):
        found = {name for name in modules(*args) if name.startswith("ocx.commands.")}
        assert found <= set(), (args, found)
