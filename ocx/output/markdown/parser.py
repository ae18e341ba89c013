"""markdown-it as it is used here: a few rules less, a few that are narrower.

Three rules are narrower than CommonMark's, so that text becomes final soon: an underlined heading
has at most 150 characters; the head of a table has its first bar within its first 72 characters;
emphasis, code and links reach no further than about 1,000 characters.
"""

from __future__ import annotations

import re

from markdown_it import MarkdownIt
from markdown_it.rules_block import StateBlock, blockquote, lheading, list_block, table
from markdown_it.token import Token

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


class _Markdown(MarkdownIt):
    """Links stay as they were written, not in percent escapes and Punycode."""

    def normalizeLink(self, url: str) -> str:
        return url

    def normalizeLinkText(self, link: str) -> str:
        return link


class _State(StateBlock):
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
    is_head = "|" in head[:BAR] and len(head) <= REACH and not head.startswith(LAID)
    return is_head and table(state, start, end, silent)


def _shallow_list(state: StateBlock, start: int, end: int, silent: bool) -> bool:
    return state.level < _DEEPEST and list_block(state, start, end, silent)


def _shallow_quote(state: StateBlock, start: int, end: int, silent: bool) -> bool:
    return state.level < _DEEPEST and blockquote(state, start, end, silent)


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
_RULES.at("blockquote", _shallow_quote, {"alt": ["paragraph", "blockquote", "list"]})
_RULES.at("list", _shallow_list, {"alt": ["paragraph", "blockquote"]})


def parse(source: str) -> list[Token]:
    """The blocks of `source`; what stands inside them is not parsed yet."""
    state = _State(source, PARSER, {}, [])
    PARSER.block.tokenize(state, 0, state.lineMax)
    return state.tokens
