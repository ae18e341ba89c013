"""Where a key goes and where it never does: not to another host, not into any output."""

from __future__ import annotations

import contextlib
import itertools
from collections.abc import Callable

import pytest

from tests.support.answers import answer, error
from tests.support.chat_server import CHAT, ChatServer
from tests.support.program import KEY, Ocx, Run
from tests.support.raw_server import RawServer

pytestmark = pytest.mark.unmeasured

COMMANDS = [("chat", "hi"), ("models",), ("balance",)]
each_command = pytest.mark.parametrize("command", COMMANDS, ids=lambda command: command[0])
OTHER = "sk-live-0therKey000000000000000000000c3d4"


def silent(run: Run, *keys: str) -> None:
    """Neither stream holds any of the keys, nor the telling middle of one."""
    for text, key in itertools.product((run.text, run.stderr), keys):
        assert key not in text, run
        assert key[8:24] not in text, run


@pytest.mark.parametrize("status", [302, 308])
@each_command
def test_a_redirect_is_never_followed(
    online: Ocx,
    chat_server: ChatServer,
    raw_server: Callable[..., RawServer],
    command: tuple[str, ...],
    status: int,
) -> None:
    """Exit 8 naming the place; nothing connects there, so nothing can be told to it."""
    other = raw_server()
    place = f"{other.url}/api/v1/taken"
    chat_server.answer_all(answer(b"", status, {"location": place}))
    run = online(*command, "--retries", "0").has(8)
    assert place in run.stderr
    assert other.connections == 0
    assert chat_server.requests[0].header("authorization") == f"Bearer {KEY}"
    silent(run, KEY)


def test_an_absolute_url_takes_no_key_elsewhere(
    chat_servers: Callable[..., ChatServer], raw_server: Callable[..., RawServer]
) -> None:
    """The key goes to the configured scheme, host and port, whatever path is asked for."""
    from ocx.api import Client, Endpoint
    from ocx.errors import OcxError
    from ocx.secret import Secret

    server, other = chat_servers(), raw_server()
    other.answer(answer({}))
    server.answer(error(404))
    elsewhere = [
        f"{other.url}/models",
        f"//127.0.0.1:{other.port}/models",
        f"@127.0.0.1:{other.port}/",
    ]
    with Client(Endpoint(server.base_url, Secret(KEY), retries=0, timeout=5)) as client:
        for url in elsewhere:
            with contextlib.suppress(OcxError):
                client.request("GET", url)
        client.request("GET", "/models")
    assert KEY.encode() not in other.received()
    assert server.requests[-1].header("authorization") == f"Bearer {KEY}"


@pytest.mark.parametrize(
    "url",
    [
        "http://198.51.100.1/v1",
        "http://localhost.example.test/v1",
        "http://127.0.0.1.example.test/v1",
        "http://127.0.0.1@example.test/v1",
        "http://128.0.0.1/v1",
        "HTTP://example.test/v1",
        "//example.test/v1",
        "example.test/v1",
        "file:///etc/passwd",
        "https://",
        "https:///v1",
        "https://example.test:99999/v1",
        "https://exa mple.test/v1",
        "https://example.test/\nv1",
    ],
)
def test_a_base_url_that_would_give_the_key_away_is_refused(online: Ocx, url: str) -> None:
    args = ("models", "--base-url", url, "--retries", "0")
    run = online(*args, env={"TEST_RESOLVER": ""}).has(3)
    silent(run, KEY)


@pytest.mark.parametrize("host", ["127.0.0.1", "127.0.0.2", "::1"])
def test_http_to_loopback_is_allowed(
    online: Ocx, chat_servers: Callable[..., ChatServer], host: str
) -> None:
    try:
        server = chat_servers(host)
    except OSError:
        pytest.skip(f"no {host} on this machine")
    online("models", "--base-url", server.base_url).has(0)
    assert server.requests[0].header("authorization") == f"Bearer {KEY}"


def test_http_to_localhost_by_name_is_allowed(online: Ocx, chat_server: ChatServer) -> None:
    url = f"http://localhost:{chat_server.port}/api/v1"
    online("models", "--base-url", url, env={"TEST_RESOLVER": "localhost=127.0.0.1"}).has(0)


@each_command
def test_auth_none_may_use_http_anywhere_and_sends_no_key(
    ocx: Ocx, chat_servers: Callable[..., ChatServer], command: tuple[str, ...]
) -> None:
    """A server on the local network that has no keys, like Ollama."""
    server = chat_servers()
    ocx.profile("lan", base_url=f"http://lan.test:{server.port}/api/v1", auth="none")
    env = {"TEST_RESOLVER": "lan.test=127.0.0.1", "OCX_API_KEY": KEY, "OPENCODEX_API_KEY": OTHER}
    ocx(*command, env=env).has(0)
    assert server.requests[0].header("authorization") is None
    received = server.received()
    assert KEY.encode() not in received
    assert OTHER.encode() not in received


HOSTILE = {
    "newline": f"{KEY[:20]}\n{KEY[20:]}",
    "crlf": f"{KEY[:20]}\r\nx-injected: {KEY[20:]}",
    "space": f"{KEY[:20]} {KEY[20:]}",
    "non-ascii": f"{KEY[:20]}é{KEY[20:]}",
    "control": f"{KEY[:20]}\x1b{KEY[20:]}",
    "too long": KEY + "x" * 512,
}


@pytest.mark.parametrize("hostile", HOSTILE.values(), ids=HOSTILE)
@pytest.mark.parametrize(
    "way", ["OCX_API_KEY", "OPENCODEX_API_KEY", "file", "stdin", "add", "command"]
)
def test_a_hostile_key_is_refused_and_never_shown(
    ocx: Ocx, chat_server: ChatServer, way: str, hostile: str
) -> None:
    """httpx prints a whole key in its exception; ours is checked before it gets there."""
    args, env, text = ["chat", "hi", "--debug"], {"OCX_BASE_URL": chat_server.base_url}, None
    match way:
        case "file":
            (ocx.work / "key").write_text(hostile, newline="")
            (ocx.work / "key").chmod(0o600)
            args += ["--key-file", "key"]
        case "stdin":
            args, text = [*args, "--key-file", "-"], hostile
        case "add":
            args, text = ["keys", "add", "work", "--no-check", "--debug"], hostile
        case "command":
            (ocx.work / "key").write_text(hostile, newline="")
            ocx.profile(
                base_url=chat_server.base_url, api_key_command=["cat", str(ocx.work / "key")]
            )
            env = {}
        case _:
            env[way] = hostile
    run = ocx(*args, env=env, input=text).has(3)
    for part in (KEY[8:20], KEY[20:32], "x-injected"):
        assert part not in run.text + run.stderr, run
    assert chat_server.requests == []


def test_white_space_around_a_key_is_no_part_of_it(ocx: Ocx, chat_server: ChatServer) -> None:
    env = {"OCX_BASE_URL": chat_server.base_url, "OCX_API_KEY": f"  {KEY}\r\n"}
    ocx("models", env=env).has(0)
    assert chat_server.requests[0].header("authorization") == f"Bearer {KEY}"


@each_command
def test_p_other_does_not_get_the_providers_key(
    ocx: Ocx, chat_server: ChatServer, command: tuple[str, ...]
) -> None:
    """`-P other` with OPENCODEX_API_KEY exported: that key is for opencodex.hk alone."""
    ocx.profile("other", base_url=chat_server.base_url)
    for args in ((*command, "-P", "other"), command):
        run = ocx(*args, env={"OPENCODEX_API_KEY": KEY}).has(4)
        silent(run, KEY)
    assert chat_server.connections == 0


def test_the_providers_key_goes_where_the_same_call_says(ocx: Ocx, chat_server: ChatServer) -> None:
    env = {"OPENCODEX_API_KEY": KEY}
    ocx("models", "--base-url", chat_server.base_url, env=env).has(0)
    ocx("models", env={**env, "OCX_BASE_URL": chat_server.base_url}).has(0)
    assert len(chat_server.requests) == 2


def test_a_stored_key_goes_only_to_the_origin_of_its_profile(
    ocx: Ocx, chat_servers: Callable[..., ChatServer]
) -> None:
    own, other = chat_servers(), chat_servers()
    ocx.profile(base_url=own.base_url, key_name="work")
    ocx.write_credentials(work=KEY)
    ocx("models").has(0)
    assert own.requests[0].header("authorization") == f"Bearer {KEY}"
    for args, env in (
        (("--base-url", other.base_url), {}),
        ((), {"OCX_BASE_URL": other.base_url}),
        (("--base-url", own.base_url.replace("127.0.0.1", "localhost")), {}),
    ):
        assert ocx("models", *args, env=env).status in {3, 4}
    assert other.connections == 0


def test_a_stored_key_goes_only_to_the_origin_that_it_was_stored_for(
    ocx: Ocx, chat_servers: Callable[..., ChatServer]
) -> None:
    """Whatever profile names it: the config may be somebody else's."""
    own, other = chat_servers(), chat_servers()
    ocx.profile(base_url=own.base_url, key_name="work")
    ocx.write_credentials(work=KEY)
    ocx.profile("evil", base_url=other.base_url, key_name="work")
    run = ocx("-P", "evil", "chat", "hi").has(4)
    silent(run, KEY)
    assert f"was stored for {own.base_url}" in run.stderr
    assert other.connections == 0


@pytest.mark.parametrize("before", [0, 8, 200 - len(KEY) + 1], ids="{} before".format)
def test_half_a_key_that_a_server_repeats_is_none(
    online: Ocx, chat_server: ChatServer, before: int
) -> None:
    """Cut to 200 characters, or escaped: no filter knows it any more."""
    text = "A" * before + KEY
    escaped = "".join(f"\\u{ord(char):04x}" for char in KEY)
    body = f'{{"error": {{"message": "no {escaped}", "code": "{text}"}}}}'
    for words in (("--report", "r.json"), ("--report", "r.json", "--json"), ("--debug",)):
        chat_server.answer(answer(body, 401, {"x-request-id": text}), path=CHAT)
        run = online("chat", "hi", *words).has(4)
        report = online.work / "r.json"
        for place in (run.stderr, report.read_text() if report.exists() else ""):
            assert KEY[8:24] not in place


def test_keys_of_other_tools_are_never_read(ocx: Ocx, chat_server: ChatServer) -> None:
    env = {"OPENAI_API_KEY": KEY, "OPENAI_BASE_URL": chat_server.base_url}
    silent(ocx("models", env=env).has(4), KEY)
    assert chat_server.connections == 0


def test_a_key_of_the_local_server_stays_on_loopback(ocx: Ocx) -> None:
    local = "sk-live-local-" + "a" * 49
    env = {"OCX_API_KEY": local, "OCX_BASE_URL": "https://example.test/v1", "TEST_RESOLVER": ""}
    run = ocx("models", "--retries", "0", env=env)
    assert run.status in {3, 4}, run
    silent(run, local)


@pytest.mark.parametrize("case", [str.upper, str.lower], ids=["upper", "lower"])
@each_command
def test_loopback_never_goes_through_a_proxy(
    online: Ocx,
    chat_server: ChatServer,
    raw_server: Callable[..., RawServer],
    command: tuple[str, ...],
    case: Callable[[str], str],
) -> None:
    proxy = raw_server()
    names = ("http_proxy", "https_proxy", "all_proxy")
    online(*command, env={case(name): proxy.url for name in names}).has(0)
    assert proxy.connections == 0
    assert len(chat_server.requests) == 1


def test_a_proxy_for_the_provider_sees_no_key(
    ocx: Ocx, raw_server: Callable[..., RawServer]
) -> None:
    """https goes through CONNECT: the proxy learns the host and nothing else."""
    proxy = raw_server()
    proxy.answer(error(403))
    run = ocx("models", "--retries", "0", env={"HTTPS_PROXY": proxy.url, "OPENCODEX_API_KEY": KEY})
    run.has(9)
    assert proxy.requests[0].method == "CONNECT"
    assert proxy.requests[0].header("authorization") is None
    assert KEY.encode() not in proxy.received()


@pytest.mark.parametrize(
    "args",
    [
        ("--key", KEY, "chat", "hi"),
        ("chat", "hi", "--key", KEY),
        ("chat", "hi", f"--key={KEY}"),
        ("chat", "hi", f"--api-key={KEY}"),
        ("config", "set", "key_name", KEY),
        ("keys", "add", KEY),
        ("keys", "add", "work", KEY),
        ("chat", "hi", "--key-file", KEY),
        ("chat", "hi", "-P", KEY),
        ("chat", "hi", "-H", f"Authorization: Bearer {KEY}"),
        ("chat", "hi", "-H", f"authorization:{KEY}"),
        ("config", "set", "headers", f'{{Authorization = "{KEY}"}}'),
        (KEY,),
    ],
    ids=lambda args: " ".join(args).replace(KEY, "KEY"),
)
def test_a_key_on_the_command_line_is_refused_unechoed(
    online: Ocx, chat_server: ChatServer, args: tuple[str, ...]
) -> None:
    """Everyone on the machine can read argv; no flag and no setting takes a key."""
    run = online(*args, input="")
    assert run.status in {2, 3}, run
    silent(run, KEY)
    assert chat_server.connections == 0
    written = [path.read_text() for path in online.config.rglob("*") if path.is_file()]
    assert not any(KEY in text for text in written)


@pytest.mark.parametrize(
    "flags", [("--debug",), ("--debug", "--json"), ("--dry-run",)], ids=" ".join
)
def test_what_is_shown_of_a_request_masks_the_key(online: Ocx, flags: tuple[str, ...]) -> None:
    run = online("chat", "hi", *flags).has(0)
    silent(run, KEY)
    if flags == ("--dry-run",):
        assert "sk-live-…a1b2" in run.text


def test_debug_shows_the_request_but_not_the_key(online: Ocx, chat_server: ChatServer) -> None:
    chat_server.answer_all(error(503, x_request_id="req-9", retry_after_ms="1"))
    run = online("models", "--debug", "--retries", "1").has(8)
    silent(run, KEY)
    for fact in (
        "GET",
        f"{chat_server.base_url}/models",
        "503",
        "req-9",
        "retry 1 of 1",
        "Traceback",
    ):
        assert fact in run.stderr, fact


@each_command
def test_a_server_that_repeats_the_key_does_not_get_it_printed(
    online: Ocx, chat_server: ChatServer, command: tuple[str, ...]
) -> None:
    """Gateways do quote the key in `invalid key: …`; another key-shaped text is masked too."""
    chat_server.answer_all(error(401, None, f"invalid key {KEY}, not {OTHER}"))
    silent(online(*command).has(4), KEY, OTHER)
    silent(online(*command, "--json").has(4), KEY, OTHER)


def test_control_characters_of_an_error_do_not_reach_the_terminal(
    online: Ocx, chat_server: ChatServer
) -> None:
    chat_server.answer_all(error(400, None, "a\x1b]0;owned\x07b\nocx: error: forged"))
    run = online("models").has(7)
    assert "\x1b" not in run.stderr
    assert sum(line.startswith("ocx: error:") for line in run.stderr.splitlines()) == 1


def test_the_sandbox_never_sees_a_real_key(ocx: Ocx) -> None:
    """Its key is made in memory, whatever the environment holds; the credits are its own."""
    env = {"OPENCODEX_API_KEY": KEY, "OCX_API_KEY": OTHER}
    run = ocx("--sandbox", "chat", "hi", "--debug", env=env).has(0)
    silent(run, KEY, OTHER)
    for path in ocx.home.rglob("*"):
        if path.is_file():
            assert KEY.encode() not in path.read_bytes()
            assert OTHER.encode() not in path.read_bytes()


def test_a_stored_key_is_private_on_disk_and_masked_in_lists(ocx: Ocx) -> None:
    ocx.write_credentials(work=KEY)
    credentials = ocx.config / "credentials.toml"
    assert credentials.stat().st_mode & 0o777 == 0o600
    assert ocx.config.stat().st_mode & 0o777 == 0o700
    for args in (("list",), ("list", "--json"), ("show", "work")):
        run = ocx("keys", *args).has(0)
        silent(run, KEY)
        assert "a1b2" in run.text
    assert ocx("keys", "show", "work", "--reveal").has(0).text == f"{KEY}\n"


@pytest.mark.parametrize("verb", ["add", "rotate"])
def test_a_key_of_any_shape_behind_a_name_is_not_repeated(ocx: Ocx, verb: str) -> None:
    for words in ((), ("--json",)):
        run = ocx("keys", verb, "work", "hunter2-hunter2", *words).has(2)
        assert "hunter2" not in run.text + run.stderr
        assert "stdin" in run.stderr
