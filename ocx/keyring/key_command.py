"""Running `api_key_command`: a program of the user's that prints the key."""

from __future__ import annotations

import subprocess
from collections.abc import Sequence

from ocx.config.paths import Env
from ocx.errors import ConfigError

SECONDS = 60  # a fingerprint prompt takes a person that long


def run_key_command(command: Sequence[str], source: str, env: Env) -> bytes:
    """What the program writes to stdout; its stderr goes to ours. No shell, stdin is empty.

    The output is never part of a message: it may be half a key.

    Raises:
        ConfigError: it cannot start, fails, or takes more than a minute.
    """
    try:
        done = subprocess.run(
            list(command),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            env=dict(env),
            timeout=SECONDS,
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise ConfigError(f"{source} did not end within {SECONDS} s") from None
    except OSError as error:
        reason = error.strerror or error
        raise ConfigError(f"{source} cannot run {command[0]}: {reason}") from error
    if done.returncode != 0:
        ended = f"ended with status {done.returncode}"
        if done.returncode < 0:
            ended = f"was killed by signal {-done.returncode}"
        raise ConfigError(f"{source} {ended}", hint=f"try it by itself: {command[0]} …")
    return done.stdout
