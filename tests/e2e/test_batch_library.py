"""`ocx.batch.run` in another program, as the README shows it."""

from __future__ import annotations

import re
import subprocess
import sys

from tests.support.pages import PAGES
from tests.support.program import Ocx
from tests.support.row_server import RowServer

SECTION = PAGES["library"].partition("Many prompts, with the speed, retries and budgets")[2]
LOOP, STEP = re.findall(r"```python\n(.*?)```", SECTION, re.S)[:2]


def run(ocx: Ocx, code: str) -> str:
    done = subprocess.run(
        [sys.executable, "-c", code], env=ocx.env, cwd=ocx.work, capture_output=True, text=True,
        check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_the_endpoint_and_the_model_are_those_of_the_command_line(
    ocx: Ocx, rows: RowServer
) -> None:
    assert run(ocx, LOOP) == "line-1 ONE\nline-2 TWO\n"
    assert all(b'"model":"deepseek-chat"' in request.body for request in rows.requests)


def test_it_is_a_step_of_a_pipeline(ocx: Ocx, rows: RowServer) -> None:
    code = f"import ocx.batch\nblocks = [['one', 'two']]\n{STEP}\nprint(answers)"
    assert run(ocx, code) == "['ONE', 'TWO']\n"


def test_without_a_key_it_says_so(ocx: Ocx) -> None:
    code = "import ocx.batch, ocx.errors\ntry: list(ocx.batch.run(['one']))\n"
    assert run(ocx, code + "except ocx.errors.AuthError as error: print(error.hint)\n")
