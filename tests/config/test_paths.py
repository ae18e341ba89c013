"""XDG folders: a variable counts where it is absolute."""

import hashlib
import os
import pwd
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
    home = Path(pwd.getpwuid(os.geteuid()).pw_dir)  # not $HOME of who runs the tests
    assert paths.config_dir(env) == home / ".config/ocx"


def test_a_config_that_ocx_config_names_has_credentials_of_its_own(tmp_path: Path) -> None:
    named = tmp_path / "ocx.toml"
    link = tmp_path / "link.toml"
    link.symlink_to(named)
    env = {"HOME": "/h", "OCX_CONFIG": str(named)}
    digest = hashlib.sha256(str(named).encode()).hexdigest()
    own = Path(f"/h/.config/ocx/credentials/{digest}.toml")
    assert paths.config_file(env) == named
    assert paths.credentials_file(env) == own
    assert paths.credentials_file({**env, "OCX_CONFIG": str(link)}) == own
    usual = Path("/h/.config/ocx/credentials.toml")
    for path in ("", "/h/.config/ocx/config.toml", "/h/.config/../.config/ocx/config.toml"):
        assert paths.credentials_file({"HOME": "/h", "OCX_CONFIG": path}) == usual
    assert paths.config_file({"HOME": "/h", "OCX_CONFIG": ""}) == Path("/h/.config/ocx/config.toml")
