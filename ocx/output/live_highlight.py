"""Code highlighted line by line: each line once, with what the line before left open.

The only place that knows how a lexer of Pygments is built: its own loop keeps the stack of states
to itself and wants the whole text at once.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

from pygments.lexer import RegexLexer
from pygments.lexers import get_lexer_by_name
from pygments.token import Error, _TokenType
from pygments.util import ClassNotFound
from rich.syntax import Syntax

from ocx.output.live_style import PLAIN, Run

_THEME = Syntax.get_theme("ansi_dark")
_LONGEST = 1000
"""Characters of a line up to which it is highlighted."""
# What many lexers match as a whole, and so only if its end is in sight.
_PAIRS = (("/*", "*/"), ("<!--", "-->"), ("`", "`"))
_Stack = tuple[str, ...]
_ROOT: _Stack = ("root",)


@dataclass(frozen=True)
class State:
    """What a line leaves to the next one."""

    stack: _Stack = _ROOT
    until: str = ""
    """The end of a comment or a text that the lexer takes only whole."""
    kind: Any = None
    """The type of its token."""


def lexer_of(language: str) -> RegexLexer | None:
    """The lexer of a fence's language; None if there is none that goes line by line."""
    if not language:
        return None
    try:
        lexer = get_lexer_by_name(language)
    except ClassNotFound:
        return None
    own_loop = type(lexer).get_tokens_unprocessed is not RegexLexer.get_tokens_unprocessed
    return None if own_loop or not isinstance(lexer, RegexLexer) else lexer


def highlight(lexer: RegexLexer | None, line: str, state: State) -> tuple[list[Run], State]:
    """One line, without its newline, as styled text; and the state for the next line."""
    if lexer is None or len(line) > _LONGEST:
        return [(line, PLAIN)], state
    tokens, after = _tokens(lexer, line, state)
    return [(text, _THEME.get_style_for_token(kind)) for kind, text in tokens], after


def _tokens(lexer: RegexLexer, line: str, state: State) -> tuple[list[tuple[Any, str]], State]:
    if state.until:
        inside, end, rest = line.partition(state.until)
        if not end:
            return [(state.kind, line)], state
        tokens, after = _tokens(lexer, rest, State(state.stack))
        return [(state.kind, inside + end), *tokens], after
    tokens, stack = _lex(lexer, line + "\n", state.stack)
    if len(stack) <= len(state.stack):
        for start, end in _PAIRS:
            place = line.rfind(start)
            if place >= 0 and end not in line[place + len(start) :]:
                opened = _opened(lexer, line, state.stack, end)
                if opened:
                    return opened[0], replace(state, until=end, kind=opened[1])
    return _without_newline(tokens), State(stack)


def _opened(
    lexer: RegexLexer, line: str, stack: _Stack, end: str
) -> tuple[list[tuple[Any, str]], Any] | None:
    """The tokens of `line` if `end` would close a comment or a text that it opens."""
    tokens, _ = _lex(lexer, line + end + "\n", stack)
    tokens = _without_newline(tokens)
    if not tokens or not tokens[-1][1].endswith(end) or len(tokens[-1][1]) <= len(end):
        return None
    kind, text = tokens[-1]
    if not str(kind).startswith(("Token.Comment", "Token.Literal.String")):
        return None
    return [*tokens[:-1], (kind, text[: -len(end)])], kind


def _without_newline(tokens: list[tuple[Any, str]]) -> list[tuple[Any, str]]:
    return [(kind, text) for kind, whole in tokens if (text := whole.replace("\n", ""))]


def _lex(lexer: RegexLexer, text: str, stack: _Stack) -> tuple[list[tuple[Any, str]], _Stack]:
    """RegexLexer.get_tokens_unprocessed, which gives back its stack too."""
    states = list(stack)
    tokens: list[tuple[Any, str]] = []
    place = 0
    while place < len(text):
        for match_at, action, new_state in lexer._tokens[states[-1]]:
            match = match_at(text, place)
            if match:
                tokens += _acted(lexer, action, match)
                place = match.end()
                _move(states, new_state)
                break
        else:
            if text[place] == "\n":
                states = ["root"]
            tokens.append((Error, text[place]))
            place += 1
    return tokens, tuple(states)


def _acted(lexer: RegexLexer, action: Any, match: Any) -> Iterator[tuple[Any, str]]:
    if action is None:
        return
    if type(action) is _TokenType:
        yield action, match.group()
        return
    for _, kind, text in action(lexer, match):
        yield kind, text


def _move(states: list[str], new_state: Any) -> None:
    if new_state is None:
        return
    if isinstance(new_state, int):
        del states[max(len(states) + new_state, 1) :]
        return
    for state in new_state if isinstance(new_state, tuple) else (new_state,):
        if state == "#pop":
            del states[max(len(states) - 1, 1) :]
        else:
            states.append(states[-1] if state == "#push" else state)
