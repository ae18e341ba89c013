"""Files and folders that others could have made, and configurations that others could name."""

from __future__ import annotations

import fcntl
import os
import stat
from pathlib import Path

import pytest

from tests.support import answers
from tests.support.chat_server import MODELS, ChatServer
from tests.support.program import KEY, Ocx
from tests.support.sizes import some

OTHER = 12345
as_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files away")


def modes(folder: Path) -> dict[str, int]:
    return {
        str(path.relative_to(folder)): stat.S_IMODE(path.lstat().st_mode)
        for path in folder.rglob("*")
    }


@pytest.mark.parametrize("mask", some([0o000, 0o002, 0o077], 1))
def test_whatever_the_umask_folders_are_closed_to_others(
    ocx: Ocx, chat_server: ChatServer, tmp_path: Path, mask: int
) -> None:
    home = tmp_path / "somebody"
    home.mkdir()
    given = {"HOME": str(home), "OPENCODEX_API_KEY": KEY}
    given |= dict.fromkeys(("XDG_CONFIG_HOME", "XDG_STATE_HOME", "XDG_CACHE_HOME"), "")
    ocx.env["TEST_UMASK"] = f"{mask:o}"
    ocx("config", "set", "base_url", chat_server.base_url, env=given).has(0)
    ocx("models", env={**given, "OCX_API_KEY": KEY}).has(0)
    ocx("keys", "add", "main", input=KEY.encode(), env=given).has(0)
    ocx("chat", "--log", "hi", env=given).has(0)
    ocx("--sandbox", "chat", "hi", env=given).has(0)
    found = modes(home)
    folders = {name for name in found if (home / name).is_dir()}
    assert {".config", ".config/ocx", ".local", ".local/state", ".cache/ocx/models"} <= folders
    assert {oct(found[name]) for name in folders} == {"0o700"}
    assert {oct(mode) for name, mode in found.items() if name not in folders} == {"0o600"}


PROXY = "[profiles.default]\nproxy = 'http://127.0.0.1:9'\n"
COMMAND = "[profiles.x]\napi_key_command = ['a']\n"
HARMLESS = "[profiles.default]\nmodel = 'm'\n"


@as_root
def test_the_config_of_another_user_decides_over_no_key(ocx: Ocx) -> None:
    ocx.write_config(PROXY)
    path = ocx.config / "config.toml"
    os.chown(path, OTHER, OTHER)
    run = ocx("config", "show").has(0)
    assert run.stderr == ""  # root may read what a user wrote
    path.chmod(0o666)
    run = ocx("config", "show").has(3)
    assert "can be changed by others (mode 0666), and sets proxy" in run.stderr
    assert "chmod go-w" in run.stderr


@pytest.mark.parametrize(
    ("text", "status", "said"),
    [
        (HARMLESS, 0, "warning"),
        (PROXY, 3, "error"),
        ("[profiles.x]\napi_key_command = ['a']\n", 3, "error"),
    ],
)
def test_a_named_config_that_others_may_change(
    ocx: Ocx, tmp_path: Path, text: str, status: int, said: str
) -> None:
    path = tmp_path / "shared.toml"
    path.write_text(text)
    path.chmod(0o646)
    run = ocx("config", "show", env={"OCX_CONFIG": str(path)}).has(status)
    assert f"ocx: {said}: {path} can be changed by others (mode 0646)" in run.stderr


def test_a_stored_key_never_meets_a_config_that_ocx_config_names(
    ocx: Ocx, chat_server: ChatServer, tmp_path: Path
) -> None:
    """It could name a proxy and its certificate, and leave base_url alone."""
    ocx("config", "set", "base_url", chat_server.base_url).has(0)
    ocx("keys", "add", "main", input=KEY.encode()).has(0)
    ocx("models").has(0)
    path = tmp_path / "theirs.toml"
    path.write_text(f"[profiles.default]\nbase_url = '{chat_server.base_url}'\nkey_name = 'main'\n")
    named = {"OCX_CONFIG": str(path)}
    asked = len(chat_server.requests)
    run = ocx("models", env=named).has(4)
    assert "keys of its own" in run.stderr
    assert len(chat_server.requests) == asked
    ocx("keys", "add", "main", input=KEY.encode(), env=named).has(0)
    ocx("models", env=named).has(0)
    ocx("keys", "rm", "main", "-y", env=named).has(0)
    assert "main" in ocx("keys", "list").has(0).text


def test_stored_keys_are_not_read_from_a_folder_that_others_may_write_to(
    ocx: Ocx, chat_server: ChatServer
) -> None:
    ocx("config", "set", "base_url", chat_server.base_url).has(0)
    ocx("keys", "add", "main", input=KEY.encode()).has(0)
    folder = ocx.config
    folder.chmod(0o777)
    run = ocx("models").has(3)
    assert f"chmod go-w {folder}" in run.stderr
    assert KEY not in run.stderr


@pytest.mark.parametrize("link", ["led.sqlite3.lock", "led.sqlite3"])
def test_a_planted_link_beside_a_ledger_is_not_followed(
    ocx: Ocx, tmp_path: Path, link: str
) -> None:
    folder = tmp_path / "ledgers"
    folder.mkdir()
    victim = tmp_path / "victim"
    victim.write_text("mine")
    (folder / link).symlink_to(victim)
    run = ocx("serve", "grant", "5", "--db", str(folder / "led.sqlite3")).has(3)
    assert "cannot open the ledger" in run.stderr
    assert victim.read_text() == "mine"


def test_a_ledger_in_a_folder_that_others_may_write_to_is_refused(ocx: Ocx, tmp_path: Path) -> None:
    folder = tmp_path / "open"
    folder.mkdir()
    folder.chmod(0o777)
    run = ocx("serve", "grant", "5", "--db", str(folder / "led.sqlite3")).has(3)
    assert f"chmod go-w {folder}" in run.stderr
    assert list(folder.iterdir()) == []


@pytest.mark.parametrize("mode", [0o777, 0o707, 0o1777])
def test_a_tape_is_kept_in_no_folder_that_others_may_write_to(
    online: Ocx, tmp_path: Path, mode: int
) -> None:
    """But in one with the sticky bit, as /tmp: there they cannot take it away."""
    folder = tmp_path / "shared"
    folder.mkdir()
    folder.chmod(mode)
    tape = folder / "tape.jsonl"
    child = (*online.forked().program, "models")
    refused = not mode & 0o1000
    run = online("serve", "--record", str(tape), "--", *child).has(3 if refused else 0)
    assert (f"chmod go-w {folder}" in run.stderr) is refused
    assert tape.exists() is not refused
    folder.chmod(0o700)
    tape.write_text("")
    folder.chmod(mode)
    words = ("serve", "--replay", str(tape), "--missing", "record", "--", *child)
    online(*words).has(3 if refused else 0)


@pytest.mark.parametrize("name", ["tape.jsonl.partial", "tape.jsonl"])
def test_a_link_that_is_planted_where_a_tape_grows_is_not_followed(
    online: Ocx, tmp_path: Path, name: str
) -> None:
    folder = tmp_path / "sticky"
    folder.mkdir()
    folder.chmod(0o1777)
    victim = tmp_path / "victim"
    victim.write_text("mine")
    (folder / name).symlink_to(victim)
    tape = folder / "tape.jsonl"
    online("serve", "--record", str(tape), "--", *online.forked().program, "models")
    assert victim.read_text() == "mine"


@as_root
def test_a_ledger_of_another_user_is_refused(ocx: Ocx, tmp_path: Path) -> None:
    path = tmp_path / "led.sqlite3"
    ocx("serve", "grant", "5", "--db", str(path)).has(0)
    os.chown(path, OTHER, OTHER)
    assert "not a file of yours" in ocx("serve", "check", "--db", str(path)).has(3).stderr


@as_root
def test_a_lock_of_another_user_beside_a_ledger_is_refused(ocx: Ocx, tmp_path: Path) -> None:
    path = tmp_path / "led.sqlite3"
    ocx("serve", "grant", "5", "--db", str(path)).has(0)
    lock = path.with_name(f"{path.name}.lock")
    lock.touch()
    os.chown(lock, OTHER, OTHER)
    with lock.open() as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        run = ocx("serve", "grant", "5", "--db", str(path)).has(3)
    assert "not a file of yours" in run.stderr


def test_a_model_id_that_may_hold_a_key_is_in_no_cache(ocx: Ocx, chat_server: ChatServer) -> None:
    given = {"OPENCODEX_API_KEY": KEY, "OCX_BASE_URL": chat_server.base_url}
    chat_server.answer(answers.answer(answers.models("fine", KEY, f"x-{KEY}")), path=MODELS)
    ocx("models", env=given).has(0)
    for path in ocx.cache.rglob("*.txt"):
        assert KEY not in path.read_text()


@pytest.mark.parametrize(
    "words",
    [
        ("keys", "show", "gsk_Ab1Cd2Ef3Gh4Ij5Kl6Mn"),
        ("keys", "use", "gsk_Ab1Cd2Ef3Gh4Ij5Kl6Mn"),
        ("keys", "rm", "-y", "gsk_Ab1Cd2Ef3Gh4Ij5Kl6Mn"),
        ("keys", "check", "gsk_Ab1Cd2Ef3Gh4Ij5Kl6Mn"),
        ("keys", "rotate", "gsk_Ab1Cd2Ef3Gh4Ij5Kl6Mn"),
        ("--key-file", "gsk_Ab1Cd2Ef3Gh4Ij5Kl6Mn", "models"),
        ("-P", "gsk_Ab1Cd2Ef3Gh4Ij5Kl6Mn", "models"),
        ("config", "set", "key_name", "gsk_Ab1Cd2Ef3Gh4Ij5Kl6Mn"),
        ("gsk_Ab1Cd2Ef3Gh4Ij5Kl6Mn",),
        ("chat", "--gsk_Ab1Cd2Ef3Gh4Ij5Kl6Mn"),
        ("config", "get", "gsk_Ab1Cd2Ef3Gh4Ij5Kl6Mn"),
        ("history", "show", "gsk_Ab1Cd2Ef3Gh4Ij5Kl6Mn"),
    ],
)
@pytest.mark.parametrize("json", some([(), ("--json",)], 1))
def test_a_key_of_any_provider_on_the_command_line_is_not_repeated(
    ocx: Ocx, words: tuple[str, ...], json: tuple[str, ...]
) -> None:
    run = ocx(*words, *json)
    assert run.status in (2, 3, 4, 7)
    assert "gsk_Ab1Cd" not in run.stderr + run.text
    config = ocx.config / "config.toml"
    assert not config.exists() or "gsk_" not in config.read_text()


HOSTILE = "a\x9b31m\u202eb\x1b]0;t\x07c"


@pytest.mark.parametrize(
    "words",
    [
        ("chat", "--dry-run", HOSTILE),
        ("chat", "--snippet", "curl", HOSTILE),
        ("chat", "--snippet", "python", HOSTILE),
        ("chat", "--dry-run", "-f", "hostile.txt"),
        ("config", "get", "system"),
        ("config", "show"),
        ("chat", "--estimate", "-m", "m\x9b1m", "hi"),
    ],
)
def test_what_others_wrote_is_no_command_to_the_terminal(
    online: Ocx, words: tuple[str, ...]
) -> None:
    (online.work / "hostile.txt").write_text(HOSTILE)
    online.profile(system=HOSTILE)
    process = online.in_terminal(*words)
    assert process.wait() == 0
    assert process.stdout is not None
    shown = process.stdout.all().decode()
    for raw in ("\x9b", "\u202e", "\x1b]0"):
        assert raw not in shown
    assert "c" in shown
