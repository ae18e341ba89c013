"""The parts of the zsh script: one function a command, each an `_arguments` call."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from docs.generator.completion_site import Positional, Site, shared_options, sites
from docs.generator.values import Values, of_option
from ocx.cli.help import Command
from ocx.cli.typer_internals import Parameter


def parts(root: Command) -> dict[str, str]:
    found = sites(root)
    shared = "".join(f"    {spec}\n" for o in shared_options(root) for spec in _specs(o))
    programs = "|".join(site.title.split()[1] for site in found if site.runs_programs)
    return {
        "shared options": shared,
        "functions": "\n".join(_function(site) for site in found),
        "programs": f"            ({programs}) runs=1 ;;\n" if programs else "",
    }


def _function(site: Site) -> str:
    return _group(site) if site.commands else _leaf(site)


def _leaf(site: Site) -> str:
    return f"{_name(site.title)}() {{\n{_call('', _all_specs(site))}}}\n"


def _group(site: Site) -> str:
    named = "".join(f"        {_quoted(_item(n, text))}\n" for n, text in site.commands)
    cases = "".join(
        f"                ({n}) {_name(f'{site.title} {n}')} ;;\n" for n, _ in site.commands
    )
    specs = [*_option_specs(site), "'1:command:->command'", "'*::argument:->rest'"]
    # Of a group that takes arguments, the first word may be one as well.
    first = site.arguments[0].values if site.arguments else None
    or_first = f"; {_action(first)}" if first is not None and first.kind == "files" else ""
    return (
        f"{_name(site.title)}() {{\n"
        "    local curcontext=$curcontext context state state_descr line\n"
        "    typeset -A opt_args\n"
        f"    local -a commands=(\n{named}    )\n"
        f"{_call('-C ', specs)}"
        "    case $state in\n"
        f"        (command) _describe -t commands {_quoted(site.title + ' command')} commands"
        f"{or_first} ;;\n"
        "        (rest)\n"
        "            case $line[1] in\n"
        f"{cases}"
        "            esac\n"
        "            ;;\n"
        "    esac\n"
        "}\n"
    )


def _call(flags: str, specs: Iterable[str]) -> str:
    lines = " \\\n".join(f"        {spec}" for spec in ('"$_ocx_shared[@]"', *specs))
    return f"    _arguments {flags}-s -S \\\n{lines}\n"


def _all_specs(site: Site) -> list[str]:
    places = [_positional(n, a) for n, a in enumerate(site.arguments, 1)]
    return [*_option_specs(site), *places]


def _option_specs(site: Site) -> list[str]:
    return [spec for option in site.options for spec in _specs(option)]


def _specs(option: Parameter) -> Iterator[str]:
    """One specification a flag; a flag that was given takes its other names with it."""
    flags = (*option.flags, *option.off)
    before = "*" if option.repeatable else f"({' '.join(flags)})"
    value = ""
    if option.metavar:
        value = f":{_escaped(option.metavar or '')}:{_action(of_option(option))}"
    for flag in flags:
        joint = "" if not value else "=" if flag.startswith("--") else "+"
        yield _quoted(f"{before}{flag}{joint}[{_escaped(option.help)}]{value}")


def _positional(number: int, argument: Positional) -> str:
    place = "*" if argument.many else str(number)
    # A message would keep an option from being completed, where either could be meant.
    action = "_ocx_nothing" if argument.values.kind == "text" else _action(argument.values)
    return _quoted(f"{place}:{_escaped(argument.name)}:{action}")


def _action(values: Values) -> str:
    match values.kind:
        case "words":
            return f"({' '.join(values.words)})"
        case "files":
            return "_files"
        case "folders":
            return "_files -/"
        case "text":
            return " "
        case _:
            return f"_ocx_cached {values.kind}"


def _name(title: str) -> str:
    """`_ocx` itself, `_ocx__keys_add` below it: no command can take a helper's name."""
    _, _, rest = title.partition(" ")
    return f"_ocx__{rest.replace(' ', '_')}"


def _item(name: str, summary: str) -> str:
    return f"{name}:{summary}".replace("\\", "\\\\")


def _escaped(text: str) -> str:
    for character in "\\[]:":
        text = text.replace(character, f"\\{character}")
    return text


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "'\\''") + "'"
