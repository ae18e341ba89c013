"""The parts of the fish script: one `complete` line for each thing that can be typed."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from docs.generator.completion_site import Site, shared_options, sites
from docs.generator.values import Values, of_option
from ocx.cli.help import Command
from ocx.cli.typer_internals import Parameter


def parts(root: Command) -> dict[str, str]:
    found = sites(root)
    shared = shared_options(root)
    paths = [f"{site.title} {name}" for site in found for name, _ in site.commands]
    taking = [*_taking("*", shared), *(p for s in found for p in _taking(s.title, s.options))]
    return {
        "paths": _case(paths),
        "taking": _case(taking),
        "programs": _case(site.title for site in found if site.runs_programs),
        "completions": "".join(f"{line}\n" for line in _lines(found, shared)),
    }


def _case(words: Iterable[str]) -> str:
    return f"        case {' '.join(map(_quoted, words))}\n"


def _taking(title: str, options: Iterable[Parameter]) -> Iterator[str]:
    for option in options:
        if option.metavar:
            yield from (f"{title} {flag}" for flag in option.flags)


def _lines(found: Iterable[Site], shared: Iterable[Parameter]) -> Iterator[str]:
    for option in shared:
        yield from _option("complete -c ocx", option)
    for site in found:
        for name, summary in site.commands:
            yield f"{_at(site, ' 0')} -a {name} -d {_quoted(summary)}"
        for option in site.options:
            yield from _option(_at(site), option)
        for number, argument in enumerate(site.arguments):
            if offer := _offer(argument.values):
                yield f"{_at(site, '' if argument.many else f' {number}')} {offer}"


def _at(site: Site, place: str = "") -> str:
    condition = f"__ocx_at {_quoted(site.title)}{place}"
    return f"complete -c ocx -n {_quoted(condition)}"


def _option(start: str, option: Parameter) -> Iterator[str]:
    text = f"-d {_quoted(option.help)}"
    # An option with values we know takes only those; any text is fish's -x without -a.
    offer = f" {_offer(of_option(option)) or '-x'}" if option.metavar else ""
    yield f"{start} {_spelled(option.flags)}{_required(offer)} {text}"
    if option.off:
        yield f"{start} {_spelled(option.off)} {text}"


def _required(offer: str) -> str:
    return offer.replace(" -a", " -x -a").replace(" -F", " -r -F")


def _spelled(flags: Iterable[str]) -> str:
    return " ".join(f"-l {f[2:]}" if f.startswith("--") else f"-s {f[1:]}" for f in flags)


def _offer(values: Values) -> str:
    match values.kind:
        case "words":
            return f"-a {_quoted(' '.join(values.words))}"
        case "files":
            return "-F"
        case "folders":
            return "-a '(__fish_complete_directories)'"
        case "text":
            return ""
        case _:
            kept = "-k " if values.kind == "conversations" else ""  # their order
            return f"{kept}-a '(__ocx_cached {values.kind})'"


def _quoted(text: str) -> str:
    return "'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'"
