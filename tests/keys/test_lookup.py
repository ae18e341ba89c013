"""Which key goes where: every hit, every refusal, and no key in any message."""

from __future__ import annotations

import io
import os
import sys
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import tomli_w

from ocx.config.settings import resolve
from ocx.errors import AuthError, ConfigError, OcxError, UsageError
from ocx.keys import credentials, lookup
from ocx.keys.lookup import (
    check_key,
    endpoint,
    key_from,
    locate_key,
    read_key_file,
)
from ocx.secret import Secret

ELSEWHERE = "https://other.example/v1"


def key(name: str) -> str:
    return f"sk-live-{name}-0123456789abcdef"


def called(env: dict[str, str], flags: dict[str, Any], read_stdin: Callable[[], bytes]) -> Any:
    """A run of a command, as far as a key is looked for."""
    terminal = SimpleNamespace(env=env)
    return SimpleNamespace(
        terminal=terminal, flags=flags, read_stdin=read_stdin, settings=lambda: resolve(flags, env)
    )


class Setup:
    """A config file, stored keys, an environment."""

    def __init__(self, home: Path) -> None:
        self.env = {"HOME": str(home), "PATH": os.environ["PATH"]}
        self.folder = home / ".config" / "ocx"
        self.folder.mkdir(parents=True)

    def config(self, **profiles: dict[str, Any]) -> None:
        (self.folder / "config.toml").write_text(tomli_w.dumps({"profiles": profiles}))

    def store(self, *names: str, mode: int = 0o600) -> None:
        path = self.folder / "credentials.toml"
        path.write_text(tomli_w.dumps({"keys": {name: {"key": key(name)} for name in names}}))
        path.chmod(mode)

    def find(self, stdin: bytes = b"", **flags: Any) -> Any:
        run = called(self.env, flags, lambda: stdin)
        settings = run.settings()
        return locate_key(run, settings).read(settings)


@pytest.fixture
def setup(tmp_path: Path) -> Setup:
    return Setup(tmp_path)


def prints(text: str) -> list[str]:
    return [sys.executable, "-c", f"print({text!r})"]


@pytest.fixture
def everything(setup: Setup, tmp_path: Path) -> Setup:
    """A key in every place that there is."""
    setup.config(
        default={"key_name": "default"},
        work={"key_name": "work", "base_url": ELSEWHERE},
        asks={"key_name": "work", "api_key_command": prints(key("command"))},
        bare={"base_url": ELSEWHERE},
    )
    setup.store("default", "work")
    setup.env |= {"OCX_API_KEY": key("ocx"), "OPENCODEX_API_KEY": key("opencodex")}
    (tmp_path / "key").write_text(key("file") + "\n")
    (tmp_path / "key").chmod(0o600)
    return setup


OURS = ("OCX_API_KEY", "OCX_API_KEY_FILE")


@pytest.mark.parametrize(
    ("flags", "unset", "source", "name"),
    [
        ({"key_file": "FILE"}, (), "--key-file", "file"),
        ({"key_file": "-"}, (), "--key-file -", "stdin"),
        ({"key_file": "FILE", "profile": "work"}, (), "--key-file", "file"),
        ({"profile": "work"}, (), "key work", "work"),
        ({"profile": "asks"}, (), "api_key_command of profile asks", "command"),
        ({"profile": "bare"}, (), "environment OCX_API_KEY", "ocx"),
        ({}, (), "environment OCX_API_KEY", "ocx"),
        ({"base_url": ELSEWHERE}, (), "environment OCX_API_KEY", "ocx"),
        ({}, ("OCX_API_KEY",), "environment OCX_API_KEY_FILE", "file"),
        ({"base_url": ELSEWHERE}, ("OCX_API_KEY",), "environment OCX_API_KEY_FILE", "file"),
        ({"profile": "work"}, ("OCX_API_KEY",), "key work", "work"),
        ({}, OURS, "environment OPENCODEX_API_KEY", "opencodex"),
        ({"base_url": ELSEWHERE}, OURS, "environment OPENCODEX_API_KEY", "opencodex"),
        ({}, (*OURS, "OPENCODEX_API_KEY"), "key default", "default"),
    ],
)
def test_first_hit_wins(
    everything: Setup,
    tmp_path: Path,
    flags: dict[str, Any],
    unset: tuple[str, ...],
    source: str,
    name: str,
) -> None:
    everything.env["OCX_API_KEY_FILE"] = f" {tmp_path / 'key'}\r"
    for variable in unset:
        del everything.env[variable]
    if flags.get("key_file") == "FILE":
        flags = {**flags, "key_file": str(tmp_path / "key")}
    found = everything.find(stdin=key("stdin").encode() + b"\r\n", **flags)
    assert found.source == source
    assert found.secret.reveal() == key(name)
    assert found.warnings == ()


@pytest.mark.parametrize("variable", ["OCX_API_KEY", "OPENCODEX_API_KEY", "OCX_API_KEY_FILE"])
def test_a_variable_that_is_set_and_empty_is_named(setup: Setup, variable: str) -> None:
    """A pull request of a stranger gets no secrets: an empty variable, and no other word of it."""
    setup.env[variable] = ""
    with pytest.raises(AuthError) as caught:
        setup.find()
    hint = f"{variable} is set, and empty: a secret that this job may not see?"
    assert caught.value.hint == hint


def test_an_empty_variable_hides_no_other_key(everything: Setup) -> None:
    everything.env["OCX_API_KEY"] = ""
    assert everything.find().source == "environment OPENCODEX_API_KEY"


@pytest.mark.parametrize("name", ["missing", "-"])
def test_a_key_file_of_the_environment_that_is_not_there(setup: Setup, name: str) -> None:
    """`-` is a file's name there: nobody said that stdin holds a key."""
    setup.env["OCX_API_KEY_FILE"] = name
    with pytest.raises(ConfigError, match="cannot read the key file"):
        setup.find(stdin=key("stdin").encode())


@pytest.mark.parametrize(
    ("place", "mode", "warned"),
    [
        ("run/secrets/key", 0o444, False),
        ("run/secrets/kubernetes.io/token", 0o644, False),
        ("run/secrets/key", 0o666, True),
        ("run/secretsand/key", 0o444, True),
        ("run/key", 0o444, True),
        ("run/secrets/../key", 0o444, True),
    ],
)
def test_a_mounted_secret_may_be_read_by_others(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, place: str, mode: int, warned: bool
) -> None:
    monkeypatch.setattr(lookup, "_MOUNTED", (str(tmp_path / "run" / "secrets"),))
    (tmp_path / "run" / "secrets").mkdir(parents=True)
    path = tmp_path / place
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(key("mounted"))
    path.chmod(mode)
    link = tmp_path / "link"
    link.symlink_to(path)
    for name in (path, link):
        found = read_key_file(str(name), bytes)
        assert found.secret == Secret(key("mounted"))
        said = f"{name} can be read by others (mode {mode:04o})"
        assert found.warnings == ((said,) if warned else ())


def test_a_profile_from_the_environment_does_not_come_before_its_keys(everything: Setup) -> None:
    """Only -P, said in this call, does."""
    everything.env["OCX_PROFILE"] = "work"
    assert everything.find().source == "environment OCX_API_KEY"


def test_the_providers_variable_goes_only_to_the_provider(everything: Setup) -> None:
    del everything.env["OCX_API_KEY"]
    with pytest.raises(AuthError, match=f"no key for {ELSEWHERE}") as caught:
        everything.find(profile="bare")
    assert "OPENCODEX_API_KEY goes only to opencodex.hk" in (caught.value.hint or "")
    everything.env["OCX_PROFILE"] = "work"
    assert everything.find().source == "key work"
    everything.env |= {"OCX_PROFILE": "bare", "OCX_BASE_URL": "https://third.example/v1"}
    assert everything.find().source == "environment OPENCODEX_API_KEY"


@pytest.mark.parametrize("profile", ["work", "asks"])
@pytest.mark.parametrize("by", ["flag", "variable"])
def test_a_profiles_key_goes_only_to_its_own_origin(
    everything: Setup, profile: str, by: str
) -> None:
    for variable in ("OCX_API_KEY", "OPENCODEX_API_KEY"):
        del everything.env[variable]
    flags = {"profile": profile}
    if by == "flag":
        flags["base_url"] = "https://third.example/v1"
    else:
        everything.env["OCX_BASE_URL"] = "https://third.example/v1"
    with pytest.raises(AuthError, match="no key for") as caught:
        everything.find(**flags)
    hint = caught.value.hint or ""
    assert f"profile {profile} has another endpoint, https://" in hint
    assert "config set base_url URL" in hint


@pytest.mark.parametrize(
    ("url", "same"),
    [
        ("https://OTHER.example:443/elsewhere", True),
        ("https://other.example:444/v1", False),
        ("https://other.example.evil/v1", False),
    ],
)
def test_an_origin_is_scheme_host_and_port(everything: Setup, url: str, same: bool) -> None:
    del everything.env["OCX_API_KEY"], everything.env["OPENCODEX_API_KEY"]
    if same:
        assert everything.find(profile="work", base_url=url).source == "key work"
    else:
        with pytest.raises(AuthError):
            everything.find(profile="work", base_url=url)


def test_no_key_names_both_ways_out(setup: Setup) -> None:
    with pytest.raises(AuthError) as caught:
        setup.find()
    for way in ("ocx keys add", "OPENCODEX_API_KEY", "--sandbox"):
        assert way in (caught.value.hint or "")


def test_a_key_that_is_not_stored_any_more_is_not_replaced_by_another(everything: Setup) -> None:
    """A variable's key would go to an endpoint that it was not meant for."""
    everything.store("default")
    with pytest.raises(AuthError, match="uses the key work, and no such key is stored"):
        everything.find(profile="work")


def test_the_sandbox_and_auth_none_get_no_key(everything: Setup) -> None:
    everything.config(lan={"base_url": "http://lan/v1", "auth": "none"})
    assert everything.find(sandbox=True) == (None, "sandbox", ())
    assert everything.find(profile="lan") == (None, "auth = none", ())
    with pytest.raises(UsageError, match="auth = none"):
        everything.find(profile="lan", key_file="-")


def test_locating_reads_nothing(everything: Setup, tmp_path: Path) -> None:
    def located(**flags: Any) -> Any:
        def no_stdin() -> bytes:
            raise AssertionError("stdin was read")

        run = called(everything.env, flags, no_stdin)
        return locate_key(run, run.settings())

    assert located(key_file="-").has_side_effects
    assert located(profile="asks").has_side_effects
    assert not located(key_file="/no/such/file").has_side_effects
    assert not located(profile="work").has_side_effects


BAD_KEYS = ["", " \n", "sk-live-q q9z", "sk-live-q\nq9z", "sk-live-é", "sk-live-\x7f", "k" * 513]


@pytest.mark.parametrize("quotes", ['""', "''", "“”", "``", '" ', " '"])
def test_a_key_in_quotes_is_named_as_that(quotes: str) -> None:
    """Files of variables are no shell: docker's --env-file keeps what stands around the value."""
    key = "sk-live-abcdefgh12345678"
    with pytest.raises(ConfigError, match="in quotes") as caught:
        key_from(f"{quotes[0]}{key}{quotes[1]}".encode(), "OCX_API_KEY")
    assert key not in f"{caught.value.message} {caught.value.hint}"


@pytest.mark.parametrize("text", BAD_KEYS)
@pytest.mark.parametrize("place", ["variable", "file", "stdin", "command"])
def test_a_malformed_key_is_refused_and_never_repeated(
    setup: Setup, tmp_path: Path, text: str, place: str
) -> None:
    flags: dict[str, Any] = {}
    if place == "variable":
        setup.env["OCX_API_KEY"] = text or " "
    elif place == "file":
        (tmp_path / "key").write_text(text)
        flags["key_file"] = str(tmp_path / "key")
    elif place == "stdin":
        flags["key_file"] = "-"
    else:
        setup.env["PYTHONIOENCODING"] = "utf-8"
        setup.config(default={"api_key_command": prints(text)})
    with pytest.raises(ConfigError) as caught:
        setup.find(stdin=text.encode(), **flags)
    said = caught.value.message + (caught.value.hint or "")
    for word in text.split():
        assert word not in said


@pytest.mark.parametrize("text", ["  {}\n", "{}\r\n", "\ufeff{}", "\t{}"])
def test_a_key_is_stripped(text: str) -> None:
    assert key_from(text.format(key("x")).encode(), "it").reveal() == key("x")


@pytest.mark.parametrize(
    ("text", "url", "warned"),
    [
        ("sk-live-good0001", "https://opencodex.hk/api/v1", False),
        ("sk-other-good001", "https://opencodex.hk/api/v1", True),
        ("sk-other-good001", "https://OPENCODEX.HK:443/other", True),
        ("sk-other-good001", ELSEWHERE, False),
        ("ollama", "http://127.0.0.1:1/v1", False),
        ("sk-live-local-abc", "http://127.0.0.1:1/v1", False),
        ("sk-live-local-abc", "http://[::1]:1/v1", False),
    ],
)
def test_a_key_that_will_hardly_work_is_a_warning(text: str, url: str, warned: bool) -> None:
    warnings = check_key(Secret(text), "the key", url)
    assert bool(warnings) == warned
    assert text not in str(warnings)


@pytest.mark.parametrize("url", ["https://opencodex.hk/api/v1", "https://127.0.0.1.evil/v1"])
def test_a_local_servers_key_stays_on_this_machine(url: str) -> None:
    with pytest.raises(ConfigError, match="was made by `ocx serve`"):
        check_key(Secret("sk-live-local-abcdefgh"), "the key", url)


class TestKeyFile:
    def test_a_fifo_has_no_mode_worth_a_warning(self, tmp_path: Path) -> None:
        """`--key-file <(pass show x)`."""
        reader, writer = os.pipe()
        os.write(writer, key("x").encode())
        os.close(writer)
        try:
            found = read_key_file(f"/dev/fd/{reader}", io.BytesIO().read)
        finally:
            os.close(reader)
        assert found.warnings == ()

    @pytest.mark.parametrize("path", ["/no/such/file", "/", "a\0b"])
    def test_unreadable(self, path: str) -> None:
        with pytest.raises(ConfigError, match="cannot read the key file"):
            read_key_file(path, io.BytesIO().read)


class TestCommand:
    def test_no_shell_an_empty_stdin_and_only_stdout(
        self, setup: Setup, capfd: pytest.CaptureFixture[str]
    ) -> None:
        script = (
            "import sys; sys.stderr.write('touch the key, please'); "
            "print(sys.argv[1] + 'x' + sys.stdin.read())"
        )
        word = "sk-live-$(id);`id`|*"
        setup.config(default={"api_key_command": [sys.executable, "-c", script, word]})
        assert setup.find().secret.reveal() == word + "x"
        assert capfd.readouterr().err == "touch the key, please"

    @pytest.mark.parametrize(
        ("words", "message"),
        [
            (["/no/such/program"], "cannot run /no/such/program: No such file"),
            (["/"], "cannot run /: Permission denied"),
            (["false"], "ended with status 1"),
            (["sh", "-c", "echo sk-live-halfakey; kill -9 $$"], "was killed by signal 9"),
        ],
    )
    def test_failures(self, setup: Setup, words: list[str], message: str) -> None:
        setup.config(default={"api_key_command": words})
        with pytest.raises(ConfigError) as caught:
            setup.find()
        assert message in caught.value.message
        assert caught.value.message.startswith("api_key_command of profile default")
        assert "sk-live" not in caught.value.message + (caught.value.hint or "")

    def test_one_that_never_ends(self, setup: Setup, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(credentials, "SECONDS", 0.01)
        wait = "import select; select.select([], [], [])"
        setup.config(default={"api_key_command": [sys.executable, "-c", wait]})
        with pytest.raises(ConfigError, match="did not end within"):
            setup.find()


class TestEndpoint:
    def test_auth_none_takes_no_key(self, setup: Setup) -> None:
        setup.config(lan={"auth": "none", "base_url": "http://lan/v1"})
        settings = resolve({"profile": "lan"}, setup.env)
        assert endpoint(settings, None).allow_http
        with pytest.raises(ConfigError, match="auth = none"):
            endpoint(settings, Secret(key("x")))

    @pytest.mark.parametrize("text", ["sk-live-a b", "sk-live-local-abcdefgh"])
    def test_the_last_check(self, setup: Setup, text: str) -> None:
        with pytest.raises(OcxError) as caught:
            endpoint(resolve({}, setup.env), Secret(text))
        assert text not in caught.value.message

    def test_another_url_is_checked_as_well(self, setup: Setup) -> None:
        settings = resolve({"sandbox": True}, setup.env)
        local = Secret("sk-live-local-abcdefgh")
        url = "http://127.0.0.1:8790/api/v1"
        assert endpoint(settings, local, base_url=url).base_url == url
        with pytest.raises(ConfigError):
            endpoint(settings, local, base_url="http://lan/v1")
