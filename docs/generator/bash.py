"""The parts of the bash script: `case` tables of commands, options and values."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from docs.generator.completion_site import Site, shared_options, sites
from docs.generator.values import Values, of_option
from ocx.cli.help import Command
from ocx.cli.typer_internals import Parameter


def parts(root: Command) -> dict[str, str]:
    found = sites(root)
    shared = shared_options(root)
    return {
        "commands": _table((_quoted(site.title), _commands(site)) for site in found),
        "options": _table((_quoted(site.title), _flags(site.options)) for site in found),
        "shared options": f"    options+={_quoted(' ' + ' '.join(_all_flags(shared)))}\n",
        "option values": _table([*_own_values(found), *_values("*", shared)]),
        "argument values": _table(_arguments(found)),
        "programs": _table(
            (_quoted(site.title), "__ocx_offer_program") for site in found if site.runs_programs
        ),
    }


def _table(rows: Iterable[tuple[str, str]]) -> str:
    return "".join(f"        {pattern}) {code} ;;\n" for pattern, code in rows if code)


def _commands(site: Site) -> str:
    names = " ".join(name for name, _ in site.commands)
    return f"commands={_quoted(names)}" if names else ""


def _flags(options: Sequence[Parameter]) -> str:
    return f"options={_quoted(' '.join(_all_flags(options)))}" if options else ""


def _all_flags(options: Iterable[Parameter]) -> Iterator[str]:
    for option in options:
        yield from (*option.flags, *option.off)


def _own_values(found: Iterable[Site]) -> Iterator[tuple[str, str]]:
    for site in found:
        yield from _values(site.title, site.options)


def _values(title: str, options: Iterable[Parameter]) -> Iterator[tuple[str, str]]:
    for option in options:
        if option.metavar:
            yield (
                "|".join(_pattern(title, flag) for flag in option.flags),
                f"kind={_kind(of_option(option))}",
            )


def _pattern(title: str, flag: str) -> str:
    """`*` stands for every command, so it must not be quoted."""
    return f"*{_quoted(' ' + flag)}" if title == "*" else _quoted(f"{title} {flag}")


def _arguments(found: Iterable[Site]) -> Iterator[tuple[str, str]]:
    for site in found:
        for number, argument in enumerate(site.arguments, 1):
            if argument.values.kind != "text":
                place = "*" if argument.many else str(number)
                yield f"{_quoted(site.title + ' ')}{place}", f"kind={_kind(argument.values)}"


def _kind(values: Values) -> str:
    return _quoted(" ".join((values.kind, *values.words)))


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "'\\''") + "'"
