"""A real bash, zsh or fish in a pty, with the completion script where that shell looks for it."""

from __future__ import annotations

import contextlib
import os
import pty
import shutil
import signal
import subprocess
import sys
import termios
from pathlib import Path

from tests.support.waiting import Collected

# Gives the shell the pty as its controlling terminal: fish insists on job control.
IN_CONTROL = (
    sys.executable,
    "-ISc",
    "import fcntl, os, sys, termios; fcntl.ioctl(0, termios.TIOCSCTTY, 0);"
    "os.execv(sys.argv[1], sys.argv[1:])",
)
PROMPT = b"ready> "
DUMP = b"\x18d"  # Ctrl-X d, bound below to printing the line as it stands
INSTALL = "apt-get install zsh fish, or brew install zsh fish; then make test-shells"

_BASH = r"""
PS1='ready> '
bind 'set enable-bracketed-paste off'
bind 'set show-all-if-ambiguous on'
bind 'set page-completions off'
bind 'set completion-query-items 0'
__dump() { printf '<line>%s</line %s>\n' "$READLINE_LINE" $((++lines)); }
bind -x '"\C-xd": __dump'
source "$COMPLETIONS/ocx.bash"
"""
_ZSH = r"""
PS1='ready> '
unsetopt ZLE_BRACKETED_PASTE PROMPT_SP 2>/dev/null
unset zle_bracketed_paste
fpath=("$COMPLETIONS" $fpath)
autoload -Uz compinit
compinit -u -D
LISTMAX=1000
dump() { print -r -- "<line>$BUFFER</line $((++lines))>" }
zle -N dump
bindkey '^Xd' dump
"""
_FISH = r"""
set -g fish_greeting
set -g fish_color_autosuggestion
function fish_prompt; echo -n 'ready> '; end
function fish_right_prompt; end
set -g fish_complete_path $COMPLETIONS $fish_complete_path
set -g fish_autosuggestion_enabled 0
set -g lines 0
function dump
    set lines (math $lines + 1)
    printf "<line>%s</line %s>\n" (commandline | string collect) $lines
end
bind \cxd dump
"""


class Shell:
    """Keys go in; the line as the shell holds it, and all that it showed, come out."""

    def __init__(
        self, name: str, folder: Path, completions: Path, prefix: tuple[str, ...] = ()
    ) -> None:
        program = shutil.which(name)
        assert program is not None
        self.name = name
        self.work = folder / "work"
        self.work.mkdir(parents=True)
        self._traps = _traps(folder)
        env = {
            "PATH": str(self._traps),
            "HOME": str(folder),
            "ZDOTDIR": str(folder),
            "XDG_CONFIG_HOME": str(folder),
            "XDG_DATA_HOME": str(folder),
            "XDG_CACHE_HOME": str(folder / "cache"),
            "COMPLETIONS": str(completions),
            "LANG": "C.UTF-8",
            **{key: os.environ[key] for key in ("LD_LIBRARY_PATH",) if key in os.environ},
            # fish lists what fits only where it can move about; the others write plainer so.
            "TERM": "xterm" if name == "fish" else "dumb",
        }
        (folder / ".bashrc").write_text(_BASH)
        (folder / ".zshrc").write_text(_ZSH)
        # What fish looks for when it starts, or makes with a program in the background.
        for name_ in ("completions", "conf.d", "functions", "generated_completions"):
            (folder / "fish" / name_).mkdir(parents=True, exist_ok=True)
        (folder / "fish" / "config.fish").write_text(_FISH)
        flags = {"bash": ["--noprofile", "--rcfile", str(folder / ".bashrc"), "-i"]}
        self._fd, theirs = pty.openpty()
        termios.tcsetwinsize(theirs, (50, 250))
        self._popen = subprocess.Popen(
            [*IN_CONTROL, *prefix, program, *flags.get(name, ["-i"])],
            stdin=theirs,
            stdout=theirs,
            stderr=theirs,
            env=env,
            cwd=self.work,
            start_new_session=True,
        )
        os.close(theirs)
        self._shown = Collected(self._fd)
        self._shown.until(PROMPT)
        self._lines = 0

    def press(self, keys: str) -> str:
        """The whole line after `keys`, which may hold TAB."""
        os.write(self._fd, keys.encode())
        os.write(self._fd, DUMP)
        self._lines += 1
        end = f"</line {self._lines}>"
        shown = self._shown.until(end.encode()).decode("utf-8", "replace")
        return shown.partition(end)[0].rpartition("<line>")[2]

    def shown(self) -> str:
        return self._shown.so_far().decode("utf-8", "replace")

    def started(self) -> list[str]:
        """The programs that were run, of those that completion could be tempted to run."""
        return sorted(path.name for path in self.work.parent.glob("ran-*"))

    def close(self) -> None:
        with contextlib.suppress(OSError):  # the shell itself, where our child is a strace
            os.killpg(os.tcgetpgrp(self._fd), signal.SIGKILL)
        self._popen.kill()
        self._popen.wait()
        self._shown.all()  # or its reader would take what the next descriptor of that number says
        os.close(self._fd)


def _traps(folder: Path) -> Path:
    """A PATH with nothing in it but programs that tell on whoever runs them."""
    traps = folder / "bin"
    traps.mkdir()
    for name in ("ocx", "python", "python3", "opencodex-cli"):
        trap = traps / name
        trap.write_text(f"#!/bin/sh\n: >'{folder}/ran-{name}'\n")
        trap.chmod(0o755)
    return traps
