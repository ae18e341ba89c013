"""What the groups of options refuse, and what they mean together.

The body of a request: settings, then the options of -O.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest

from ocx.batch.options import RowsOut
from ocx.chat.options import (
    AnswerChecks,
    ChatOptions,
    ConversationOptions,
    CreditLimits,
    Instructions,
    ModelOptions,
    OutputOptions,
    PreviewOptions,
    PromptOptions,
)
from ocx.chat.request import Request
from ocx.cli import OptionGroup
from ocx.config.settings import resolve
from ocx.errors import UsageError

GROUPS = (
    PromptOptions,
    Instructions,
    ModelOptions,
    ConversationOptions,
    OutputOptions,
    AnswerChecks,
    CreditLimits,
    PreviewOptions,
)


@pytest.mark.parametrize(
    ("group", "json", "says"),
    [
        (AnswerChecks(extract=True, extract_last=True), False, "--extract and --extract-last"),
        (AnswerChecks(extract=True, schema="a"), False, "--schema and --extract"),
        (AnswerChecks(extract_last=True, schema=""), False, "--schema and --extract"),
        (AnswerChecks(schema_retries=1), False, "--schema-retries is about --schema"),
        (ChatOptions(checks=AnswerChecks(schema="")), True, "--json and --schema"),
        (ChatOptions(checks=AnswerChecks(extract_last=True)), True, "--json and --extract"),
        (ConversationOptions(continue_last=True, named="a"), False, "-c and --conversation"),
        (ConversationOptions(continue_last=True, log=False), False, "-n keeps nothing"),
        (ConversationOptions(named="a", log=False), True, "-n keeps nothing"),
        (ChatOptions(preview=PreviewOptions(dry_run=True)), True, "--json excludes"),
        (ChatOptions(preview=PreviewOptions(snippet="curl")), True, "--json excludes"),
        (OutputOptions(file="temperature"), False, "-o names the output file"),
        (OutputOptions(file="a", report="./a"), False, "-o and --report are one file"),
        (RowsOut(output="a", junit="./a"), False, "-o and --junit are one file"),
        (RowsOut(report="-"), False, "--report - is stdout"),
    ],
)
def test_what_excludes_each_other(group: OptionGroup, json: bool, says: str) -> None:
    with pytest.raises(UsageError, match=says):
        group.check(json=json)


def test_an_empty_value_is_a_value() -> None:
    """`--min-balance "$MIN"` where MIN is not set lifts no limit."""
    assert CreditLimits(min_balance="").given
    assert AnswerChecks(schema="").need_text
    assert ConversationOptions(named="").continues
    assert not (CreditLimits().given or AnswerChecks().need_text or ConversationOptions().continues)


def test_every_option_is_declared_on_one_field() -> None:
    """With a help text, a default, and flags and a name that no other has."""
    names: list[str] = []
    flags: list[str] = []
    for group in GROUPS:
        for field in fields(group):
            option = field.metadata["option"]
            assert option.help
            names.append(field.name)
            flags += option.flags
    assert len(set(names)) == len(names)
    assert len(set(flags)) == len(flags)


Body = Callable[..., dict[str, Any]]


@pytest.fixture
def body(tmp_path: Path) -> Body:
    """The body for flags and options, with a limit in the profile."""
    (tmp_path / "ocx").mkdir()
    (tmp_path / "ocx/config.toml").write_text("[profiles.default]\nmax_tokens = 7\n")
    env = {"HOME": str(tmp_path), "XDG_CONFIG_HOME": str(tmp_path)}

    def make(flags: dict[str, Any] | None = None, **options: Any) -> dict[str, Any]:
        return Request(resolve(flags or {}, env), (), None, False, False, options).body()

    return make


def test_a_limit_of_the_settings_is_sent(body: Body) -> None:
    assert body()["max_tokens"] == 7


def test_but_not_beside_its_successor_unless_a_flag_of_this_call_gave_it(body: Body) -> None:
    assert "max_tokens" not in body(max_completion_tokens=9)
    both = body(flags={"max_tokens": 5}, max_completion_tokens=9)
    assert (both["max_tokens"], both["max_completion_tokens"]) == (5, 9)


@pytest.mark.parametrize(
    "option",
    [
        {"temperature": 2.1},
        {"top_p": -0.1},
        {"max_tokens": 0},
        {"max_tokens": True},
        {"max_tokens": "9"},
    ],
)
def test_a_number_out_of_its_range(body: Body, option: dict[str, Any]) -> None:
    with pytest.raises(UsageError):
        body(**option)
