"""`ocx serve` in a process of its own, for what is no test: bench, fuzz and soak."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import IO

OCX = (sys.executable, "-m", "ocx")


@contextmanager
def serving(
    env: Mapping[str, str], *words: str, log: IO[bytes] | None = None
) -> Iterator[tuple[subprocess.Popen[bytes], int]]:
    """The server and its port; it is stopped at the end. Its stderr, and no stdout, go to `log`."""
    command = [*OCX, "serve", "--port", "0", *words]
    server = subprocess.Popen(command, env=env, stdout=subprocess.PIPE, stderr=log)
    assert server.stdout is not None
    try:
        found = re.search(r":(\d+)/", json.loads(server.stdout.readline())["listening"])
        assert found is not None
        # Nobody else reads the log of requests, and a full pipe stops the server.
        threading.Thread(target=server.stdout.read, daemon=True).start()
        yield server, int(found[1])
    finally:
        server.terminate()
        server.wait(30)


def run(env: Mapping[str, str], *words: str) -> str:
    """What a command of `ocx` prints, which must succeed."""
    done = subprocess.run([*OCX, *words], env=env, capture_output=True, text=True, check=True)
    return done.stdout
