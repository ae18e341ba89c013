"""The scripts of examples/ci in the environment that cron, make or a runner gives them."""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from tests.support.program import KEY, fork_server
from tests.support.row_server import RowServer
from tests.support.waiting import DEADLINE

EXAMPLES = Path(__file__).parents[2] / "examples" / "ci"
PATH = f"{Path(sys.executable).parent}:/usr/bin:/bin"
LONG = 6 * DEADLINE


class Site:
    """A folder with a copy of the examples, and nothing else that a script could lean on."""

    def __init__(self, folder: Path, server: RowServer) -> None:
        self.folder = folder
        self.server = server
        # The program as a script calls it; a copy of the installed one starts five times as long.
        program = folder.with_name("bin") / "ocx"
        program.parent.mkdir()
        program.write_text(f'#!/bin/sh\nexec {shlex.join(fork_server().program)} "$@"\n')
        program.chmod(0o755)
        self.env = {
            "PATH": f"{program.parent}:{PATH}",
            "OCX_BASE_URL": server.base_url,
            "OCX_API_KEY": KEY,
        }
        # What runs this test's own interpreter, where it is no system's.
        if "LD_LIBRARY_PATH" in os.environ:
            self.env["LD_LIBRARY_PATH"] = os.environ["LD_LIBRARY_PATH"]

    def run(
        self, *words: str, env: Mapping[str, str] | None = None, timeout: float = LONG
    ) -> subprocess.CompletedProcess[str]:
        """A command without a terminal, without stdin, in an environment of these names alone."""
        return subprocess.run(
            ["env", "-i", *(f"{k}={v}" for k, v in {**self.env, **(env or {})}.items()), *words],
            cwd=self.folder,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
            start_new_session=True,
            timeout=timeout,
        )

    def start(self, *words: str) -> subprocess.Popen[bytes]:
        return subprocess.Popen(
            words, cwd=self.folder, env=self.env, stdin=subprocess.DEVNULL, start_new_session=True
        )


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    folder = tmp_path / "site"
    shutil.copytree(EXAMPLES, folder)
    with RowServer() as server:
        yield Site(folder, server)
    assert not server.faults, f"the test's own server failed: {server.faults}"
