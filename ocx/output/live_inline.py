"""Emphasis, code, links: what stands inside a paragraph, and up to where it is settled."""

from __future__ import annotations

import re
from collections.abc import Iterable

from markdown_it import MarkdownIt
from markdown_it.rules_inline import StateInline
from markdown_it.token import Token
from rich.style import Style

from ocx.output.live_style import PLAIN, Run, style_of

# Rich drops what it cannot render, and so would we: HTML, where a picture is, and the target of a
# link that stands in a block of its own. Without their rules all of that is text, and stays.
PARSER = (
    MarkdownIt()
    .enable(["strikethrough", "table"])
    .disable(["html_block", "html_inline", "image", "reference"])
)

REACH = 1000
"""Characters after which what is still open, a lone asterisk or bracket, counts as text."""
_STEP = 64
# An autolink or an entity that may still go on.
_GOES_ON = re.compile(r"[<&]\S*$")
_STYLES = {"strong_open": "strong", "em_open": "em", "s_open": "s"}


def inline_runs(source: str, base: Style = PLAIN) -> list[Run]:
    """`source` as styled text. A hard line break is a newline, a soft one a space."""
    return runs_of(_parse(source).tokens, base)


def runs_of(tokens: Iterable[Token], base: Style = PLAIN) -> list[Run]:
    """The same for tokens of the parser."""
    runs: list[Run] = []
    styles = [base]
    link: list[str] = []
    for token in tokens:
        kind = token.type
        if kind in {"text", "text_special"}:
            runs.append((token.content.replace("\n", " "), styles[-1]))
        elif kind == "code_inline":
            runs.append((token.content, styles[-1] + style_of("code")))
        elif kind in {"softbreak", "hardbreak"}:
            runs.append(("\n" if kind == "hardbreak" else " ", styles[-1]))
        elif kind == "link_open":
            link.append(str(token.attrs.get("href", "")))
            styles.append(styles[-1] + style_of("link"))
        elif kind == "link_close":
            styles.pop()
            url = (link.pop(), styles[-1] + style_of("link_url"))
            runs += [(" (", styles[-1]), url, (")", styles[-1])]
        elif token.nesting == 1:
            styles.append(styles[-1] + style_of(_STYLES[kind]))
        elif token.nesting == -1:
            styles.pop()
    return runs


def settled(source: str, start: int, tried: int, limit: int) -> tuple[int, int]:
    """Up to where the text from `start` on keeps its meaning, whatever follows.

    Only what stands before `limit` is looked at. The places that are tried depend on nothing but
    the text, so that it is cut at the same places in whatever pieces it comes.

    Args:
        tried: the place that was tried last.

    Returns: the end of the settled part, `start` if nothing is settled, and the place tried last.
    """
    place = tried
    while (place := _next_place(source, max(place + _STEP, start + 1), start, limit)) < limit:
        tried = place
        if place - start > REACH or _is_closed(source[start:place]):
            return place, tried
    return start, tried


def _next_place(source: str, place: int, start: int, limit: int) -> int:
    """Between two letters: no markup begins, ends or looks at its neighbour there."""
    while place < limit:
        if source[place - 1].isalnum() and source[place].isalnum():
            return place
        if place - start > 2 * REACH:  # nothing but punctuation
            return place
        place += 1
    return limit


def _is_closed(source: str) -> bool:
    if _GOES_ON.search(source):
        return False
    state = _parse(source)
    if any(delimiter.open and delimiter.end < 0 for delimiter in state.delimiters):
        return False
    literal = "".join(t.content if t.type == "text" else " " for t in state.tokens)
    if "`" in literal or "](" in literal:
        return False
    depth = 0
    for bracket in re.findall(r"[][]", literal):
        depth = depth + 1 if bracket == "[" else max(depth - 1, 0)
    return not depth


def _parse(source: str) -> StateInline:
    tokens: list[Token] = []
    state = StateInline(source, PARSER, {}, tokens)
    PARSER.inline.tokenize(state)
    for rule in PARSER.inline.ruler2.getRules(""):
        rule(state)
    return state
