"""Stored keys: for their owner's eyes, and never in a message."""

from __future__ import annotations

import os
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ocx.errors import AuthError, ConfigError, OcxError
from ocx.keys import credentials
from ocx.keys.credentials import StoredKey, change_keys, is_default_key, load_keys, stored_key
from ocx.secret import Secret

KEY = "sk-live-abcdefgh12345678"


@pytest.fixture
def env(tmp_path: Path) -> dict[str, str]:
    (tmp_path / ".config/ocx").mkdir(parents=True)
    return {"HOME": str(tmp_path)}


def write(env: dict[str, str], text: str, mode: int = 0o600) -> Path:
    path = Path(env["HOME"]) / ".config/ocx/credentials.toml"
    path.write_text(text)
    path.chmod(mode)
    return path


def test_none(env: dict[str, str]) -> None:
    assert load_keys(env) == {}
    write(env, "")
    assert load_keys(env) == {}


def test_as_documented(env: dict[str, str]) -> None:
    write(
        env,
        f'[keys.work]\nkey = "{KEY}"\ncreated = 2025-01-31T12:00:00Z\n'
        f'base_url = "https://x.example/v1"\n[keys.bare]\nkey = "k"\n'
        '[keys.local]\nkey = "k"\ncreated = 2025-01-31T12:00:00\n'
        '[keys.odd]\nkey = "k"\ncreated = "yesterday"\nbase_url = 1\n',
    )
    created = datetime(2025, 1, 31, 12, tzinfo=UTC)
    assert load_keys(env) == {
        "work": StoredKey("work", Secret(KEY), created, "https://x.example/v1"),
        "bare": StoredKey("bare", Secret("k")),
        "local": StoredKey("local", Secret("k"), created),
        "odd": StoredKey("odd", Secret("k")),
    }


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o644, 0o660, 0o601, 0o777])
def test_a_file_that_others_can_read_is_refused(env: dict[str, str], mode: int) -> None:
    path = write(env, f'[keys.work]\nkey = "{KEY}"\n', mode)
    with pytest.raises(ConfigError, match=f"mode {mode:04o}") as caught:
        load_keys(env)
    assert f"chmod 600 {path}" in (caught.value.hint or "")


def test_what_is_no_file_is_refused_at_once(env: dict[str, str]) -> None:
    """A FIFO would be waited for, for ever; with another configuration the default one's, too."""
    path = write(env, "")
    path.unlink()
    os.mkfifo(path, 0o600)
    with pytest.raises(ConfigError, match="is no regular file"):
        load_keys(env)
    elsewhere = {**env, "OCX_CONFIG": f"{env['HOME']}/elsewhere/config.toml"}
    assert not is_default_key("work", elsewhere)


@pytest.mark.parametrize("mode", [0o600, 0o400, 0o700])
def test_a_private_file_is_read(env: dict[str, str], mode: int) -> None:
    write(env, f'[keys.work]\nkey = "{KEY}"\n', mode)
    assert list(load_keys(env)) == ["work"]


def test_a_file_of_another_user_is_refused(
    env: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    write(env, f'[keys.work]\nkey = "{KEY}"\n')
    owner = os.geteuid()
    monkeypatch.setattr(credentials.os, "geteuid", lambda: owner + 1)
    with pytest.raises(ConfigError, match="belongs to another user"):
        load_keys(env)


@pytest.mark.parametrize(
    "text",
    [
        f'[keys.work]\nkey = "{KEY}',
        f"[keys.work]\nkey = {KEY}",
        f'keys = "{KEY}"',
        f'[keys]\nwork = "{KEY}"',
        f'[keys.work]\nkey = ["{KEY}"]',
        f'[keys.work]\nkey = "{KEY} {KEY}"',
        '[keys.work]\nkey = ""',
        f'[keys.work]\ntoken = "{KEY}"',
    ],
)
def test_a_broken_file_is_refused_and_not_repeated(env: dict[str, str], text: str) -> None:
    write(env, text)
    with pytest.raises(ConfigError) as caught:
        load_keys(env)
    assert "credentials.toml" in caught.value.message
    assert "abcdefgh" not in caught.value.message + (caught.value.hint or "")


def test_an_unreadable_one(env: dict[str, str]) -> None:
    (Path(env["HOME"]) / ".config/ocx/credentials.toml").mkdir(mode=0o700)
    with pytest.raises(ConfigError, match="cannot read"):
        load_keys(env)


def test_looking_up() -> None:
    keys = {"work": StoredKey("work", Secret(KEY))}
    assert stored_key(keys, "work").secret == Secret(KEY)
    with pytest.raises(AuthError, match="no key wrok is stored") as caught:
        stored_key(keys, "wrok")
    assert caught.value.hint == "did you mean work?"
    with pytest.raises(AuthError) as caught:
        stored_key({}, "work")
    assert caught.value.hint == "`ocx keys add work` stores it"
    with pytest.raises(OcxError) as refused:
        stored_key(keys, KEY)
    assert KEY not in refused.value.message + (refused.value.hint or "")


@pytest.mark.parametrize(("days", "age"), [(0, 0), (0.99, 0), (1, 1), (400.5, 400), (-3, 0)])
def test_age(days: float, age: int) -> None:
    now = datetime(2025, 6, 1, tzinfo=UTC)
    assert StoredKey("a", Secret(KEY), now - timedelta(days=days)).age_days(now) == age
    assert StoredKey("a", Secret(KEY)).age_days(now) is None


STORED = st.builds(
    StoredKey,
    st.from_regex(r"[A-Za-z0-9][A-Za-z0-9._-]{0,10}", fullmatch=True),
    st.from_regex(r"[!-~]{1,40}", fullmatch=True).map(Secret),
    st.none()
    | st.datetimes(datetime(1970, 1, 1), datetime(2100, 1, 1), timezones=st.just(UTC)).map(
        lambda at: at.replace(microsecond=0)
    ),
    st.none() | st.just("https://x.example/v1"),
)


@given(st.lists(STORED))
def test_any_keys_come_back_as_they_were_stored(
    tmp_path_factory: pytest.TempPathFactory, stored: list[StoredKey]
) -> None:
    home = tmp_path_factory.mktemp("home")
    env = {"HOME": str(home)}
    keys = {key.name: key for key in stored}
    change_keys(env, lambda old: old.update(keys))
    assert load_keys(env) == keys
    path = home / ".config/ocx/credentials.toml"
    assert path.stat().st_mode & 0o777 == 0o600
    assert path.parent.stat().st_mode & 0o777 == 0o700
    names = (home / ".cache/ocx/names/keys.txt").read_text().split()
    assert names == sorted(keys)
