"""A key cannot be printed by accident."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ocx.secret import Secret, StreamMask, mask, redact

LONG = "sk-live-Te5tKey0000000000000000000000a1b2"
KEY_SHAPED = st.from_regex(r"sk-[A-Za-z0-9_-]{8,40}", fullmatch=True)


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        (LONG, "sk-live-…a1b2"),
        ("sk-live-local-" + "x" * 40 + "a1b2", "sk-live-local-…a1b2"),
        ("sk-proj-0123456789abcdefa1b2", "sk-…a1b2"),
        ("no-prefix-0123456789-a1b2", "…a1b2"),
        ("sk-live-56789012345", "sk-live-…"),
        ("sk-live-567890123456", "sk-live-…3456"),
        ("short", "…"),
        ("", "…"),
    ],
)
def test_the_mask_keeps_the_prefix_and_from_20_characters_on_the_last_four(
    text: str, shown: str
) -> None:
    secret = Secret(text)
    assert secret.masked() == str(secret) == f"{secret}" == shown
    assert repr(secret) == f"Secret({shown})"
    assert secret.reveal() == text


@pytest.mark.parametrize("key", [LONG, 'odd"and\\slashed/key', "a+b.c*d"])
def test_every_spelling_of_a_key_is_masked(key: str) -> None:
    secret = Secret(key)
    spelled = [
        key,
        json.dumps(key)[1:-1],
        "".join(f"\\u{ord(char):04x}" for char in key),
        "".join(f"\\u{ord(char):04X}" for char in key),
        "\0".join(key),
        key[:5] + "\0" + key[5:],
    ]
    for text in spelled:
        assert redact(f"<{text}> \\", (secret,)) == f"<{secret.masked()}> \\"
    assert redact(f"<{key[:-1]}> \\", (secret,)).endswith("> \\")


@pytest.mark.parametrize(
    ("text", "valid"),
    [
        (LONG, True),
        ("!", True),
        ("~" * 512, True),
        ("~" * 513, False),
        ("", False),
        ("a b", False),
        ("a\n", False),
        ("a\tb", False),
        ("é", False),
        ("a\x7f", False),
        ("a\x00", False),
        ("\uff11", False),
    ],
)
def test_valid_is_what_can_stand_in_a_header(text: str, valid: bool) -> None:
    assert Secret(text).is_valid() is valid


def test_keys_compare_by_their_text() -> None:
    assert Secret(LONG) == Secret(LONG) != Secret("other")
    assert Secret(LONG) != LONG
    assert len({Secret(LONG), Secret(LONG)}) == 1


def test_attributes_do_not_show_it() -> None:
    assert not hasattr(Secret(LONG), "__dict__")


@given(before=st.text(), after=st.text(), key=KEY_SHAPED)
def test_redact_hides_the_key_in_use_wherever_it_stands(before: str, after: str, key: str) -> None:
    assert key not in redact(f"{before}{key}{after}", (Secret(key),))


@given(st.from_regex(r"[!-~]{4,60}", fullmatch=True))
def test_redact_hides_a_key_of_any_shape(key: str) -> None:
    shown = redact(f"said {key} twice: {key}", (Secret(key),))
    assert key not in shown.replace(Secret(key).masked(), "")


@given(
    key=KEY_SHAPED,
    around=st.sampled_from(["{} ", "key={}", '"{}"', "({})", "Bearer {},", "\n{}\n"]),
)
def test_redact_hides_whatever_has_the_shape_of_a_key(key: str, around: str) -> None:
    assert key not in redact(around.format(key))


@given(st.text().filter(lambda text: "sk-" not in text))
def test_redact_leaves_other_text_alone(text: str) -> None:
    assert redact(text) == text


@pytest.mark.parametrize(
    "text", ["task-oriented-programming", "sk-short", "a disk-partition-table", "sk-"]
)
def test_redact_leaves_words_alone(text: str) -> None:
    assert redact(text) == text


def test_a_tiny_key_does_not_turn_every_message_into_masks() -> None:
    assert redact("a message", (Secret("a"), Secret("es"))) == "a message"


@given(st.data())
def test_a_key_in_pieces_is_masked_as_in_one(data: st.DataObject) -> None:
    key = data.draw(st.sampled_from(["sk-live-" + "ab1-" * 6, "gsk_01234567", 'q"\\u-\\\\x12']))
    spellings = [
        key,
        "".join(f"\\u{ord(char):04X}" for char in key),
        "\0".join(key),
        json.dumps(key)[1:-1],
        key[:7],
        key[0],
        "\\",
        "x ",
    ]
    text = "".join(data.draw(st.lists(st.sampled_from(spellings), max_size=6)))
    masked, out = StreamMask([Secret(key)]), ""
    at = 0
    while at < len(text):
        size = data.draw(st.integers(1, 20))
        out += masked.feed(text[at : at + size])
        at += size
    out += masked.end()
    assert out == mask(text, [Secret(key)])
