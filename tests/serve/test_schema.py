"""The OpenAPI document is true, as schemathesis sees it: `make test-schema` installs that.

It is no part of the development extra; without it this test is skipped, and counted.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.serve.conftest import Served

pytest.importorskip("schemathesis", reason="no schemathesis: make test-schema installs it")

EXAMPLES = 200


def test_schemathesis_finds_nothing(served: Served, tmp_path: Path) -> None:
    """No 500, no undocumented status or type, every body valid, bad input refused."""
    program = shutil.which("schemathesis", path=str(Path(sys.executable).parent))
    assert program is not None
    run = subprocess.run(
        [
            *(program, "run", f"{served.url}/openapi.json", f"--max-examples={EXAMPLES}"),
            *("--header", f"Authorization: Bearer {served.key.reveal()}"),
            *("--phases", "examples,coverage,fuzzing", "--seed", "1", "--checks", "all"),
            *("--generation-database", "none", "--request-timeout", "10"),
        ],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    sys.stdout.write(run.stdout)
    assert run.returncode == 0, run.stdout[-6000:]
