"""A file system without locks (some SMB, FUSE and NFS mounts): flock and lockf refused."""

from __future__ import annotations

import pytest

from tests.support.program import KEY, Ocx
from tests.support.row_server import RowServer
from tests.support.sabotage import changed

NO_LOCKS = """
import errno, fcntl
def refused(*_):
    raise OSError(errno.{name}, "no locks available")
fcntl.flock = fcntl.lockf = refused
"""
WARNING = "has no locks: let only one ocx at a time write there"


@pytest.fixture
def lockless(ocx: Ocx) -> Ocx:
    return changed(ocx, NO_LOCKS.format(name="ENOLCK"))


@pytest.mark.parametrize("code", ["EOPNOTSUPP", "ENOSYS", "EINVAL"])
def test_each_file_system_says_it_in_its_own_way(ocx: Ocx, code: str) -> None:
    changed(ocx, NO_LOCKS.format(name=code))
    assert WARNING in ocx("config", "set", "retries", "1").has(0).stderr


def test_what_is_a_courtesy_goes_on_with_one_warning(lockless: Ocx, rows: RowServer) -> None:
    for words in (
        ("config", "set", "retries", "1"),
        ("keys", "add", "main", "--no-check"),
        ("chat", "--save-template", "t", "-s", "x", "y"),
        ("chat", "-o", "answer", "hi"),
        ("chat", "--conversation", "c", "hi"),
        ("batch", "in.jsonl", "-m", "m", "-o", "out"),
    ):
        (lockless.work / "in.jsonl").write_text('{"prompt": "a"}\n')
        run = lockless(*words, input=KEY)
        assert run.status == 0, run
        warnings = run.stderr.split("\n")
        folders = {line.partition(" has no locks")[0] for line in warnings if WARNING in line}
        assert folders, run
        assert run.stderr.count(WARNING) == len(folders), "each folder is named once"
    assert (lockless.work / "answer").exists()
    assert (lockless.work / "out").read_bytes().count(b"\n") == 1


def test_a_warning_is_json_with_json_and_none_with_q(lockless: Ocx) -> None:
    told = lockless("config", "set", "retries", "1", "--json").has(0).stderr
    assert '{"warning":"the file system of ' in told
    assert lockless("config", "set", "retries", "2", "-q").has(0).stderr == ""


def test_the_sandbox_keeps_its_credits_in_memory(lockless: Ocx) -> None:
    run = lockless("--sandbox", "chat", "hi").has(0)
    assert run.text == "hi\n"
    assert "kept in memory only: the file system of" in run.stderr
    assert "500" in lockless("--sandbox", "balance").has(0).text


def test_a_ledger_is_refused(lockless: Ocx) -> None:
    for words in (("serve", "grant", "1"), ("serve", "keys", "add", "k"), ("serve", "--port", "0")):
        run = lockless(*words).has(3)
        assert "has no locks, and two that write it at once would lose credits" in run.stderr
        assert "--db names another file" in run.stderr
