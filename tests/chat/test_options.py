"""What the groups of options refuse, and what they mean together."""

from __future__ import annotations

from dataclasses import fields
from typing import get_type_hints

import pytest

from ocx.chat.options import (
    Checks,
    Conversation,
    CreditLimits,
    Look,
    Output,
    Prompt,
    Sampling,
)
from ocx.cli.options import Option, OptionGroup
from ocx.errors import UsageError

GROUPS = (Prompt, Sampling, Conversation, Output, Checks, CreditLimits, Look)


@pytest.mark.parametrize(
    ("group", "json", "says"),
    [
        (Checks(extract=True, extract_last=True), False, "--extract and --extract-last"),
        (Checks(extract=True, schema="a"), False, "--schema and --extract"),
        (Checks(extract_last=True, schema=""), False, "--schema and --extract"),
        (Checks(schema_retries=1), False, "--schema-retries is about --schema"),
        (Checks(schema=""), True, "--json and --schema"),
        (Checks(extract_last=True), True, "--json and --extract"),
        (Conversation(continue_last=True, named="a"), False, "-c and --conversation"),
        (Conversation(continue_last=True, log=False), False, "-n keeps nothing"),
        (Conversation(named="a", log=False), True, "-n keeps nothing"),
        (Look(dry_run=True), True, "--json excludes"),
        (Look(snippet="curl"), True, "--json excludes"),
        (Output(reasoning="maybe"), False, "hide, show or raw"),
        (Output(file="temperature"), False, "-o names the output file"),
    ],
)
def test_what_excludes_each_other(group: OptionGroup, json: bool, says: str) -> None:
    with pytest.raises(UsageError, match=says):
        group.check(json=json)


@pytest.mark.parametrize(
    ("group", "json"),
    [
        *((group(), json) for group in GROUPS for json in (True, False)),
        (Checks(schema="a", schema_retries=3, fail_on_length=True), False),
        (Checks(fail_on_length=True), True),
        (Conversation(named="a", log=True), True),
        (Look(dry_run=True, snippet="curl"), False),
        (Look(save_template="a"), True),
        (Output(file="out", stream=False, usage=True, reasoning="show"), True),
    ],
)
def test_what_goes_together(group: OptionGroup, json: bool) -> None:
    group.check(json=json)


def test_an_empty_value_is_a_value() -> None:
    """`--min-balance "$MIN"` where MIN is not set lifts no limit."""
    assert CreditLimits(min_balance="").given
    assert Checks(schema="").need_text
    assert Conversation(named="").continues
    assert not (CreditLimits().given or Checks().need_text or Conversation().continues)


def test_every_option_is_declared_on_one_field() -> None:
    """With a help text, a default, and flags and a name that no other has."""
    names: list[str] = []
    flags: list[str] = []
    for group in GROUPS:
        hints = get_type_hints(group, include_extras=True)
        for field in fields(group):
            (option,) = hints[field.name].__metadata__
            assert isinstance(option, Option)
            assert option.help
            assert getattr(group(), field.name) == field.default
            names.append(field.name)
            flags += option.flags
    assert len(set(names)) == len(names)
    assert len(set(flags)) == len(flags)
