"""Fixtures and options of the whole suite. What they are made of stands in `support`."""

from __future__ import annotations

import gc
import logging
import os
import signal
from collections.abc import Callable, Generator, Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings
from hypothesis.internal.conjecture import providers

from tests.support.chat_server import ChatServer
from tests.support.program import KEY, Ocx, end_fork_server
from tests.support.raw_server import RawServer
from tests.support.sizes import FULL

# A shared machine may stop a test for longer than any deadline, and a slow draw proves nothing.
_QUIET = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
# The gate judges the change before it, always by the same examples; what searches for failures that
# are there already is --full and make fuzz.
settings.register_profile("gate", _QUIET, max_examples=16, derandomize=True)
settings.register_profile("full", _QUIET, max_examples=200)

HUNG = 120
"""Seconds. Far beyond what any test takes on a busy machine; what waits gives up much earlier."""


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--full", action="store_true", help="all tests at their full size, not a part of it"
    )


def pytest_configure(config: pytest.Config) -> None:
    gc.set_threshold(100_000, 50, 50)  # what is collected stays: a tenth of the time, in vain
    full = config.getoption("--full")
    settings.load_profile("full" if full else "gate")
    if full:
        os.environ[FULL] = "1"
    else:
        # Each worker would read the whole program for constants (2 s), and then draw examples by
        # what it happens to have imported.
        providers.is_local_module_file = lambda path: False
    # Where a script starts the gate with `&`, SIGINT is ignored, and by all that the tests start.
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    # One authority, whose key is lost: reading all of certifi's takes 20 ms a client.
    os.environ["SSL_CERT_FILE"] = str(Path(__file__).parent / "support" / "nobody.pem")


DEAR = ("e2e", "commands", "serve", "snippet", "session", "docs", "output")
"""Folders whose cases mostly start a process, or draw a screen."""
DEAREST = ("portable", "ci", "test_tapes.py", "test_no_home.py", "test_exits.py", "test_money.py")
"""Folders and files whose tests start interpreters of their own: each file is one table."""
MOST = 2


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """The gate runs a part of what is dear, always the same one; `--full` runs all.

    Of a table whose rows each start a process a sixth, `MOST` at least, from all over it. What is
    named runs whole.
    """
    if config.getoption("--full") or any("::" in arg for arg in config.args):
        return
    tables: dict[str, list[pytest.Item]] = {}
    for item in items:
        if {item.path.name, item.path.parent.name} & set(DEAREST):
            tables.setdefault(str(item.path), []).append(item)
        elif item.path.parent.name in DEAR and item.path.name != "test_batch_deaths.py":
            tables.setdefault(item.nodeid.partition("[")[0], []).append(item)
    left_out: set[pytest.Item] = set()
    for rows in tables.values():
        kept = max(MOST, len(rows) // 6)
        if kept < len(rows):
            left_out |= set(rows) - {rows[at * len(rows) // kept] for at in range(kept)}
    if left_out:
        items[:] = [item for item in items if item not in left_out]
        config.hook.pytest_deselected(items=list(left_out))


def pytest_collection_finish() -> None:
    """Thousands of tests stay in memory: no collection shall look through them again and again."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(20_000, 10, 10)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    if skipped := len(terminalreporter.stats.get("skipped", [])):
        what = "1 TEST WAS" if skipped == 1 else f"{skipped} TESTS WERE"
        terminalreporter.section(f"{what} SKIPPED HERE, reasons above", sep="!", yellow=True)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item: pytest.Item) -> Generator[None, object, object]:
    """A test that hangs fails, where it hangs, instead of stopping the whole suite."""

    def give_up(*_: object) -> None:
        raise AssertionError(f"hung for {HUNG} s")

    before = signal.signal(signal.SIGALRM, give_up)
    signal.alarm(HUNG * 10 if item.config.getoption("--full") else HUNG)
    try:
        return (yield)
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)
        log = logging.getLogger("ocx")
        if log.handlers:  # a call in this process has set it up: the next test's is none of it
            log.handlers.clear()
            log.propagate = True
            log.setLevel(logging.NOTSET)


@pytest.fixture(scope="session", autouse=True)
def fork_server() -> Iterator[None]:
    yield
    end_fork_server()


@pytest.fixture
def ocx(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Ocx]:
    """The program in an empty home: no key, no profile, no configuration."""
    program = Ocx(tmp_path)
    if request.node.get_closest_marker("unmeasured"):
        program.unmeasured()
    yield program
    program.release()


@pytest.fixture
def raw_server() -> Iterator[Callable[..., RawServer]]:
    """Make raw servers, `raw_server("::1", tls=True)`; checked and closed at the end."""
    yield from _servers(RawServer)


@pytest.fixture
def chat_servers() -> Iterator[Callable[..., ChatServer]]:
    """Make more than one server that answers as documented."""
    yield from _servers(ChatServer)


@pytest.fixture
def chat_server(chat_servers: Callable[..., ChatServer]) -> ChatServer:
    return chat_servers()


@pytest.fixture
def online(ocx: Ocx, chat_server: ChatServer) -> Ocx:
    """The program with a key and the address of `chat_server` in its environment."""
    ocx.env |= {"OCX_BASE_URL": chat_server.base_url, "OCX_API_KEY": KEY}
    return ocx


def _servers(kind: type[RawServer]) -> Iterator[Callable[..., RawServer]]:
    made: list[RawServer] = []

    def make(host: str = "127.0.0.1", *, tls: bool = False) -> RawServer:
        made.append(kind(host, tls=tls))
        return made[-1]

    yield make
    for server in made:
        server.close()
    faults = [fault for server in made for fault in server.faults]
    assert not faults, f"the test's own server failed: {faults}"
