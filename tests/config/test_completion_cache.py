"""Lists for completion: names only, nothing that a shell could take for more."""

from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from ocx.config.paths import write_names


def test_sorted_one_a_line(tmp_path: Path) -> None:
    env = {"HOME": str(tmp_path)}
    write_names(env, "profiles", ["b", "a"])
    path = tmp_path / ".cache/ocx/names/profiles.txt"
    assert path.read_text() == "a\nb\n"
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
