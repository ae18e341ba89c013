"""examples/ci, each script as it stands: no terminal, `env -i`, faults, two at once."""

from __future__ import annotations

import json
import re
import shlex
import shutil
import subprocess
import threading
from pathlib import Path

import pytest

from tests.ci.conftest import EXAMPLES, Site
from tests.support import answers
from tests.support.raw_server import CLOSE
from tests.support.row_server import good, prompt_of, read_rows, write_rows
from tests.support.sizes import only_in_full, some

PRICE = 0.5
NOWHERE = {"OCX_BASE_URL": "http://127.0.0.1:9/v1", "OCX_API_KEY": ""}


def git(site: Site, *words: str, **env: str) -> subprocess.CompletedProcess[str]:
    roles, parts = ("AUTHOR", "COMMITTER"), ("NAME", "EMAIL")
    who = {f"GIT_{role}_{part}": "a@b" for role in roles for part in parts}
    return site.run("git", *words, env={"GIT_CONFIG_GLOBAL": "/dev/null", **who, **env})


def test_the_hook_begins_the_message_and_is_in_no_ones_way(site: Site) -> None:
    site.server.answer(answers.stream("Add a file\nand more"), path="/chat/completions")
    site.server.behave = lambda *_: answers.stream("Add a file", "\nand more")
    assert git(site, "init", "-q").returncode == 0
    shutil.copy(site.folder / "prepare-commit-msg", site.folder / ".git" / "hooks")
    (site.folder / "file").write_text("new\n")
    git(site, "add", "file")
    done = git(site, "commit", GIT_EDITOR="true")
    assert done.returncode == 0, done.stderr
    assert git(site, "log", "--format=%B").stdout.strip() == "Add a file"
    (request,) = site.server.requests
    assert "+new" in prompt_of(request)
    (site.folder / "file").write_text("newer\n")
    mine = "sh -c 'echo mine > \"$0\"'"
    site.env["OCX_BASE_URL"] = "http://127.0.0.1:9/v1"
    done = git(site, "commit", "-a", GIT_EDITOR=mine)
    assert done.returncode == 0, done.stderr
    git(site, "commit", "-q", "--allow-empty", "-m", "given")
    assert git(site, "log", "--format=%s").stdout.split("\n")[:2] == ["given", "mine"]
    assert len(site.server.requests) == 1


def test_make_asks_again_for_what_is_missing_alone(site: Site) -> None:
    for name in "abc":
        (site.folder / f"{name}.en.md").write_text(f"text {name}\n")
    half = [answers.STREAM_HEAD + answers.delta("half"), CLOSE]
    site.server.behave = lambda prompt, times: (
        half if "text b" in prompt and times == 1 else answers.stream("Text\n")
    )
    assert site.run("make", "-k", "-j", "3").returncode == 2
    made = {path.name for path in site.folder.glob("*.de.md")}
    assert made == {"a.de.md", "c.de.md"}
    done = site.run("make", "-j", "3")
    assert done.returncode == 0, done.stderr
    assert (site.folder / "b.de.md").read_text() == "Text\n"
    assert not list(site.folder.glob("*.partial"))
    assert len(site.server.requests) == 4


def nightly(site: Site, **env: str) -> subprocess.CompletedProcess[str]:
    return site.run("sh", "nightly.sh", str(site.folder), env=env)


def test_a_nightly_batch_goes_on_each_night_and_says_nothing(site: Site) -> None:
    """Two nights at 20 credits for 50 rows of half a credit; the second completes it."""
    write_rows(site.folder / "in.jsonl", 50)
    site.server.behave = lambda prompt, _: good(prompt, cost=PRICE)
    first = nightly(site)
    assert (first.returncode, first.stdout, first.stderr) == (0, "", "")
    report = json.loads((site.folder / "report.json").read_text())
    assert (report["stopped"], report["exit_code"]) == ("max_credits", 13)
    assert 0 < report["credits"] <= 20
    assert nightly(site).returncode == 0
    assert set(site.server.asked.values()) == {1}
    assert len(read_rows(site.folder / "out.jsonl")) == 50


@pytest.mark.parametrize(
    ("balance", "chat", "status", "said"),
    some(
        [
            (answers.answer({"balance": 50.1}), None, 12, "at its floor"),
            (answers.error(401), None, 4, "the key is refused"),
            (answers.answer({"balance": 500}), answers.error(402), 5, "credits are gone"),
            (answers.error(503), None, 0, ""),
        ],
        2,
    ),
)
def test_what_wakes_somebody_at_night(
    site: Site, balance: bytes, chat: bytes | None, status: int, said: str
) -> None:
    write_rows(site.folder / "in.jsonl", 5)
    site.server.answer(balance, path="/balance")
    site.server.behave = lambda prompt, _: chat or good(prompt, cost=PRICE)
    done = nightly(site, OCX_RETRIES="0")
    assert done.returncode == status, done.stderr
    assert said in done.stderr
    assert bool(done.stderr) == bool(said)


def test_a_night_that_is_not_over_is_not_joined(site: Site) -> None:
    write_rows(site.folder / "in.jsonl", 3)
    gate = threading.Event()
    site.server.behave = lambda prompt, _: [gate, good(prompt, cost=PRICE)]
    first = site.start("sh", "nightly.sh", str(site.folder))
    site.server.wait_for_requests(2)
    second = nightly(site)
    gate.set()
    assert second.returncode == 2
    assert "another ocx is writing" in second.stderr
    assert first.wait(60) == 0
    assert set(site.server.asked.values()) == {1}


def test_the_check_of_nagios(site: Site) -> None:
    text = (EXAMPLES / "nagios.cfg").read_text()
    (line,) = re.findall(r"command_line +(.*)", text)
    (check,) = re.findall(r"check_command +check_ocx!(\d+)!(\d+)", text)
    words = shlex.split(line.replace("$ARG1$", check[0]).replace("$ARG2$", check[1]))
    for balance, code in ((150, 0), (99, 1), (19, 2)):
        site.server.answer(answers.answer({"balance": balance}), path="/balance")
        assert site.run(*words).returncode == code
    site.env["OCX_BASE_URL"] = "http://127.0.0.1:9/v1"
    down = site.run(*words, "--retries", "0")
    assert down.returncode == 3
    assert "UNKNOWN" in down.stdout


def test_prompts_are_tested_live_and_on_a_tape(site: Site) -> None:
    said = {"Answer with the word hello.": "well, hello", "Answer with 42 alone.": "42"}
    site.server.behave = lambda prompt, _: answers.answer(answers.completion(said[prompt]))
    tested = ("sh", "prompt-tests.sh")
    recorded = site.run("ocx", "serve", "--record", "tape.jsonl", "--", *tested)
    assert recorded.returncode == 0, recorded.stderr
    tape = (site.folder / "tape.jsonl").read_bytes()
    asked = len(site.server.requests)
    replayed = site.run("ocx", "serve", "--replay", "tape.jsonl", "--", *tested, env=NOWHERE)
    assert replayed.returncode == 0, replayed.stderr
    assert len(site.server.requests) == asked
    said["Answer with 42 alone."] = "43"
    red = site.run("ocx", "serve", "--record", "tape.jsonl", "--", *tested)
    assert red.returncode == 14
    assert "number" in red.stderr
    assert (site.folder / "tape.jsonl").read_bytes() == tape, "a red run replaces no tape"


@only_in_full
def test_pytest_on_a_tape(site: Site) -> None:
    site.server.behave = lambda *_: answers.answer(answers.completion("Hello, hello."))
    tested = ("python", "-m", "pytest", "-q", "-p", "no:cacheprovider", "test_replay.py")
    done = site.run("ocx", "serve", "--record", "tape.jsonl", "--", *tested)
    assert done.returncode == 0, done.stdout + done.stderr
    done = site.run("ocx", "serve", "--replay", "tape.jsonl", "--", *tested, env=NOWHERE)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "2 passed" in done.stdout


def test_every_example_is_in_the_readme_and_no_other() -> None:
    text = (EXAMPLES / "README.md").read_text()
    named = set(re.findall(r"\]\(([^)/]+)\)", text))
    there = {path.name for path in EXAMPLES.iterdir() if path.is_file()}
    assert named == there - {"README.md"}


def test_no_example_has_a_key() -> None:
    for path in EXAMPLES.iterdir():
        if path.is_file():
            assert not re.search(r"sk-[A-Za-z0-9_-]{8,}", Path(path).read_text())
