"""`<think>` blocks: reasoning inside the text, told apart however the stream is cut."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ocx.api.types import Delta
from ocx.chat.think_and_fences import Split, Thinking, ThinkSplitter, split_whole

TABLE = {
    "<think>why</think>42": Split("42", "why"),
    "<think>\nwhy\n</think>\n\n42\n": Split("42\n", "why"),
    " \n<think>why</think> 42": Split("42", "why"),
    "<think></think>42": Split("42", ""),
    "<think>a<think>b</think>c</think>d": Split("c</think>d", "a<think>b"),
    "<think>why</think>a <think>b</think>": Split("a <think>b</think>", "why"),
    "<think>never closed": Split("<think>never closed", ""),
    "  <thin": Split("  <thin", ""),
    "a <think>b</think> c": Split("a <think>b</think> c", ""),
    "`<think>` opens": Split("`<think>` opens", ""),
    "<thinker>": Split("<thinker>", ""),
    "<Think>x</Think>y": Split("<Think>x</Think>y", ""),
    "": Split("", ""),
    " \n": Split(" \n", ""),
}


def pieces(*parts: str) -> Split:
    splitter = ThinkSplitter()
    text = reasoning = ""
    for part in parts:
        more, thought = splitter.feed(part)
        text, reasoning = text + more, reasoning + thought
    return Split(text + splitter.end(), reasoning)


@pytest.mark.parametrize("answer", TABLE)
def test_cut_anywhere_it_is_the_same(answer: str) -> None:
    assert pieces(answer) == pieces(*answer) == TABLE[answer]
    for cut in range(len(answer) + 1):
        assert pieces(answer[:cut], answer[cut:]) == TABLE[answer]


@given(st.lists(st.sampled_from(["<think>", "</think>", "<thi", "nk>", "\n", " ", "a", "<"])))
def test_the_cuts_never_matter(parts: list[str]) -> None:
    assert pieces(*parts) == pieces("".join(parts))


@given(st.text())
def test_text_without_a_block_is_untouched(text: str) -> None:
    if not text.lstrip().startswith(("<think>", "</think>")):
        assert pieces(text) == Split(text, "")


def test_text_flows_as_soon_as_it_is_certain() -> None:
    splitter = ThinkSplitter()
    assert splitter.feed("<th").text == ""
    assert splitter.feed("e best>").text == "<the best>"
    assert splitter.decided


@pytest.mark.parametrize(
    ("answer", "text"),
    [
        ("</think>\n\n42", "42"),
        (" </think>a</think>b", "a</think>b"),
        ("</thinker>", "</thinker>"),
        ("</thi", "</thi"),
        ("<think>why</think>42", "42"),
    ],
)
def test_an_end_that_comes_first_cut_anywhere(answer: str, text: str) -> None:
    assert split_whole(answer).text == text
    for cut in range(len(answer) + 1):
        assert pieces(answer[:cut], answer[cut:]).text == text


@pytest.mark.parametrize(
    ("answer", "split"),
    [
        ("why</think>42", Split("42", "why")),
        ("\nwhy\n</think>\n\n42\n", Split("42\n", "why")),
        ("why</think>", Split("", "why")),
        ("why</think>a</think>b", Split("a</think>b", "why")),
        ("<think>why</think>a</think>b", Split("a</think>b", "why")),
        ("a <think>b</think> c", Split("a <think>b</think> c", "")),
        ("say `</think>` at the end", Split("say `</think>` at the end", "")),
        ("no tag", Split("no tag", "")),
    ],
)
def test_an_end_without_a_beginning(answer: str, split: Split) -> None:
    """Of a whole answer; a stream that is cut anywhere notices that it came, once it is shown."""
    assert split_whole(answer) == split
    heard: list[Delta] = []
    Thinking(heard.extend).take([Delta(answer, "", "", "stop")])
    assert heard == [Delta(*split, "", "stop")]
    alone = split.reasoning != "" and not answer.startswith("<think>")
    for size in range(1, len(answer) + 1):
        thinking = Thinking(list)
        for at in range(0, len(answer), size):
            thinking.take([Delta(answer[at : at + size], "", "", None)])
        assert thinking.late == alone, size
