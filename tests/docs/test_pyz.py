"""`ocx.pyz`: one file with the whole program, for a Python that has nothing installed."""

from __future__ import annotations

import ast
import json
import os
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path

import pytest

from tests.support import answers
from tests.support.chat_server import ChatServer
from tests.support.sizes import only_in_full

ROOT = Path(__file__).parents[2]
BUILDER = ROOT / "packaging" / "pyz.py"

pytestmark = [
    only_in_full,
    pytest.mark.skipif(
        find_spec("hatchling") is None, reason="no hatchling: pip install -e '.[dev]'"
    ),
]

Run = Callable[..., subprocess.CompletedProcess[str]]


def build(source: Path, target: Path, umask: int) -> bytes:
    target.parent.mkdir(parents=True, exist_ok=True)
    subprocess.run(
        [sys.executable, str(BUILDER), str(source), str(target)],
        check=True,
        umask=umask,
        env={**os.environ, "SOURCE_DATE_EPOCH": "1790000000"},
    )
    return target.read_bytes()


@pytest.fixture(scope="module")
def pyz(tmp_path_factory: pytest.TempPathFactory) -> Path:
    target = tmp_path_factory.mktemp("pyz") / "ocx.pyz"
    build(ROOT, target, 0o022)
    return target


@pytest.fixture
def run(pyz: Path, tmp_path: Path) -> Run:
    """The file alone, under a Python without site-packages, in a fresh HOME."""
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    base = Path(sys.base_prefix) / "bin" / f"python3.{sys.version_info.minor}"
    env = {"PATH": "/usr/bin:/bin", "HOME": str(tmp_path / "home"), "TMPDIR": str(scratch)}
    # What runs this test's own interpreter, where it is no system's.
    if "LD_LIBRARY_PATH" in os.environ:
        env["LD_LIBRARY_PATH"] = os.environ["LD_LIBRARY_PATH"]

    def ocx(*words: str, stdin: str = "", **more: str) -> subprocess.CompletedProcess[str]:
        done = subprocess.run(
            [str(base), "-I", "-S", str(pyz), *words],
            env={**env, **more},
            cwd=tmp_path,
            input=stdin,
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
        )
        assert list(scratch.iterdir()) == [], "nothing is left behind"
        return done

    return ocx


def test_built_twice_from_two_places_it_is_the_same_bytes(pyz: Path, tmp_path: Path) -> None:
    source = tmp_path / "a second, longer folder"
    for name in ("ocx", "man", "completions", "docs"):
        shutil.copytree(ROOT / name, source / name)
    shutil.copy(ROOT / "pyproject.toml", source)
    for path in source.rglob("*.py"):
        os.utime(path, (0, 1_000_000_000))
    assert build(source, tmp_path / "two" / "ocx.pyz", 0o077) == pyz.read_bytes()


def test_what_is_in_it(pyz: Path) -> None:
    """No compiled module, every licence, and no package that cannot do without one."""
    with zipfile.ZipFile(pyz) as archive:
        names = archive.namelist()
        main = archive.read("__main__.py").decode()
    assert not [name for name in names if name.endswith((".so", ".pyc", ".pyd", ".dylib"))]
    folders = {name.partition("/")[0] for name in names}
    licensed = {name.partition("/")[0] for name in names if "LICEN" in name.rpartition("/")[2]}
    assert {folder for folder in folders if folder.endswith(".dist-info")} <= licensed
    assert not folders & {"jsonschema", "referencing", "rpds", "pytest", "hatchling"}
    ast.parse(main, feature_version=(3, 4))  # an older one must get as far as to say so
    assert pyz.read_bytes().startswith(b"#!/usr/bin/env python3\n")
    assert os.access(pyz, os.X_OK)


def test_the_main_job(run: Run) -> None:
    chat = run("--sandbox", "chat", "Hello!")
    assert (chat.returncode, chat.stdout) == (0, "Hello!\n"), chat
    assert run("--version").stdout.startswith("ocx ")
    assert run("--sandbox", "balance").stdout == "499.999937 credits\n"


def test_a_batch(run: Run) -> None:
    """By aiohttp in pure Python."""
    batch = run(
        "--sandbox", "batch", "--text", "-o", "-", "--format", "text", stdin="one\ntwo\nthree\n"
    )
    assert batch.returncode == 0, batch
    assert sorted(batch.stdout.split()) == ["one", "three", "two"]


ASK = """
import json, os, urllib.request
url, key = os.environ["OPENAI_BASE_URL"], os.environ["OPENAI_API_KEY"]
body = {"model": "mine", "messages": [{"role": "user", "content": "hi"}]}
headers = {"Authorization": "Bearer " + key, "Content-Type": "application/json"}
asked = urllib.request.Request(url + "/chat/completions", json.dumps(body).encode(), headers)
print(json.load(urllib.request.urlopen(asked))["choices"][0]["message"]["content"])
"""


def test_forwarding(run: Run, tmp_path: Path, chat_server: ChatServer) -> None:
    """By aiohttp, too."""
    (tmp_path / "serve.toml").write_text(
        f'[upstreams.other]\nbase_url = "{chat_server.base_url}"\n[models.mine]\n'
        'route = "forward:other"\nprompt_price = 1\ncompletion_price = 1\n'
    )
    chat_server.answer_all(answers.answer(answers.completion("from the upstream")))
    done = run("serve", "--config", "serve.toml", "--ephemeral", "--", sys.executable, "-c", ASK)
    assert (done.returncode, done.stdout) == (0, "from the upstream\n"), done


def test_its_texts(run: Run) -> None:
    """The manual, the completions, the guides and the server's own document are in the zip."""
    assert run("completion", "bash").stdout == (ROOT / "completions/ocx.bash").read_text()
    assert "EXAMPLES" in run("help", "chat").stdout
    assert run("help", "zh").returncode == 0
    document = run("--sandbox", "api", "GET", "/openapi.json").stdout
    assert json.loads(document)["paths"]


ROW = {"id": "1", "prompt": "x", "expect": {"schema": {"type": "object"}}}


@pytest.mark.parametrize(
    ("words", "rows"),
    [(("chat", "--schema", "name", "Hello!"), ""), (("batch", "-o", "-"), json.dumps(ROW))],
)
def test_what_needs_a_compiled_package_says_so(run: Run, words: tuple[str, ...], rows: str) -> None:
    done = run("--sandbox", *words, stdin=rows)
    assert done.returncode == 2, done
    assert "`pip install jsonschema`" in done.stdout + done.stderr


def test_certificates_leave_no_file_behind(run: Run) -> None:
    """Those of certifi are in the zip, and are read there (the fixture looks at the folder)."""
    done = run(
        "--base-url", "https://127.0.0.1:9/v1", "models", "--retries", "0", OCX_API_KEY="sk-x"
    )
    assert done.returncode == 9, done
