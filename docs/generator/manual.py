"""Every page of the manual, from the command tree, the tables and the written texts."""

from __future__ import annotations

from collections.abc import Iterator

from docs.generator.page import Heading, Page, Paragraph, Synopsis, Terms, filled, section
from docs.generator.prose import prose
from docs.generator.tree import walk
from ocx.cli.help import Command
from ocx.cli.typer_internals import Parameter
from ocx.config.schema import SETTINGS, Setting
from ocx.docs import environment
from ocx.errors import exit_code_table

_SEE_ALSO = ("`ocx`(1)", "`ocx-config`(5)", "`ocx-environment`(7)", "`ocx-exit-codes`(7)")


def manual(root: Command) -> Iterator[Page]:
    """All of it."""
    for command in walk(root):
        yield command_page(command)
    yield config_page()
    yield environment_page()
    yield exit_codes_page()


def command_page(command: Command) -> Page:
    """`ocx-keys-add.1` of `ocx keys add`."""
    name = "-".join(command.path)
    written = prose(name)
    is_root = len(command.path) == 1
    description = [Paragraph(command.summary), *_text(command), *written.description]
    sections = (
        section("SYNOPSIS", *_synopsis(command)),
        section("DESCRIPTION", *description),
        section("COMMANDS", *_commands(command)),
        section("ARGUMENTS", *_arguments(command.arguments)),
        section("OPTIONS", *_options(command, is_root)),
        section("ENVIRONMENT", *([Terms(_environment())] if is_root else [])),
        section("EXIT STATUS", *_exit_status(is_root)),
        section("EXAMPLES", *written.examples),
        section("NOTES", *written.notes),
        section("SEE ALSO", Paragraph(", ".join(_see_also(command)))),
    )
    summary = command.summary.rstrip(".")
    return Page(name, 1, summary[:1].lower() + summary[1:], filled(sections))


def config_page() -> Page:
    written = prose("ocx-config-file")
    rows = tuple((f"`{setting.name}`", _setting(setting)) for setting in SETTINGS)
    sections = (
        section("DESCRIPTION", *written.description),
        section("SETTINGS", Terms(rows)),
        section("EXAMPLES", *written.examples),
        section("NOTES", *written.notes),
        section("SEE ALSO", Paragraph(", ".join(name for name in _SEE_ALSO if "(5)" not in name))),
    )
    return Page("ocx-config", 5, "the settings, profiles and keys of ocx", filled(sections))


def environment_page() -> Page:
    written = prose("ocx-environment")
    sections = (
        section("DESCRIPTION", *written.description, Terms(_environment())),
        section("NOTES", *written.notes),
        section("SEE ALSO", Paragraph("`ocx`(1), `ocx-config`(5), `ocx-exit-codes`(7)")),
    )
    return Page("ocx-environment", 7, "the environment variables of ocx", filled(sections))


def exit_codes_page() -> Page:
    written = prose("ocx-exit-codes")
    rows = tuple(
        (f"`{code}` {name}", _sentence(meaning) + (f" A retry helps: {retry}." if retry else ""))
        for code, name, meaning, retry in exit_code_table()
    )
    sections = (
        section("DESCRIPTION", *written.description, Terms(rows)),
        section("EXAMPLES", *written.examples),
        section("NOTES", *written.notes),
        section("SEE ALSO", Paragraph("`ocx`(1), `ocx-config`(5), `ocx-environment`(7)")),
    )
    return Page("ocx-exit-codes", 7, "the exit codes of ocx", filled(sections))


def _text(command: Command) -> Iterator[Paragraph]:
    for block in command.text.split("\n\n"):
        if block.strip():
            yield Paragraph(" ".join(block.split()))


def _synopsis(command: Command) -> Iterator[Synopsis]:
    for rest in command.synopses():
        yield Synopsis(command.title, rest)


def _commands(command: Command) -> Iterator[Terms]:
    if command.commands:
        yield Terms(
            tuple(
                (f"`{below.title}`", f"{below.summary} See `{'-'.join(below.path)}`(1).")
                for below in command.commands
            )
        )


def _arguments(arguments: tuple[Parameter, ...]) -> Iterator[Terms]:
    if arguments:
        yield Terms(tuple((a.value, a.help) for a in arguments))


def _options(command: Command, is_root: bool) -> Iterator[Heading | Paragraph | Terms]:
    groups = command.shown
    for heading, options in groups.items():
        if len(groups) > 1:
            yield Heading(heading)
        yield Terms(tuple(row for option in options for row in _rows(option)))
    if len(groups) > 1:
        yield Heading("Shared options")
    if is_root:
        yield Paragraph(
            "Every command knows these but the version; they stand before or after it, and the "
            "last one wins."
        )
    else:
        yield Paragraph("The options that every command knows are in `ocx`(1).")


def _rows(option: Parameter) -> Iterator[tuple[str, str]]:
    """The option, and apart from it what turns it off: else `-n` reads as if it turned it on."""
    yield _flags(option.flags, option.metavar), _help(option)
    if option.off:
        yield _flags(option.off, None), f"Turns `{option.flags[0]}` off."


def _flags(flags: tuple[str, ...], metavar: str | None) -> str:
    value = f" {metavar}" if metavar else ""
    return ", ".join(f"`{flag}`" for flag in sorted(flags, key=len)) + value


def _help(option: Parameter) -> str:
    limits = f" [{'; '.join(option.limits)}]" if option.limits else ""
    return option.help + limits + (" Repeatable." if _may_repeat(option) else "")


def _may_repeat(option: Parameter) -> bool:
    return option.repeatable and "repeatable" not in option.help.lower()


def _exit_status(is_root: bool) -> Iterator[Paragraph]:
    general = "0 where the result asked for was delivered in full; every other outcome has a code "
    yield Paragraph(f"{general}of its own, in `ocx-exit-codes`(7).")
    if is_root:
        yield Paragraph("A command that is interrupted saves what it must and dies by the signal.")


def _see_also(command: Command) -> list[str]:
    parent = "-".join(command.path[:-1])
    names = [f"`{parent}`(1)"] if parent else []
    names += [f"`{'-'.join(below.path)}`(1)" for below in command.commands]
    return [*names, *(name for name in _SEE_ALSO if name not in names and name != _own(command))]


def _own(command: Command) -> str:
    return f"`{'-'.join(command.path)}`(1)"


def _environment() -> tuple[tuple[str, str], ...]:
    return tuple(
        (", ".join(f"`{word.strip()}`" for word in names.split(",")), _sentence(text))
        for names, text in environment()
    )


def _setting(setting: Setting) -> str:
    text = _sentence(setting.help)
    if setting.type.allowed:
        text += f" {setting.type.allowed}"
    if setting.default not in {None, ()}:
        text += f" Default: {setting.default}."
    return text


def _sentence(text: str) -> str:
    return text[:1].upper() + text[1:].rstrip(".") + "."
