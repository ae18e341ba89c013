"""A key cannot be printed by accident.

What a model or a server sends is shown, never obeyed.
"""

from __future__ import annotations

import json
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ocx.secret import Secret, StreamMask, mask_all, mask_keys, secrets_of, word_of_argv
from ocx.text import escape_control, one_line

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


@pytest.mark.parametrize(
    "key", [LONG, 'odd"and\\slashed/key', "a+b.c*d^e", "its-mask-shows-a-group-\\1"]
)
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
        assert mask_all(f"<{text}> \\", (secret,)) == f"<{secret.masked()}> \\"
    assert mask_all(f"<{key[:-1]}> \\", (secret,)).endswith("> \\")


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
    assert key not in mask_all(f"{before}{key}{after}", (Secret(key),))


@given(st.from_regex(r"[!-~]{8,60}", fullmatch=True))
def test_redact_hides_a_key_of_any_shape(key: str) -> None:
    shown = mask_all(f"said {key} twice: {key}", (Secret(key),))
    assert key not in shown.replace(Secret(key).masked(), "")


@given(
    key=KEY_SHAPED,
    around=st.sampled_from(["{} ", "key={}", '"{}"', "({})", "Bearer {},", "\n{}\n"]),
)
def test_redact_hides_whatever_has_the_shape_of_a_key(key: str, around: str) -> None:
    assert key not in mask_all(around.format(key))


@given(st.text().filter(lambda text: "sk-" not in text))
def test_redact_leaves_other_text_alone(text: str) -> None:
    assert mask_all(text) == text


@pytest.mark.parametrize(
    "text", ["task-oriented-programming", "sk-short", "a disk-partition-table", "sk-"]
)
def test_redact_leaves_words_alone(text: str) -> None:
    assert mask_all(text) == text


def test_a_tiny_key_does_not_turn_every_message_into_masks() -> None:
    assert mask_all("a message", (Secret("a"), Secret("es"))) == "a message"


def fed(stream: StreamMask, text: str, data: st.DataObject) -> str:
    """What comes out if the text comes in pieces."""
    out, at = "", 0
    while at < len(text):
        size = data.draw(st.integers(1, 12))
        out += stream.feed(text[at : at + size])
        at += size
    return out + stream.end()


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
    assert fed(StreamMask([Secret(key)]), text, data) == mask_keys(text, [Secret(key)])


@st.composite
def spelled(draw: st.DrawFn, key: str) -> str:
    """The key as JSON may write it: plain, escaped, in digits, or JSON in a string of JSON."""
    text = ""
    for char in key:
        plain = json.dumps(char)[1:-1]
        text += draw(st.sampled_from([plain, plain, f"\\u{ord(char):04x}", f"\\u{ord(char):04X}"]))
    return json.dumps(text)[1:-1] if draw(st.booleans()) else text


@given(st.data(), st.from_regex(r"[!-~]{8,50}", fullmatch=True), st.text(max_size=9))
def test_a_key_that_comes_in_pieces_is_masked_in_any_spelling(
    data: st.DataObject, key: str, around: str
) -> None:
    secret = Secret(key)
    text = data.draw(spelled(key))
    assert text not in mask_keys(around + text + around, [secret])
    whole = around + text + around
    stream = StreamMask([Secret("another-key"), secret], shaped=data.draw(st.booleans()))
    assert text not in fed(stream, whole, data)


@given(st.data(), st.text(max_size=60))
def test_what_is_no_key_passes_whole(data: st.DataObject, text: str) -> None:
    stream = StreamMask([Secret("sk-live-0123456789"), Secret("ab" * 9)])
    assert fed(stream, text, data) == text


def test_what_has_the_shape_of_a_key_is_masked_in_pieces() -> None:
    key = "sk-proj-AbCdEf0123456789xyz"
    said = f"it is {key}, and tasks-list is no key\n"
    for at in range(said.index(key) + 1, said.index(key) + 20):
        stream = StreamMask([], shaped=True)
        out = stream.feed(said[:at]) + stream.feed(said[at:]) + stream.end()
        assert out == f"it is {Secret(key).masked()}, and tasks-list is no key\n"


def test_nothing_is_held_back_for_longer_than_a_line() -> None:
    stream = StreamMask([Secret("sk-live-0123456789")], shaped=True)
    assert stream.feed("the sky") == "the sky"
    assert stream.feed(" sk") == " "
    assert stream.feed("\n") == "sk\n"


@pytest.mark.parametrize(
    "text", ["EMPTY", "ollama", "lm-studio", "none", "test", "1234567", "Not-Needed"]
)
def test_a_dummy_is_no_secret(text: str) -> None:
    assert mask_keys(f"the key {text} is {text}", [Secret(text)]) == f"the key {text} is {text}"


@pytest.mark.parametrize(
    ("headers", "proxies", "found"),
    [
        ({"X-Api-Key": "abcdefgh1"}, (), ["abcdefgh1"]),
        ({"Cookie": "session abcdefgh2"}, (), ["session abcdefgh2", "abcdefgh2"]),
        ({"X-Title": "abcdefgh3"}, (), []),
        ({}, ("http://me:passw0rd@p:1", None, "http://p:1", "socks5://me@p:1"), ["passw0rd"]),
        ({"X-Secret": "short"}, ("http://me:short@p",), []),
    ],
)
def test_secrets_beside_the_key(
    headers: dict[str, str], proxies: tuple[str | None, ...], found: list[str]
) -> None:
    assert [secret.reveal() for secret in secrets_of(headers, *proxies)] == found


@pytest.mark.parametrize(
    ("word", "shown"),
    [
        ("gsk_Ab1Cd2Ef3Gh4Ij5Kl6Mn", "gsk_…"),
        ("AIzaSyD0123456789abcdefghi", "AIza…"),
        ("x sk-abcdefgh", "x sk…"),
        ("deepseek-chat", "deepseek-chat"),
        ("a-long-name-without-digits-at-all", "a-long-name-without-digits-at-all"),
        ("Short1Name", "Short1Name"),
        ("/tmp/Screenshot2026At10h11.png", "/tmp/Screenshot2026At10h11.png"),
        ("/no/such/Screenshot2026At10h11", "/no/…"),
    ],
)
def test_a_word_of_argv_that_may_be_a_key_is_cut(word: str, shown: str) -> None:
    assert word_of_argv(word) == shown


@pytest.mark.parametrize("again", range(0, 17, 5))
def test_what_goes_on_after_an_end_is_still_no_key(again: int) -> None:
    key = "gsk_0123456789abc"
    for cut in range(1, 17):
        stream = StreamMask([Secret(key)])
        out = stream.feed(f"a {key[:cut]}") + stream.end()
        assert out == f"a {key[:cut]}"
        middle = max(cut, again)
        out += stream.feed(key[cut:middle]) + stream.end()
        out += stream.feed(f"{key[middle:]} b") + stream.end()
        assert key not in out
        assert out.endswith(f"{Secret(key).masked()} b")
        assert stream.feed("c") == "c"


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain", "plain"),
        ("a\tb\nc", "a\tb\nc"),
        ("\x1b[31mred", "\\x1b[31mred"),
        ("\x9b2J", "\\x9b2J"),
        ("bell\x07", "bell\\x07"),
        ("\x7f", "\\x7f"),
        ("user\u202etxt.exe", "user\\u202etxt.exe"),
        ("a\u061cb", "a\\u061cb"),
        ("日本 🎉 é", "日本 🎉 é"),
    ],
)
def test_control_characters_are_written_out(text: str, shown: str) -> None:
    assert escape_control(text) == shown


def test_one_line_has_no_line_break() -> None:
    assert one_line("a\nb\tc\u2028d\r") == "a b c d\\x0d"


@given(st.text())
def test_nothing_that_a_terminal_obeys_is_left(text: str) -> None:
    assert not re.search("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e]", escape_control(text))
