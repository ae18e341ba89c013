"""Lists for completion: names only, nothing that a shell could take for more."""

from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from ocx.config.completion_cache import write_names


def test_sorted_one_a_line(tmp_path: Path) -> None:
    env = {"HOME": str(tmp_path)}
    write_names(env, "profiles", ["b", "a"])
    path = tmp_path / ".cache/ocx/names/profiles.txt"
    assert path.read_text() == "a\nb\n"
    write_names(env, "profiles", [])
    assert path.read_text() == ""


@given(st.lists(st.text(max_size=6) | st.sampled_from(["$(x)", "`x`", "a;b", "a b", "ok"])))
def test_only_plain_names(names: list[str]) -> None:
    import re
    import tempfile

    with tempfile.TemporaryDirectory() as home:
        write_names({"HOME": home}, "keys", names)
        text = (Path(home) / ".cache/ocx/names/keys.txt").read_text()
    assert re.fullmatch(r"([A-Za-z0-9][A-Za-z0-9._-]*\n)*", text)
    assert ("ok" in names) == ("ok\n" in text)
