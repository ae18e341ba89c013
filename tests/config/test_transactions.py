"""Changes to the two files: typed, whole, under a lock, with comments kept."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any

import pytest
import tomli_w
from hypothesis import given
from hypothesis import strategies as st

from ocx.config.profiles import ConfigFile, load
from ocx.config.saving import change_config, change_profile
from ocx.errors import ConfigError, OcxError
from ocx.keys.credentials import change_keys, load_keys
from tests.support.processes import all_at_once


@pytest.fixture
def env(tmp_path: Path) -> dict[str, str]:
    return {"HOME": str(tmp_path)}


def config(env: dict[str, str]) -> Path:
    return Path(env["HOME"]) / ".config/ocx/config.toml"


def write(env: dict[str, str], text: str) -> Path:
    path = config(env)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


def set_model(_: ConfigFile, profile: dict[str, Any]) -> None:
    profile["model"] = "m"


def test_a_new_file_is_private_and_names_are_listed(env: dict[str, str]) -> None:
    assert change_profile(env, {"profile": "work"}, set_model) == "work"
    assert tomllib.loads(config(env).read_text()) == {"profiles": {"work": {"model": "m"}}}
    assert config(env).stat().st_mode & 0o777 == 0o600
    assert config(env).parent.stat().st_mode & 0o777 == 0o700
    names = Path(env["HOME"]) / ".cache/ocx/names/profiles.txt"
    assert names.read_text() == "default\nsandbox\nwork\n"


def test_comments_and_the_mode_stay(env: dict[str, str]) -> None:
    path = write(env, "# mine\n[profiles.default]\nretries = 1 # few\nmodel = 'm' # ours\n")
    path.chmod(0o640)
    change_profile(env, {}, lambda _, profile: profile.update(retries=2, top_p=0.5))
    text = "# mine\n[profiles.default]\nretries = 2 # few\nmodel = 'm' # ours\ntop_p = 0.5\n"
    assert path.read_text() == text
    assert path.stat().st_mode & 0o777 == 0o640


def test_no_change_writes_nothing(env: dict[str, str]) -> None:
    text = "# mine\n[profiles.default]\nmodel    = 'm'\n"
    path = write(env, text)
    change_profile(env, {}, set_model)
    assert path.read_text() == text


def test_an_error_saves_nothing(env: dict[str, str]) -> None:
    path = write(env, "a = 1\n")

    def fail(config: ConfigFile) -> None:
        config.data.clear()
        raise ConfigError("no")

    with pytest.raises(ConfigError, match="no"):
        change_config(env, fail)
    assert path.read_text() == "a = 1\n"


@pytest.mark.parametrize(
    ("flags", "variable"),
    [({"profile": "sandbox"}, ""), ({"sandbox": True}, ""), ({}, "sandbox")],
)
def test_the_sandbox_cannot_be_written(
    env: dict[str, str], flags: dict[str, Any], variable: str
) -> None:
    with pytest.raises(ConfigError, match="built in"):
        change_profile({**env, "OCX_PROFILE": variable}, flags, set_model)
    assert not config(env).exists()


def test_which_profile_is_written(env: dict[str, str]) -> None:
    write(env, 'default_profile = "work"\n[profiles.work]\nretries = 1\n')
    assert change_profile(env, {}, set_model) == "work"
    assert change_profile({**env, "OCX_PROFILE": "home"}, {}, set_model) == "home"
    assert change_profile(env, {"profile": "new"}, set_model) == "new"
    with pytest.raises(ConfigError, match="no profile other"):
        change_profile(env, {"profile": "other"}, set_model, create=False)
    assert load(env).names() == ["default", "home", "new", "sandbox", "work"]


def test_an_emptied_profile_stays_one_and_an_empty_one_is_not_made(env: dict[str, str]) -> None:
    write(env, "[profiles.work]\nretries = 1\n")
    change_profile(env, {"profile": "work"}, lambda _, profile: profile.clear())
    change_profile(env, {"profile": "new"}, lambda _, profile: profile.clear())
    assert load(env).data == {"profiles": {"work": {}}}


def test_a_folder_of_the_users_is_not_closed(env: dict[str, str], tmp_path: Path) -> None:
    """OCX_CONFIG may lie in a repository that others read."""
    (tmp_path / "repository").mkdir(mode=0o755)
    env["OCX_CONFIG"] = str(tmp_path / "repository" / "deep" / "ocx.toml")
    change_profile(env, {}, set_model)
    assert load(env).profile("default") == {"model": "m"}
    assert (tmp_path / "repository").stat().st_mode & 0o777 == 0o755


def test_a_loose_folder_is_closed_for_keys(env: dict[str, str]) -> None:
    path = write(env, "")
    path.parent.chmod(0o755)
    change_keys(env, lambda _: None)
    assert path.parent.stat().st_mode & 0o777 == 0o700


def test_what_cannot_be_written_is_one_line(env: dict[str, str]) -> None:
    (Path(env["HOME"]) / ".config").write_text("a file, where a folder should be")
    with pytest.raises(OcxError, match="cannot write") as caught:
        change_profile(env, {}, set_model)
    assert type(caught.value) is OcxError
    with pytest.raises(OcxError, match="cannot write"):
        change_keys(env, lambda _: None)


def test_a_cache_that_cannot_be_written_is_no_failure(env: dict[str, str]) -> None:
    (Path(env["HOME"]) / ".cache").write_text("a file")
    change_profile(env, {}, set_model)
    assert load(env).profile("default") == {"model": "m"}


TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=8)
VALUE = st.recursive(
    TEXT | st.booleans() | st.integers(-(2**63), 2**63 - 1) | st.floats(allow_nan=False),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3),
    max_leaves=6,
)


@given(st.dictionaries(TEXT.filter(lambda key: key != "profiles"), VALUE, max_size=4))
def test_everything_else_in_the_file_survives(
    tmp_path_factory: pytest.TempPathFactory, data: dict[str, Any]
) -> None:
    env = {"HOME": str(tmp_path_factory.mktemp("home"))}
    path = write(env, "")
    data.pop("default_profile", None)
    path.write_bytes(tomli_w.dumps(data).encode())
    change_profile(env, {}, set_model)
    assert load(env).data == {**data, "profiles": {"default": {"model": "m"}}}


WRITER = """
import sys
from ocx.keys.credentials import StoredKey, change_keys
from ocx.config.saving import change_profile
from ocx.secret import Secret
env, who = {"HOME": sys.argv[1]}, sys.argv[2]
print("ready", flush=True)
sys.stdin.readline()
for i in range(15):
    name = f"{who}{i}"
    change_keys(env, lambda keys: keys.update({name: StoredKey(name, Secret("sk-" + name))}))
    change_profile(env, {"profile": name}, lambda _, profile: profile.update(key_name=name))
"""


def test_processes_that_write_at_once_lose_nothing(env: dict[str, str]) -> None:
    all_at_once(WRITER, *((env["HOME"], who) for who in "abc"))
    names = sorted(f"{who}{i}" for who in "abc" for i in range(15))
    assert sorted(load_keys(env)) == names
    assert {name: load(env).profile(name) for name in names} == {
        name: {"key_name": name} for name in names
    }
    listed = (Path(env["HOME"]) / ".cache/ocx/names/keys.txt").read_text().split()
    assert listed == names
    left = {path.name for path in config(env).parent.iterdir()}
    assert left == {
        "config.toml",
        "credentials.toml",
        ".config.toml.lock",
        ".credentials.toml.lock",
    }
