"""What the groups of options refuse, and what they mean together."""

from __future__ import annotations

from dataclasses import fields

import pytest

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
from ocx.cli import OptionGroup
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
        (OutputOptions(reasoning="maybe"), False, "hide, show or raw"),
        (OutputOptions(file="temperature"), False, "-o names the output file"),
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
