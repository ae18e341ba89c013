"""Reads what a step of GitHub Actions wrote, as the runner does.

The rules are those of actions/runner, `FileCommandManager.cs` and `ActionCommand.cs`.
"""

from __future__ import annotations

import re

_COMMAND = re.compile(r"::(?P<name>[a-z-]+)(?: (?P<properties>.*?))?::(?P<data>.*)")
_SPLIT = re.compile(r"\r\n|\n|\r")


def variables(text: str) -> dict[str, str]:
    """The file of $GITHUB_ENV or $GITHUB_OUTPUT: NAME=VALUE lines and heredocs."""
    found: dict[str, str] = {}
    lines = iter(text.split("\n"))
    for line in lines:
        if not line:
            continue
        name, mark, rest = _earliest(line)
        if mark == "=":
            found[name] = rest
            continue
        value = []
        for inner in lines:
            if inner.rstrip("\r") == rest:
                break
            value.append(inner)
        else:
            raise AssertionError(f"no end {rest!r} for {name!r}")
        found[name] = "\n".join(value)
    return found


def commands(text: str) -> list[tuple[str, dict[str, str], str]]:
    """Every workflow command on a stream: name, properties, data."""
    found = []
    for line in _SPLIT.split(text):
        match = _COMMAND.match(line.lstrip())
        if match is None:
            continue
        listed = (match["properties"] or "").split(",")
        pairs = (pair.partition("=") for pair in listed if pair)
        properties = {key.strip(): _unescaped(value, ":,") for key, _, value in pairs}
        found.append((match["name"], properties, _unescaped(match["data"])))
    return found


def _earliest(line: str) -> tuple[str, str, str]:
    equals, heredoc = line.find("="), line.find("<<")
    if heredoc >= 0 and (equals < 0 or heredoc < equals):
        return line[:heredoc], "<<", line[heredoc + 2 :]
    assert equals >= 0, f"not a variable: {line!r}"
    return line[:equals], "=", line[equals + 1 :]


def _unescaped(text: str, more: str = "") -> str:
    for character in "\r\n" + more:
        text = text.replace(f"%{ord(character):02X}", character)
    return text.replace("%25", "%")
