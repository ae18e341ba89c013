"""Importing this module enables command line editing using libedit readline.

It stands in for it: no marks around what is pasted, a history of its own format, no line buffer.
Like libedit it reads the terminal byte by byte, and not in lines.
"""

from __future__ import annotations

import builtins
import os
import sys
import termios
from collections.abc import Callable
from typing import Any

_lines: list[str] = []


def _nothing(*_: Any) -> None:
    pass


set_completer = set_completer_delims = parse_and_bind = set_auto_history = _nothing
set_startup_hook = insert_text = redisplay = set_history_length = _nothing
get_line_buffer: Callable[[], str] = str
add_history = _lines.append
clear_history = _lines.clear


def get_current_history_length() -> int:
    return len(_lines)


def get_history_item(number: int) -> str:
    return _lines[number - 1]


def _input(prompt: str = "") -> str:
    mode = termios.tcgetattr(0)
    termios.tcsetattr(0, termios.TCSANOW, [*mode[:3], mode[3] & ~termios.ICANON, *mode[4:]])
    # Now: a Ctrl-D that comes in the other mode would be lost.
    sys.stdout.write(prompt)
    sys.stdout.flush()
    data = b""
    try:
        while (byte := os.read(0, 1)) not in {b"\r", b"\n"}:
            if byte in {b"", b"\x04"}:  # none where Ctrl-D came before the mode was changed
                raise EOFError
            data += byte
    finally:
        termios.tcsetattr(0, termios.TCSANOW, mode)
    return data.decode()


builtins.input = _input  # type: ignore[assignment]
