"""XDG folders: a variable counts where it is absolute."""

from pathlib import Path

import pytest

from ocx.config import paths


@pytest.mark.parametrize(
    ("env", "folder"),
    [
        ({"HOME": "/h"}, "/h/.config/ocx"),
        ({"HOME": "/h", "XDG_CONFIG_HOME": "/c"}, "/c/ocx"),
        ({"HOME": "/h", "XDG_CONFIG_HOME": ""}, "/h/.config/ocx"),
        ({"HOME": "/h", "XDG_CONFIG_HOME": "relative"}, "/h/.config/ocx"),
    ],
)
def test_config_dir(env: dict[str, str], folder: str) -> None:
    assert paths.config_dir(env) == Path(folder)


def test_other_folders() -> None:
    assert paths.state_dir({"HOME": "/h"}) == Path("/h/.local/state/ocx")
    assert paths.state_dir({"HOME": "/h", "XDG_STATE_HOME": "/s"}) == Path("/s/ocx")
    assert paths.cache_dir({"HOME": "/h"}) == Path("/h/.cache/ocx")
    assert paths.cache_dir({"HOME": "/h", "XDG_CACHE_HOME": "/k"}) == Path("/k/ocx")


@pytest.mark.parametrize("env", [{}, {"HOME": ""}, {"HOME": "here"}])
def test_without_a_home_the_user_database_knows(env: dict[str, str]) -> None:
    assert paths.config_dir(env) == Path.home() / ".config/ocx"


def test_ocx_config_moves_the_config_but_not_the_keys() -> None:
    env = {"HOME": "/h", "OCX_CONFIG": "/repository/ocx.toml"}
    assert paths.config_file(env) == Path("/repository/ocx.toml")
    assert paths.credentials_file(env) == Path("/h/.config/ocx/credentials.toml")
    assert paths.config_file({"HOME": "/h", "OCX_CONFIG": ""}) == Path("/h/.config/ocx/config.toml")
