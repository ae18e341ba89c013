"""Mounts where every file has one owner (NFS, CIFS, exFAT) or one mode (a disk of Windows)."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.program import KEY, Ocx
from tests.support.row_server import RowServer
from tests.support.sabotage import changed

# Everything below {folder} seems to have this owner and, where it is not None, this mode; chmod
# fails or does nothing.
MOUNT = """
import os
FOLDER, OWNER, MODE, ERROR = {folder!r}, {owner!r}, {mode!r}, {error!r}
def seen(found):
    fields = list(found)
    names = ("st_mtime_ns", "st_atime_ns", "st_ctime_ns", "st_blksize", "st_blocks", "st_rdev")
    if OWNER is not None:
        fields[4] = OWNER
    if MODE is not None:
        fields[0] = fields[0] & ~0o777 | MODE
    return os.stat_result(fields, {{name: getattr(found, name) for name in names}})
def wrapped(real):
    def call(what, *rest, **named):
        found = real(what, *rest, **named)
        try:
            number = isinstance(what, int)
            path = os.readlink(f"/proc/self/fd/{{what}}") if number else os.path.abspath(what)
            inside = os.fspath(path).startswith(FOLDER)
        except (TypeError, OSError):
            inside = False
        return seen(found) if inside else found
    return call
os.stat, os.lstat, os.fstat = map(wrapped, (os.stat, os.lstat, os.fstat))
def chmod(*_, **__):
    if ERROR:
        raise PermissionError(ERROR, "not permitted")
os.chmod = os.fchmod = chmod
"""

pytestmark = pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="emulated by /proc")


def mounted(ocx: Ocx, owner: int | None, mode: int | None = None, error: int = 0) -> Ocx:
    folder = os.path.realpath(ocx.home.parent)
    return changed(ocx, MOUNT.format(folder=folder, owner=owner, mode=mode, error=error))


def test_a_mount_that_gives_every_file_to_another(ocx: Ocx, rows: RowServer) -> None:
    mounted(ocx, 12345, error=1)
    (ocx.work / "in.jsonl").write_text('{"prompt": "a"}\n')
    (ocx.work / "old").write_text("before")
    for words in (
        ("config", "set", "retries", "1"),
        ("keys", "add", "main", "--no-check"),
        ("keys", "list"),
        ("chat", "-o", "answer", "hi"),
        ("chat", "-o", "old", "hi"),
        ("batch", "in.jsonl", "-m", "m", "-o", "out"),
        ("batch", "in.jsonl", "-m", "m", "-o", "out", "--resume"),
        ("chat", "--conversation", "c", "hi"),
    ):
        assert ocx(*words, input=KEY).status == 0, ocx(*words, input=KEY)
    assert not list(ocx.work.glob("*.partial"))
    assert (ocx.work / "old").read_text() != "before"


def test_a_file_of_somebody_else_is_refused_as_before(ocx: Ocx, rows: RowServer) -> None:
    """Only that one file seems to be another's: not all that is made beside it."""
    planted = ocx.work / "answer.partial"
    planted.write_text("theirs")
    code = MOUNT.format(folder=os.path.realpath(planted), owner=12345, mode=None, error=0)
    run = changed(ocx, code)("chat", "-o", "answer", "hi").has(1)
    assert "not a file of yours" in run.stderr
    assert planted.read_text() == "theirs"


@pytest.mark.parametrize("error", [0, 1])
def test_a_key_is_not_stored_where_others_can_read_it(ocx: Ocx, error: int) -> None:
    mounted(ocx, None, 0o777, error)
    run = ocx("keys", "add", "main", "--no-check", input=KEY).has(3)
    assert "nothing was stored" in run.stderr
    for way in ("api_key_command", "XDG_CONFIG_HOME", "wsl.conf"):
        assert way in run.stderr
    left = [path for path in ocx.config.iterdir() if KEY.encode() in path.read_bytes()]
    assert left == []
    ocx("config", "set", "retries", "1").has(0)


def test_a_stored_key_that_no_chmod_closes_says_what_helps(ocx: Ocx) -> None:
    ocx.write_credentials(main=KEY)
    mounted(ocx, None, 0o777)
    run = ocx("keys", "list").has(3)
    assert "can be read by others" in run.stderr
    assert "chmod" not in run.stderr
    assert "api_key_command" in run.stderr


def test_the_first_command_of_the_readme(ocx: Ocx) -> None:
    mounted(ocx, None, 0o777)
    run = ocx("--sandbox", "chat", "Hello!").has(0)
    assert run.text == "Hello!\n"
    assert "keeps no modes" in run.stderr


@pytest.mark.portable
def test_in_a_user_namespace(ocx: Ocx) -> None:
    """Without a mapping all files belong to nobody, and so does who runs it."""
    unshare = shutil.which("unshare")
    if unshare is None or subprocess.run([unshare, "-U", "true"], check=False).returncode:
        pytest.skip("no user namespaces here")
    for folder in (ocx.home.parent, ocx.home, ocx.work):
        folder.chmod(0o777)
    ocx.program = (unshare, "-U", sys.executable, "-m", "ocx")
    assert ocx("--sandbox", "chat", "hi", "-o", "answer").has(0).stderr.count("error") == 0
    assert (ocx.work / "answer").read_text() == "hi\n"
