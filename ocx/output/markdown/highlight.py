"""Code highlighted line by line: each line once, with what the line before left open.

The only place that knows how a lexer of Pygments is built: its own loop keeps the stack of states
to itself and wants the whole text at once.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from pygments.lexer import ExtendedRegexLexer, RegexLexer
from pygments.lexers import get_lexer_by_name
from pygments.token import Error, _TokenType
from pygments.util import ClassNotFound
from rich.syntax import Syntax

from ocx.output.markdown.layout import PLAIN, Span

_THEME = Syntax.get_theme("ansi_dark")
LONGEST = 1000
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


@lru_cache(64)
def lexer_of(language: str) -> RegexLexer | None:
    """The lexer of a fence's language; None if there is none that goes line by line."""
    if not language:
        return None
    try:
        lexer = get_lexer_by_name(language)
    except ClassNotFound:
        return None
    # The actions of an extended one move its place in the text; what others add to the loop, a
    # colour for the names of a library, is left out.
    takes_lines = isinstance(lexer, RegexLexer) and not isinstance(lexer, ExtendedRegexLexer)
    return lexer if takes_lines else None


def highlight(lexer: RegexLexer | None, line: str, state: State) -> tuple[list[Span], State]:
    """One line, without its newline, as styled text; and the state for the next line."""
    if lexer is None or len(line) > LONGEST:
        return [(line, PLAIN)], state
    try:
        tokens, after = _tokens(lexer, line, state)
    except Exception:
        return [(line, PLAIN)], state
    return [(text, _THEME.get_style_for_token(kind)) for kind, text in tokens], after


def _tokens(lexer: RegexLexer, line: str, state: State) -> tuple[list[tuple[Any, str]], State]:
    if state.until:
        inside, end, rest = line.partition(state.until)
        if not end:
            return [(state.kind, line)], state
        tokens, after = _tokens(lexer, rest, State(state.stack))
        return [(state.kind, inside + end), *tokens], after
    tokens, stack = _lex(lexer, line + "\n", state.stack)
    for start, end in _PAIRS:
        place = line.rfind(start)
        is_open = place >= 0 and end not in line[place + len(start) :]
        if is_open and (opened := _opened(lexer, line, state.stack, (start, end))):
            return opened
    return [(kind, text) for kind, it in tokens if (text := it.replace("\n", ""))], State(stack)


def _opened(
    lexer: RegexLexer, line: str, stack: _Stack, pair: tuple[str, str]
) -> tuple[list[tuple[Any, str]], State] | None:
    """The tokens of `line` if the end of the pair would close a comment or a text in it."""
    start, end = pair
    tokens, after = _lex(lexer, line + end, stack)
    kind, text = tokens[-1]
    if not (text.startswith(start) and text.endswith(end) and len(text) >= len(start + end)):
        return None
    if not str(kind).startswith(("Token.Comment", "Token.Literal.String")):
        return None
    return [*tokens[:-1], (kind, text[: -len(end)])], State(after, end, kind)


def _lex(lexer: RegexLexer, text: str, stack: _Stack) -> tuple[list[tuple[Any, str]], _Stack]:
    """RegexLexer.get_tokens_unprocessed, which gives back its stack too."""
    states = list(stack)
    tokens: list[tuple[Any, str]] = []
    place = 0
    while place < len(text):
        for match_at, action, new_state in lexer._tokens[states[-1]]:
            match = match_at(text, place)
            if match:
                if type(action) is _TokenType:
                    tokens.append((action, match.group()))
                elif action is not None:
                    tokens += [(kind, text) for _, kind, text in action(lexer, match)]
                place = match.end()
                _move(states, new_state)
                break
        else:
            if text[place] == "\n":
                states = ["root"]
            tokens.append((Error, text[place]))
            place += 1
    return tokens, tuple(states)


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
