"""`serve -- CMD`: the environment that points a program at the server, and running it."""

from __future__ import annotations

import signal
import subprocess
from collections.abc import Collection, Mapping, Sequence
from types import FrameType
from typing import Any

from ocx.errors import cannot_run
from ocx.secret import Secret

_LOOPBACK = "127.0.0.1,localhost"


def child_environment(
    env: Mapping[str, str], base_url: str, key: Secret, hidden: Collection[str] = ()
) -> dict[str, str]:
    """`env` for a child: every name that a client may look for leads to the server.

    Args:
        hidden: names that the child does not get, since they hold keys of upstreams.
    """
    left_out = {"OCX_SANDBOX", "OCX_PROFILE", *hidden}
    child = {name: text for name, text in env.items() if name not in left_out}
    for name in ("OCX_BASE_URL", "OPENAI_BASE_URL"):
        child[name] = base_url
    for name in ("OCX_API_KEY", "OPENCODEX_API_KEY", "OPENAI_API_KEY"):
        child[name] = key.reveal()
    for name in ("NO_PROXY", "no_proxy"):
        child[name] = f"{env[name]},{_LOOPBACK}" if env.get(name) else _LOOPBACK
    return child


def run_child(words: Sequence[str], env: Mapping[str, str]) -> int:
    """Run a program to its end; its status, minus the signal if one killed it.

    Ctrl-C reaches the program from the terminal itself, so here it only waits; SIGTERM is passed
    on.

    Raises:
        NotFoundError, CannotRunError: it cannot be started.
    """
    process: subprocess.Popen[bytes] | None = None
    early: list[int] = []

    def wait(number: int, _frame: FrameType | None) -> None:
        if number != signal.SIGTERM:
            return
        if process is None:  # it runs already, perhaps, and Popen has not returned
            early.append(number)
        else:
            process.send_signal(number)

    # Handlers, not SIG_IGN: that would be inherited, and the program could not be interrupted.
    before: dict[int, Any] = {
        number: signal.signal(number, wait)
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGQUIT)
        if signal.getsignal(number) is not signal.SIG_IGN
    }
    try:
        process = subprocess.Popen(words, env=env)
        for number in early:
            process.send_signal(number)
        return process.wait()
    except OSError as error:
        raise cannot_run(words[0], error) from error
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
