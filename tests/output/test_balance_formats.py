"""`ocx balance --format …`: what CI and monitoring see, and how it ends."""

from __future__ import annotations

import json
import re
import signal
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families

from tests.support import actions, answers
from tests.support.chat_server import BALANCE, ChatServer
from tests.support.program import Ocx, Run
from tests.support.raw_server import STALL, closed_port

pytestmark = pytest.mark.unmeasured

NAGIOS = re.compile(r"OCX (OK|WARNING|CRITICAL|UNKNOWN) - [^|\n]+(\| '[^'=]+'=[-0-9.]+;\S*;\S*)?\n")


def nagios(ocx: Ocx, *words: str) -> Run:
    """It runs and follows the grammar: one line on stdout, nothing that is not expected there."""
    done = ocx(*words) if "balance" in words else ocx("balance", "--format", "nagios", *words)
    assert NAGIOS.fullmatch(done.text), done
    word = ("OK", "WARNING", "CRITICAL", "UNKNOWN")[done.status]
    assert done.text.startswith(f"OCX {word} - ")
    return done


@pytest.mark.parametrize(
    ("words", "status", "data"),
    [
        ((), 0, ";;"),
        (("--warn", "100", "--min", "20"), 0, ";100:;20:"),
        (("--warn", "500"), 1, ";500:;"),
        (("--warn", "900", "--min", "500"), 2, ";900:;500:"),
    ],
)
def test_nagios(online: Ocx, words: tuple[str, ...], status: int, data: str) -> None:
    done = nagios(online, *words)
    assert done.status == status
    assert done.text.endswith(f"499.5 credits left | 'credits'=499.5{data}\n")
    assert done.stderr == ""


@pytest.mark.parametrize(
    "words",
    [
        ("--nope",),
        ("--min", "x"),
        ("--json",),
        ("--raw",),
        ("-P", "missing"),
        ("--timeout", "-1"),
        ("balance", "--format=nagios", "--nope"),
        ("--color", "never", "balance", "--format", "nagios", "extra"),
    ],
)
def test_nagios_usage_errors_are_unknown(online: Ocx, words: tuple[str, ...]) -> None:
    assert nagios(online, *words).status == 3


def test_nagios_does_not_trust_a_guess(online: Ocx, chat_server: ChatServer) -> None:
    chat_server.answer(answers.answer({"left": 5}), path=BALANCE)
    assert nagios(online, "--min", "1").status == 3
    assert nagios(online, "--min", "1", "--accept-guess").status == 0
    assert nagios(online, "--min", "9", "--accept-guess").status == 2


def test_prometheus(online: Ocx) -> None:
    text = online("balance", "--format", "prometheus").has(0).text
    samples = [s for f in text_string_to_metric_families(text) for s in f.samples]
    assert [(s.name, s.labels, s.value) for s in samples] == [
        ("ocx_balance", {"profile": "default", "unit": "credits"}, 499.5),
        ("ocx_balance_unlimited", {"profile": "default"}, 0),
    ]


class TestFilesOfFailures:
    """A monitoring file never keeps yesterday's OK."""

    @pytest.fixture(params=["server", "network", "guess", "usage", "profile", "key"])
    def failing(
        self, online: Ocx, chat_server: ChatServer, request: pytest.FixtureRequest
    ) -> tuple[Ocx, tuple[str, ...]]:
        """A program whose balance is not known, and the words of the call."""
        match request.param:
            case "server":
                chat_server.answer_all(answers.error(503, message="down|for\ngood"))
            case "network":
                online.env["OCX_BASE_URL"] = f"http://127.0.0.1:{closed_port()}/v1"
            case "guess":
                chat_server.answer(answers.answer({"left": 5}), path=BALANCE)
            case "key":
                del online.env["OCX_API_KEY"]
        words = {"usage": ("--nope",), "profile": ("-P", "missing")}.get(request.param, ())
        return online, ("balance", "--retries", "0", "--min", "1", *words)

    @pytest.mark.parametrize("form", ["nagios", "prometheus", "json"])
    def test_it_is_told(
        self, failing: tuple[Ocx, tuple[str, ...]], tmp_path: Path, form: str
    ) -> None:
        ocx, words = failing
        file = tmp_path / "ocx"
        before = {"nagios": "OCX OK - 499.5 credits left", "json": '{"balance":499.5}'}
        for given in (("-o", str(file)), (f"--output={file}",), (f"-o{file}",)):
            file.write_text(before.get(form, 'ocx_balance{profile="default"} 499.5') + "\n")
            done = ocx(*words, "--format", form, *given)
            text = file.read_text()
            assert done.stdout == b""
            assert "499.5" not in text
            if form == "nagios":
                assert (done.status, done.stderr) == (3, "")
                assert NAGIOS.fullmatch(text)
                assert text.startswith("OCX UNKNOWN - ")
            elif form == "json":
                assert json.loads(text)["error"]["exit_code"] == done.status
            else:
                assert done.stderr.startswith("ocx: error: ")
                (family,) = text_string_to_metric_families(text)
                (sample,) = family.samples
                assert (sample.name, sample.value) == ("ocx_balance_error", done.status)
                assert sample.labels["type"]

    def test_another_file_is_left_alone(self, online: Ocx, tmp_path: Path) -> None:
        file = tmp_path / "notes"
        file.write_text("mine\n")
        for form in ("prometheus", "json", "text"):
            online("balance", "--nope", "--format", form, "-o", str(file)).has(2)
            assert file.read_text() == "mine\n"

    def test_no_key_gets_into_a_file(
        self, online: Ocx, chat_server: ChatServer, tmp_path: Path
    ) -> None:
        online.env["OCX_API_KEY"] = "another-shape-of-a-key-0001"
        chat_server.answer_all(answers.error(400, message="no: another-shape-of-a-key-0001"))
        for form in ("nagios", "prometheus", "json"):
            file = tmp_path / form
            online("balance", "--format", form, "-o", str(file))
            assert file.read_text()
            assert "another-shape-of-a-key" not in file.read_text()
        assert "another-shape" not in online("balance", "--format", "nagios").has(3).text

    def test_a_limit_that_is_met_is_no_failure(self, online: Ocx, tmp_path: Path) -> None:
        file = tmp_path / "ocx"
        args = ("balance", "--min", "500", "-o", str(file), "--format")
        online(*args, "prometheus").has(12)
        assert "499.5" in file.read_text()
        online(*args, "nagios").has(2)
        assert file.read_text().startswith("OCX CRITICAL - 499.5")

    def test_a_file_that_cannot_be_written_is_said(self, online: Ocx, tmp_path: Path) -> None:
        done = online("balance", "--format", "nagios", "-o", str(tmp_path / "no" / "file")).has(3)
        assert done.stdout == b""
        assert "cannot write" in done.stderr

    @pytest.mark.parametrize("form", ["nagios", "prometheus"])
    def test_a_check_that_is_stopped(
        self, online: Ocx, chat_server: ChatServer, tmp_path: Path, form: str
    ) -> None:
        """`timeout 10 ocx balance` is how checks are run."""
        file = tmp_path / "ocx"
        file.write_text("OCX OK - 499.5 left\nocx_balance 499.5\n")
        chat_server.answer([STALL], path=BALANCE)
        process = online.spawn("balance", "--format", form, "-o", str(file))
        chat_server.wait_for_requests(1)
        process.signal(signal.SIGTERM)
        assert process.finish().status == -signal.SIGTERM
        assert "499.5" not in file.read_text()
        assert (
            "UNKNOWN - stopped by SIGTERM" if form == "nagios" else "_error"
        ) in file.read_text()

    def test_github(self, online: Ocx, chat_server: ChatServer, tmp_path: Path) -> None:
        online.env["GITHUB_STEP_SUMMARY"] = str(tmp_path / "summary.md")
        chat_server.answer_all(answers.error(401))
        online("balance", "--format", "github").has(4)
        assert "| default | not read |  |  | unknown |" in (tmp_path / "summary.md").read_text()


def test_a_warning_is_told_with_q(online: Ocx) -> None:
    """A cron job that says something only if there is something to say."""
    low = online("balance", "-q", "--warn", "500").has(0)
    assert low.stdout == b""
    assert low.stderr == "ocx: warning: 499.5 credits left, fewer than 500\n"
    enough = online("balance", "-q", "--warn", "499").has(0)
    assert (enough.stdout, enough.stderr) == (b"", "")


def test_where_output_may_go(online: Ocx, tmp_path: Path) -> None:
    assert online("balance", "-o", "-").has(0).text == "499.5 credits\n"
    assert online("balance", "-o", "/dev/stdout").has(0).text == "499.5 credits\n"
    online("balance", "-o", str(tmp_path)).has(2)
    online("balance", "-o", str(tmp_path / "no" / "file")).has(1)
    online("balance", "-q", "-o", str(tmp_path / "file")).has(0)
    assert (tmp_path / "file").read_text() == "499.5 credits\n"
    online("balance", "--raw", "-o", str(tmp_path / "raw")).has(0)
    assert (tmp_path / "raw").read_text() == '{"balance":499.5}\n'


@pytest.fixture
def job(online: Ocx, tmp_path: Path) -> Ocx:
    online.env |= {
        "CI": "true",
        "GITHUB_OUTPUT": str(tmp_path / "output"),
        "GITHUB_STEP_SUMMARY": str(tmp_path / "summary.md"),
    }
    return online


def test_github(job: Ocx, tmp_path: Path) -> None:
    done = job("balance", "--format", "github", "--warn", "500", "--min", "20").has(0)
    assert done.text == "499.5 credits\n"
    warning = "499.5 credits left, fewer than 500"
    assert actions.commands(done.stderr) == [("warning", {"title": "ocx balance"}, warning)]
    assert actions.variables((tmp_path / "output").read_text())["balance"] == "499.5"
    assert "| default | 499.5 credits | 500 | 20 | low |" in (tmp_path / "summary.md").read_text()


def test_github_hostile_answer(job: Ocx, chat_server: ChatServer, tmp_path: Path) -> None:
    unit = "x\n::error::owned\nPATH=/evil\n|<b>"
    chat_server.answer(answers.answer({"balance": 1, "unit": unit, "currency": unit}), path=BALANCE)
    done = job("balance", "--format", "github", "--min", "9").has(12)
    found = actions.variables((tmp_path / "output").read_text())
    assert set(found) == {"balance", "unit", "unlimited"}
    said = actions.commands(done.text + done.stderr)
    assert {(name, properties["title"]) for name, properties, _ in said} == {
        ("error", "ocx balance")
    }


def test_github_failure(job: Ocx, chat_server: ChatServer) -> None:
    chat_server.answer_all(answers.error(401, message="no\n::set-env name=A::b"))
    done = job("balance", "--format", "github").has(4)
    assert [name for name, _, _ in actions.commands(done.stderr)] == ["error"]
    assert job("balance", "--format", "github", "-q").has(4).stderr.startswith("ocx: error: ")


def test_github_outside_of_a_job(online: Ocx) -> None:
    assert "GITHUB_OUTPUT is not set" in online("balance", "--format", "github").has(0).stderr


def test_json_is_a_format(online: Ocx) -> None:
    expected = online("balance", "--json").has(0).stdout
    assert online("balance", "--format", "json").has(0).stdout == expected
    assert online("balance", "--json", "--format", "json").has(0).stdout == expected


@pytest.mark.parametrize(
    "words",
    [
        ("--json", "--format", "text"),
        ("--json", "--format", "prometheus"),
        ("--raw", "--format", "text"),
        ("--format", "xml"),
    ],
)
def test_formats_exclude_each_other(online: Ocx, words: tuple[str, ...]) -> None:
    online("balance", *words).has(2)
