"""XDG folders: a variable counts where it is absolute.

A value's source: one type for what decides, and one text for what is shown.

Tables of config.toml beside the profiles.

Lists for completion: names only, nothing that a shell could take for more.
"""

from __future__ import annotations

import hashlib
import os
import pwd
from pathlib import Path
from typing import Any, get_args, get_type_hints

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ocx.config import paths
from ocx.config.paths import write_names
from ocx.config.profiles import read
from ocx.config.schema import Source
from ocx.errors import ConfigError


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


@pytest.mark.parametrize("layer", get_args(get_type_hints(Source)["layer"]))
def test_only_flags_and_variables_are_of_this_call(layer: Any) -> None:
    """This decides where a key may go: a profile named `flag` must not pass for one."""
    explicit = layer in {"flag", "environment"}
    assert Source(layer, "flag").is_explicit == explicit


def test_prices_are_those_of_prompts_and_answers(tmp_path: Path) -> None:
    path = tmp_path / "config.toml"
    path.write_text(
        '[prices."m"]\nprompt = 5\ncompletion = 0.5\n[prices.free]\nprompt = 0\ncompletion = 0\n'
    )
    assert read(path).prices() == {
        "m": {"prompt": 5, "completion": 0.5},
        "free": {"prompt": 0, "completion": 0},
    }
    path.write_text('[prices."m"]\nprompt = 5\ncompletion = 0.5\ncached_prompt = 1\n')
    assert read(path).prices() == {"m": {"prompt": 5, "completion": 0.5, "cached_prompt": 1}}


@pytest.mark.parametrize(
    "row",
    ["5", "{prompt = 5}", "{prompt = -1, completion = 1}", "{prompt = true, completion = 1}",
     "{prompt = nan, completion = 1}", '{prompt = "1", completion = 1}',
     "{prompt = 1, completion = 1, more = 1}", "{prompt = 1, cached_prompt = 1}",
     "{prompt = 1, completion = 1, cached_prompt = -1}"],
)  # fmt: skip
def test_prices_that_are_none(tmp_path: Path, row: str) -> None:
    path = tmp_path / "config.toml"
    path.write_text(f"[prices]\nm = {row}\n")
    with pytest.raises(ConfigError, match="prices"):
        read(path).prices()


def test_one_a_line_in_their_order(tmp_path: Path) -> None:
    env = {"HOME": str(tmp_path)}
    write_names(env, "profiles", ["b", "a"])
    path = tmp_path / ".cache/ocx/names/profiles.txt"
    assert path.read_text() == "b\na\n"
    write_names(env, "profiles", [])
    assert path.read_text() == ""


@given(st.lists(st.text(max_size=6) | st.sampled_from(["$(x)", "`x`", "a;b", "a b", "ok", "工作"])))
def test_only_plain_names(names: list[str]) -> None:
    import re
    import tempfile
    import unicodedata

    with tempfile.TemporaryDirectory() as home:
        write_names({"HOME": home}, "keys", names)
        text = (Path(home) / ".cache/ocx/names/keys.txt").read_text("utf-8")
    ascii_lines = "".join(line for line in text.splitlines(keepends=True) if line.isascii())
    assert re.fullmatch(r"([A-Za-z0-9][A-Za-z0-9._-]*\n)*", ascii_lines)
    for line in text.split("\n"):
        assert not line or unicodedata.category(line[0])[0] in "LN"
        assert {unicodedata.category(each)[0] for each in line} <= set("LMNP")
        assert not {each for each in line if unicodedata.category(each)[0] == "P"} - set("._-")
    for good in ("ok", "工作"):
        assert (good in names) == (good in text.split("\n"))
