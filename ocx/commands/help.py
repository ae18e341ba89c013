"""`ocx help` and `ocx completion`: what is generated for the whole program, printed."""

from __future__ import annotations

import shutil
import subprocess
from importlib.resources import as_file
from importlib.resources.abc import Traversable
from typing import Annotated

from ocx.cli import Option, Texts, option
from ocx.context import Context
from ocx.docs import environment_text, exit_codes, guide, page_text, shipped
from ocx.errors import UsageError
from ocx.process import ignoring_interrupts
from ocx.secret import word_of_argv

_PAGES = {
    "exit-codes": "ocx-exit-codes.7",
    "environment": "ocx-environment.7",
    "config-file": "ocx-config.5",
}
"""The pages of the manual beside those of the commands."""
_TABLES = {"exit-codes": exit_codes, "environment": environment_text}
"""What says as much as the page in fewer lines."""
GUIDES = ("zh", "ms")
"""Short guides in other languages."""
TOPICS = (*_PAGES, *GUIDES)
_TOPIC = f"A command, or a topic: {', '.join(TOPICS)}."
SCRIPTS = {"bash": "ocx.bash", "zsh": "_ocx", "fish": "ocx.fish"}
"""The shells, and the files of their scripts in `completions/`."""


def help_(ctx: Context, topic: Texts = option("[TOPIC]...", _TOPIC, ())) -> None:
    """Show the manual of a command or a topic.

    On a terminal man shows it, where there is one; else it is printed as plain text.
    """
    terminal = ctx.terminal
    name = " ".join(topic)
    man = shutil.which("man") if terminal.stdout_tty and terminal.stdin_tty else None
    if name in GUIDES:
        terminal.print(guide(name, terminal.width))
    elif name in _TABLES and man is None:
        terminal.print(_TABLES[name]())
    else:
        page = _page(name, topic)
        if man is None or not _shown_by(man, page):
            terminal.print(page_text(page.read_text("utf-8"), terminal.width))


def completion(ctx: Context, shell: Annotated[str, Option("bash|zsh|fish", "The shell.")]) -> None:
    """Print the completion script of a shell.

    The script is the one in the package's share folder, where shells find it by themselves once
    ocx is installed beside them; for any other installation put it there, or source it.
    """
    if shell not in SCRIPTS:
        raise UsageError(f"no completion for {shell!r}", hint=f"there is {', '.join(SCRIPTS)}")
    ctx.terminal.stdout.write(shipped(f"completions/{SCRIPTS[shell]}").read_bytes())


def _page(name: str, words: Texts) -> Traversable:
    page = shipped(f"man/{_PAGES.get(name) or '-'.join(('ocx', *words)) + '.1'}")
    # No word may lead to another folder, nor `keys-add` to the page of `keys add`.
    if name in _PAGES or (all(map(str.isalpha, words)) and page.is_file()):
        return page
    raise UsageError(
        f"no command or topic called {word_of_argv(name)!r}",
        hint=f"topics: {', '.join(TOPICS)}; commands: ocx --help",
    )


def _shown_by(man: str, page: Traversable) -> bool:
    """Whether `man` showed the page; every man takes a name with a slash for a file."""
    try:
        with as_file(page) as file, ignoring_interrupts():  # Ctrl-C is the pager's
            return subprocess.run([man, str(file)], check=False).returncode == 0
    except OSError:  # of a zip, and there is no folder for temporary files
        return False
