"""markdown-it as it is used here: its blocks, and what stands inside a paragraph.

Three rules are narrower than CommonMark's, so that text becomes final soon: an underlined heading
has at most 150 characters; the head of a table has its first bar within its first 72 characters;
emphasis, code and links reach no further than about 1,000 characters.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable

from markdown_it import MarkdownIt
from markdown_it.common.utils import isMdAsciiPunct, isPunctChar
from markdown_it.rules_block import StateBlock, blockquote, lheading, list_block, table
from markdown_it.rules_inline import StateInline
from markdown_it.rules_inline.state_inline import Scanned
from markdown_it.token import Token
from rich.style import Style

from ocx.output.markdown.layout import PLAIN, Span, style_of
from ocx.typography import is_break_dropped, is_cjk

HEADING = 150
BAR = 72
REACH = 1000
"""Characters after which what is still open, a lone asterisk or bracket, counts as text."""
LAID = "\0"
"""What stands in the source for the beginning of a block that is laid out already."""
PREFIX = "prefix"
"""In the `meta` of a container: the source of its first line up to its text."""
_DEEPEST = 18
"""Levels, two for a list; from 20 on markdown-it drops what stands in them."""
_MARKER = re.compile(r"(?:[-+*]|\d{1,9}[.)])(?: {1,4}(?=[^ \n])| ?)")
# What begins another block than a table, for which markdown-it looks first.
_NO_HEAD = re.compile(rf"{LAID}|>|(?:[-+*]|\d{{1,9}}[.)]|#{{1,6}}) |~~~|```[^`]*$")


class _Markdown(MarkdownIt):
    """Links stay as they were written, not in percent escapes and Punycode."""

    def normalizeLink(self, url: str) -> str:
        return url

    def normalizeLinkText(self, link: str) -> str:
        return link


class _BlockState(StateBlock):
    """Notes where the text of a container begins."""

    def push(self, ttype: str, tag: str, nesting: int) -> Token:
        token = super().push(ttype, tag, nesting)  # type: ignore[arg-type]
        start = self.bMarks[self.line]
        if ttype == "list_item_open":
            marker = _MARKER.match(self.src, start + self.tShift[self.line])
            start = marker.end() if marker else start
        if ttype in {"list_item_open", "blockquote_open"}:
            prefix = self.src[self.src.rfind("\n", 0, start) + 1 : start]
            token.meta = {PREFIX: prefix if prefix.endswith(" ") else f"{prefix} "}
        return token


def _short_heading(state: StateBlock, start: int, end: int, silent: bool) -> bool:
    count = len(state.tokens)
    if _text(state, start).startswith(LAID) or not lheading(state, start, end, silent):
        return False
    if len(state.tokens[count + 1].content) <= HEADING:
        return True
    del state.tokens[count:]
    state.line = start
    return False


def _table_with_early_bar(state: StateBlock, start: int, end: int, silent: bool) -> bool:
    head = _text(state, start)
    is_head = "|" in head[:BAR] and len(head) <= REACH and not _NO_HEAD.match(head)
    return is_head and table(state, start, end, silent)


def _shallow(rule: Callable[..., bool]) -> Callable[..., bool]:
    """The rule of a container, where not too many are open."""
    return lambda state, *lines: state.level < _DEEPEST and rule(state, *lines)


def _text(state: StateBlock, line: int) -> str:
    return state.src[state.bMarks[line] + state.tShift[line] : state.eMarks[line]]


# Rich drops what it cannot render, and so would we: HTML, where a picture is, and the target of a
# link that stands in a block of its own. Without their rules all of that is text, and stays.
PARSER = (
    _Markdown()
    .enable(["strikethrough", "table"])
    .disable(["html_block", "html_inline", "image", "reference"])
)
_RULES = PARSER.block.ruler
_RULES.at("table", _table_with_early_bar, {"alt": ["paragraph"]})
_RULES.at("lheading", _short_heading)
_RULES.at("blockquote", _shallow(blockquote), {"alt": ["paragraph", "blockquote", "list"]})
_RULES.at("list", _shallow(list_block), {"alt": ["paragraph", "blockquote"]})


def parse(source: str) -> list[Token]:
    """The blocks of `source`; what stands inside them is not parsed yet."""
    state = _BlockState(source, PARSER, {}, [])
    PARSER.block.tokenize(state, 0, state.lineMax)
    return state.tokens


class _State(StateInline):
    """Emphasis beside Chinese, Japanese and Korean text, which has no spaces around words.

    CommonMark asks for a space or a punctuation mark before what opens in front of a mark, and
    after what closes behind one: `**注意：**请看` would stay as it is. Beside such a character
    white space alone decides here, as in the extension that web pages use for them.

    Source: https://github.com/tats-u/markdown-cjk-friendly
    """

    def scanDelims(self, start: int, canSplitWord: bool) -> Scanned:
        found = super().scanDelims(start, canSplitWord)
        end = start + found.length
        before = self.src[start - 1] if start else " "
        after = self.src[end] if end < self.posMax else " "
        if (before < _CJK and after < _CJK) or not (is_cjk(before) or is_cjk(after)):
            return found
        opens, closes = not after.isspace(), not before.isspace()
        if canSplitWord:
            return Scanned(opens, closes, found.length)
        # An underscore inside a word is a letter.
        return Scanned(
            opens and (not closes or _is_mark(before)),
            closes and (not opens or _is_mark(after)),
            found.length,
        )


def _is_mark(character: str) -> bool:
    return isMdAsciiPunct(ord(character)) or isPunctChar(character)


_CJK = "\u1100"  # none is below
_STEP = 64
# An autolink or an entity that may still go on.
_GOES_ON = re.compile(r"[<&]\S*$")
_STYLES = {"strong_open": "strong", "em_open": "em", "s_open": "s"}


def inline_spans(source: str, base: Style = PLAIN) -> list[Span]:
    """`source` as styled text.

    A hard line break is a newline, a soft one a space, or nothing between Chinese or Japanese.
    Of a long text, what is settled is parsed apart.
    """
    spans: list[Span] = []
    start = 0
    while len(source) - start > 3 * REACH:
        end, _ = settled(source, start, start, len(source))
        spans += _spans_of(_parse(source[start:end]).tokens, base)
        start = end
    return spans + _spans_of(_parse(source[start:]).tokens, base)


def _spans_of(tokens: Iterable[Token], base: Style = PLAIN) -> list[Span]:
    spans: list[Span] = []
    styles = [base]
    links: list[tuple[str, int]] = []
    soft = False
    for token in tokens:
        kind = token.type
        text = ""
        if kind in {"text", "text_special"}:
            text = token.content.replace("\n", " ")
        elif kind == "code_inline":
            text = token.content
        elif kind == "hardbreak":
            text = "\n"
        elif kind == "softbreak":
            soft = True
        elif kind == "link_open":
            links.append((str(token.attrs.get("href", "")), len(spans)))
            styles.append(styles[-1] + style_of("link"))
        elif kind == "link_close":
            styles.pop()
            spans += _target(*links.pop(), spans, styles[-1])
        elif token.nesting == 1:
            styles.append(styles[-1] + style_of(_STYLES[kind]))
        elif token.nesting == -1:
            styles.pop()
        if text:
            if soft and not (spans and is_break_dropped(spans[-1][0][-1], text[0])):
                spans.append((" ", styles[-1]))
            soft = False
            spans.append(
                (text, styles[-1] + style_of("code") if kind == "code_inline" else styles[-1])
            )
    return spans


def _target(url: str, start: int, spans: list[Span], style: Style) -> list[Span]:
    """Where a link goes, unless its text says so."""
    shown = "".join(text for text, _ in spans[start:]).lstrip(" ")
    if shown in {url, url.removeprefix("mailto:")}:
        return []
    return [(" (", style), (url, style + style_of("link_url")), (")", style)]


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
    state = _State(source, PARSER, {}, tokens)
    PARSER.inline.tokenize(state)
    for rule in PARSER.inline.ruler2.getRules(""):
        rule(state)
    return state
