from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from ocx.chat.placeholders import parse_params
from ocx.chat.templates import (
    Template,
    dump,
    load_template,
    parse_template,
    render,
    template_names,
    template_path,
)
from ocx.errors import ConfigError, OcxError, UsageError
from tests.support.sizes import examples

FULL = """\
model = "gpt-4o"
system = "You translate into $language."
prompt = "Translate: $stdin"

[defaults]
language = "Malay"
formal = true
size = 3

[options]
temperature = 0.2
logit_bias = { a = 1 }
"""


def test_a_whole_template() -> None:
    template = parse_template(FULL, "tr")
    assert template == Template(
        "tr",
        "You translate into $language.",
        "Translate: $stdin",
        "gpt-4o",
        {"temperature": 0.2, "logit_bias": {"a": 1}},
        {"language": "Malay", "formal": "true", "size": "3"},
    )
    assert template.places_of() == ("language", "stdin")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("system = 1 1", "line 1, column 12"),
        ("system = ", "(at line 1, column 10)"),
        ('a = 1\nb = "x\n', "line 2"),
        ('promt = "x"', "tr:1: promt: unknown setting; did you mean prompt?"),
        ('model = "m"\n\n  [option]\nx=1', "tr:3: option: unknown setting; did you mean options?"),
        ('"weird key" = 1', "tr:1: weird key: unknown setting; there are system, "),
        ("system = 7", "tr:1: system: must be a text"),
        ("options = 7", "options: must be a table"),
        ('[options]\nmodel = "m"', "tr:2: options.model: no option can set it"),
        ("[options]\nseed = 1\nwhen = 2020-01-01", "tr:3: options.when: is not a JSON value"),
        ("[options]\nx = nan", "not a JSON value"),
        ("[defaults]\nx = [1]", "tr:2: defaults.x: must be a text"),
        ("[defaults]\nstdin = 'x'", "defaults.stdin: cannot be a parameter"),
        ("[defaults]\n'{a}' = 'x'", "defaults.{a}: cannot be a parameter"),
        ("defaults.'a}' = 'x'", "tr:1: defaults.a}: cannot be a parameter"),
    ],
)
def test_broken_templates_say_where(text: str, message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        parse_template(text, "tr")
    assert caught.value.message.startswith("template tr:")
    assert message in caught.value.message


@pytest.mark.parametrize(
    ("text", "values", "filled"),
    [
        ("plain", {}, "plain"),
        ("$a-$b", {"a": "1", "b": "2"}, "1-2"),
        ("${a}b", {"a": "1"}, "1b"),
        ("$a_b", {"a_b": "1"}, "1"),
        ("costs $5, $$a, 100$", {}, "costs $5, $a, 100$"),
        ("$a", {"a": "$b ${b} $$"}, "$b ${b} $$"),
        ("${not closed $ {x}", {}, "${not closed $ {x}"),
        ("é$a.", {"a": "ü"}, "éü."),
    ],
)
def test_places(text: str, values: dict[str, str], filled: str) -> None:
    assert render(Template("t", prompt=text), values, None).prompt == filled


def test_defaults_and_stdin() -> None:
    rendered = render(parse_template(FULL, "tr"), {}, "hello\n")
    assert rendered.system == "You translate into Malay."
    assert rendered.prompt == "Translate: hello\n"
    rendered = render(parse_template(FULL, "tr"), {"language": "中文"}, "")
    assert rendered.system == "You translate into 中文."
    assert render(Template("t"), {}, "unused").prompt is None


def test_everything_missing_is_listed() -> None:
    template = Template("t", system="$a", prompt="$b $a $stdin $c", defaults={"c": "x"})
    with pytest.raises(UsageError) as caught:
        render(template, {}, None)
    assert caught.value.message == "missing parameters for template t: a, b, stdin"
    assert caught.value.hint == "add -p a=… -p b=… and pipe something in for $stdin"
    with pytest.raises(UsageError) as caught:
        render(template, {"a": "1", "b": "2"}, None)
    assert caught.value.hint == "pipe something in for $stdin"


@pytest.mark.parametrize(
    ("params", "message"),
    [
        ({"langauge": "x"}, "did you mean language?"),
        ({"stdin": "x"}, "-p cannot set stdin"),
        ({"zzz": "x"}, "has no parameter zzz"),
    ],
)
def test_a_parameter_without_a_place_is_a_mistake(params: dict[str, str], message: str) -> None:
    with pytest.raises(UsageError) as caught:
        render(Template("t", prompt="$language"), params, None)
    assert message in caught.value.message
    with pytest.raises(UsageError):
        render(Template("t", prompt="none"), params, None)


def test_params() -> None:
    assert parse_params(["a=1", "b=x=y", "c="]) == {"a": "1", "b": "x=y", "c": ""}


@pytest.mark.parametrize("words", [["a"], ["=1"], ["{a}=1"], [" a=1"], ["a=1", "a=2"]])
def test_bad_params(words: list[str]) -> None:
    with pytest.raises(UsageError, match="-p"):
        parse_params(words)


def test_files(tmp_path: Path) -> None:
    folder = tmp_path / "templates"
    assert template_names(folder) == []
    folder.mkdir()
    template = parse_template(FULL, "tr")
    template_path(folder, "tr").write_bytes(dump(template))
    (folder / ".hidden.toml").write_text("")
    assert template_names(folder) == ["tr"]
    assert load_template(folder, "tr") == template
    with pytest.raises(UsageError, match="did you mean tr"):
        load_template(folder, "trr")
    template_path(folder, "latin").write_bytes(b'system = "\xff"')
    with pytest.raises(ConfigError, match="not UTF-8"):
        load_template(folder, "latin")
    (folder / "dir.toml").mkdir()
    with pytest.raises(ConfigError, match="cannot read"):
        load_template(folder, "dir")


@pytest.mark.parametrize(
    "name", ["", "../x", "a/b", ".x", "a b", "译/文", "x" * 65, "-x", "译\u2028文"]
)
def test_a_name_is_no_path(name: str) -> None:
    with pytest.raises(UsageError, match="cannot be the name"):
        template_path(Path("/nowhere"), name)


TEXTS = st.none() | st.text(max_size=20)


@settings(max_examples=examples(80))
@given(TEXTS, TEXTS, st.none() | st.text(min_size=1, max_size=5), st.integers(-9, 9))
@example("one\r\ntwo", None, "\r\n", 0)
def test_what_is_saved_is_loaded_again(
    system: str | None, prompt: str | None, model: str | None, seed: int
) -> None:
    """Quotes, newlines, control characters: TOML gives back the same text."""
    template = Template("t", system, prompt, model, {"seed": seed}, {"p": "x"})
    assert parse_template(dump(template).decode(), "t") == template


@settings(max_examples=examples(80))
@given(st.text(max_size=9) | st.sampled_from(["$a", "${b}", "$$", "$stdin", "\\1"]))
def test_values_are_put_in_once_and_unchanged(value: str) -> None:
    template = Template("t", prompt="<$a|${b}|$stdin>")
    filled = render(template, {"a": value, "b": value}, value).prompt
    assert filled == f"<{value}|{value}|{value}>"


@settings(max_examples=examples(100))
@given(st.text('ab="[]\n#.$\\1', max_size=30))
def test_no_file_breaks_the_reader(text: str) -> None:
    try:
        parse_template(text, "t")
    except OcxError as error:
        assert "\n" not in error.message
