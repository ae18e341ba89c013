"""What calls cost, and how long the credits last, through the real program."""

from __future__ import annotations

import json
import sqlite3
import time
from decimal import Decimal
from typing import Any

import pytest
from prometheus_client.parser import text_string_to_metric_families

from ocx.history.call import DAY
from ocx.history.store import FILE, Account, Reading, keep_readings
from tests.support import actions, answers
from tests.support.chat_server import BALANCE, CHAT, MODELS, ChatServer
from tests.support.program import Ocx
from tests.support.raw_server import closed_port
from tests.support.row_server import RowServer, good, read_rows, write_rows
from tests.support.sizes import some

DETAILS = {
    "prompt_tokens": 20,
    "completion_tokens": 10,
    "total_tokens": 30,
    "prompt_tokens_details": {"cached_tokens": 15},
    "completion_tokens_details": {"reasoning_tokens": 4},
}
DEEPSEEK = {"prompt_tokens": 20, "completion_tokens": 10, "prompt_cache_hit_tokens": 15}


def streamed(usage: dict[str, Any]) -> bytes:
    chunk = {**answers.chunk(), "choices": [], "usage": usage}
    return (
        answers.STREAM_HEAD + answers.delta("Hello!") + answers.finish()
        + answers.event(chunk) + answers.event(answers.DONE) + answers.LAST_PIECE
    )  # fmt: skip


@pytest.mark.parametrize("how", ["--stream", "--no-stream"])
def test_cached_and_reasoning_tokens_are_told_and_kept(
    online: Ocx, chat_server: ChatServer, how: str
) -> None:
    whole = answers.answer({**answers.completion("Hello!"), "usage": DETAILS})
    chat_server.answer(streamed(DETAILS) if how == "--stream" else whole, path=CHAT)
    said = online("chat", how, "-u", "--log", "hi").has(0).stderr
    assert "20 prompt (15 cached) + 10 completion (4 reasoning) = 30 tokens" in said
    assert "20+10 (15 cached, 4 reasoning)" in online("history", "show", "1").has(0).text
    assert online("history", "show", "1", "--json").has(0).json["usage"] == DETAILS


@pytest.mark.parametrize("usage", [DETAILS, DEEPSEEK])
def test_a_batch_counts_cached_tokens_by_their_price(
    ocx: Ocx, rows: RowServer, usage: dict[str, Any]
) -> None:
    prices = "prompt = 10_000\ncompletion = 100_000\ncached_prompt = 1_000\n"
    ocx.write_config(f'[prices."m"]\n{prices}')
    rows.behave = lambda prompt, _: good(prompt, **usage)
    (ocx.work / "in.jsonl").write_text('{"id": "a", "prompt": "one"}\n')
    ocx("batch", "in.jsonl", "-m", "m", "-o", "o.jsonl", "--report", "r.json").has(0)
    (row,) = read_rows(ocx.work / "o.jsonl")
    assert row["ocx"]["credits"] == 1.065  # (5 x 10,000 + 15 x 1,000 + 10 x 100,000) / 1,000,000
    assert {name: row["ocx"]["usage"][name] for name in usage} == usage
    report = json.loads((ocx.work / "r.json").read_text())
    assert report["cached_tokens"] == 15
    assert report["reasoning_tokens"] == (4 if usage is DETAILS else 0)


SPENDING = ((5.0, "549.5"), (3.0, "529.5"), (1.0, "509.5"))
"""Days ago and what was left then: ten a day up to the 499.5 of the server."""


def seed(
    ocx: Ocx,
    *days_and_amounts: tuple[float, str],
    profile: str = "default",
    base_url: str | None = None,
    unit: str = "credits",
) -> None:
    account = Account(profile, base_url or ocx.env["OCX_BASE_URL"])
    now = time.time()
    readings = [
        Reading(now - days * DAY, unit, Decimal(amount)) for days, amount in days_and_amounts
    ]
    keep_readings(ocx.state, account, readings)


def kept(ocx: Ocx) -> list[tuple[str, str, str, str]]:
    """Profile, endpoint, unit and amount of every reading."""
    if not (ocx.state / FILE).exists():
        return []
    database = sqlite3.connect(ocx.state / FILE)
    rows = database.execute("SELECT profile, base_url, unit, amount FROM reading ORDER BY id")
    found = rows.fetchall()
    database.close()
    return found


class TestDays:
    """`ocx balance --days`."""

    def test_a_first_day_tells_nothing(self, online: Ocx) -> None:
        for _ in range(2):
            run = online("balance", "--days").has(0)
            assert run.text.startswith("unknown: 499.5 credits")
            assert "ask again" in run.stderr
        found = online("balance", "--days", "--json").has(0).json
        assert (found["days_left"], found["spent_a_day"], found["balance"]) == (None, None, 499.5)
        refused = online("balance", "--min-days", "1").has(8)
        assert "less than a day of readings" in refused.stderr
        assert "--over" in refused.stderr
        nagios = online("balance", "--min-days", "1", "--format", "nagios").has(3)
        assert nagios.text.startswith("OCX UNKNOWN - ")
        assert len(kept(online)) == 5

    def test_what_was_spent_tells_for_how_long(self, online: Ocx) -> None:
        seed(online, *SPENDING)
        text = online("balance", "--days").has(0).text
        assert text == "49.9 days: 499.5 credits, 10 a day over 5 days\n"
        found = online("balance", "--days", "--json").has(0).json
        assert found["days_left"] == pytest.approx(49.95, abs=0.01)
        assert found["spent_a_day"] == pytest.approx(10, abs=0.01)
        assert sum(found["spent_by_day"].values()) == pytest.approx(50, abs=0.001)
        assert (found["over_days"], found["readings"]) == (7, 5)
        assert found["lasts_until"] > time.strftime("%Y-%m-%d")

    @pytest.mark.parametrize(
        ("words", "status"),
        [
            (("--min-days", "49"), 0),
            (("--min-days", "51"), 12),
            (("--min-days", "49", "--min", "500"), 12),
            (("--min-days", "49", "--over", "1d"), 8),  # only this reading
            (("--min-days", "49", "--over", "30d"), 0),
            (("--min-days", "x"), 2),
            (("--min-days", ""), 2),
            (("--over", "30d"), 2),
            (("--days", "--over", "1h"), 2),
            (("--days", "--over", "tomorrow"), 2),
            (("--days", "--raw"), 2),
        ],
    )
    def test_a_gate(self, online: Ocx, words: tuple[str, ...], status: int) -> None:
        seed(online, (5, "549.5"), (3, "529.5"))
        run = online("balance", *words).has(status)
        assert bool(run.stderr) == bool(status)
        quiet = online("balance", "-q", *words).has(status)
        assert quiet.stdout == b""
        assert bool(quiet.stderr) == (status not in {0, 12})

    def test_top_ups_are_not_spending(self, online: Ocx) -> None:
        seed(online, (3, "20"), (2, "10"), (1, "509.5"))
        found = online("balance", "--days", "--json").has(0).json
        assert found["spent_a_day"] == pytest.approx(20 / 3, abs=0.01)
        online("balance", "--min-days", "70").has(0)

    def test_nothing_spent_has_no_end(self, online: Ocx) -> None:
        seed(online, (3, "499.5"))
        assert online("balance", "--min-days", "9999").has(0).text.startswith("no end in sight")
        text = online("balance", "--days", "--format", "prometheus").has(0).text
        assert "ocx_balance_days_left" in text
        assert "+Inf" in text

    def test_others_do_not_count(self, online: Ocx) -> None:
        """Another profile, endpoint or unit, and play money."""
        seed(online, *SPENDING, profile="work")
        seed(online, *SPENDING, base_url="https://opencodex.hk/api/v1")
        seed(online, *SPENDING, unit="CNY")
        seed(online, *SPENDING, profile="sandbox", base_url="sandbox")
        online("balance", "--min-days", "1").has(8)
        assert online("--sandbox", "balance", "--days").has(0).text.startswith("50.5 days")
        assert kept(online)[-1][:2] == ("sandbox", "sandbox")
        refused = online("balance", "--min-days", "1", env={"OCX_SANDBOX": "1"}).has(3)
        assert "play money" in refused.stderr

    def test_monitoring(self, online: Ocx, tmp_path: Any) -> None:
        seed(online, *SPENDING)
        for least, status, word in (("49", 0, "OK"), ("51", 2, "CRITICAL")):
            run = online("balance", "--min-days", least, "--format", "nagios").has(status)
            left = "49.9 days: 499.5 credits, 10 a day over 5 days"
            assert run.text == (f"OCX {word} - {left} | 'credits'=499.5;; 'days'=49.9;;{least}:\n")
            assert run.stderr == ""
        text = online("balance", "--days", "--format", "prometheus").has(0).text
        samples = {s.name: s for f in text_string_to_metric_families(text) for s in f.samples}
        assert samples["ocx_balance_days_left"].value == 49.9
        assert samples["ocx_balance_spent_per_day"].value == 10
        assert samples["ocx_balance_days_left"].labels == {"profile": "default", "unit": "credits"}
        env = {"GITHUB_OUTPUT": str(tmp_path / "output")}
        online("balance", "--days", "--format", "github", env=env).has(0)
        assert actions.variables((tmp_path / "output").read_text())["days"] == "49.9"

    def test_a_person_sees_bars(self, online: Ocx) -> None:
        seed(online, *SPENDING)
        shown = online.in_terminal("balance", "--days").finish().has(0).text
        assert "SPENT" in shown
        assert "yesterday" in shown
        assert shown.count("█") > 20
        assert "49.9 days" in shown

    def test_several_balances_need_a_choice(self, online: Ocx, chat_server: ChatServer) -> None:
        rows = [{"currency": "USD", "balance": 1}, {"currency": "CNY", "balance": 90}]
        chat_server.answer(answers.answer({"balances": rows}), path=BALANCE)
        assert "--currency" in online("balance", "--days").has(8).stderr
        seed(online, (2, "110"), unit="CNY")
        text = online("balance", "--days", "--currency", "CNY").has(0).text
        assert text == "9 days: 90 CNY, 10 a day over 2 days\n"
        assert [row[2:] for row in kept(online)][:2] == [("USD", "1"), ("CNY", "90")]


class TestKeeping:
    """Each balance that is read is kept, with whose it is."""

    def test_whatever_read_it(self, online: Ocx, chat_server: ChatServer) -> None:
        online.write_config('[prices."deepseek-chat"]\nprompt = 1\ncompletion = 1\n')
        account = ("default", chat_server.base_url, "credits", "499.5")
        for count, words in enumerate(
            (
                ("balance",),
                ("balance", "-q", "--min", "900"),
                ("doctor",),
                ("chat", "--min-balance", "1", "hi"),
                ("chat", "--min-balance", "900", "hi"),
                ("chat", "--estimate", "--min-balance", "1", "hi"),
            ),
            1,
        ):
            online(*words)
            assert kept(online) == [account] * count, words
        online("chat", "--cost", "hi").has(0)
        assert kept(online) == [account] * 8, "before and after"

    def test_a_batch_that_asks_for_it(self, ocx: Ocx, rows: RowServer) -> None:
        write_rows(ocx.work / "in.jsonl", 4)
        ocx("batch", "in.jsonl", "-o", "o.jsonl", "--min-balance", "1").has(0)
        account = ("default", rows.base_url, "credits", "499.5")
        assert kept(ocx)
        assert set(kept(ocx)) == {account}
        before = len(kept(ocx))
        ocx("batch", "in.jsonl", "-o", "p.jsonl").has(0)
        ocx("batch", "in.jsonl", "-o", "q.jsonl", "--estimate", "--min-balance", "1").has(0)
        assert len(kept(ocx)) == before + 1

    def test_not_with_the_history_off(self, online: Ocx) -> None:
        online.env["OCX_HISTORY"] = "off"
        online("balance").has(0)
        online("chat", "--cost", "hi").has(0)
        assert not (online.state / FILE).exists()
        assert "the history is off" in online("balance", "--min-days", "1").has(8).stderr

    def test_not_with_n(self, online: Ocx) -> None:
        online("chat", "-n", "--cost", "hi").has(0)
        assert kept(online) == []

    def test_a_plain_chat_opens_nothing(self, online: Ocx) -> None:
        online("chat", "hi").has(0)
        assert not (online.state / FILE).exists()

    def test_a_profile_has_its_own(self, online: Ocx, chat_server: ChatServer) -> None:
        online.write_config('[profiles.work]\nmodel = "m"\n')
        online("-P", "work", "balance").has(0)
        assert kept(online) == [("work", chat_server.base_url, "credits", "499.5")]

    def test_a_home_that_cannot_be_written_says_nothing(self, online: Ocx) -> None:
        online.state.parent.mkdir()
        online.state.write_text("no folder\n")
        assert online("balance").has(0).stderr == ""
        assert online("chat", "--cost", "hi").has(0).text == "Hello!\n"

    @pytest.mark.parametrize("lock", some(["IMMEDIATE", "EXCLUSIVE"], 1))
    def test_a_locked_history_costs_a_moment(self, online: Ocx, lock: str) -> None:
        """Somebody holds it and does not let go: the answer is there, and a warning."""
        seed(online, (2, "519.5"))
        database = sqlite3.connect(online.state / FILE, isolation_level=None)
        database.execute(f"BEGIN {lock}")
        try:
            process = online.spawn("balance", "--days")
            assert process.stdout is not None
            process.stdout.until(b"49.9 days")
            assert "not in the history" in process.finish().has(0).stderr
            run = online("chat", "--cost", "hi").has(0)
            assert run.text == "Hello!\n"
            assert "not in the history" in run.stderr
        finally:
            database.rollback()
            database.close()
        assert len(kept(online)) == 1

    def test_an_empty_account_lasts_for_no_day(self, online: Ocx, chat_server: ChatServer) -> None:
        chat_server.answer(answers.answer({"balance": "0.00"}), path=BALANCE)
        run = online("balance", "--min-days", "0.5").has(12)
        assert run.text == "0 days: 0.00 credits\n"
        assert online("balance", "--days", "--json").has(0).json["days_left"] == 0
        shown = online("balance", "--min-days", "1", "--format", "nagios").has(2).text
        assert shown.startswith("OCX CRITICAL - 0 days: 0.00 credits |")

    def test_with_the_history_off_none_are_awaited(self, online: Ocx) -> None:
        said = online("balance", "--days", env={"OCX_HISTORY": "off"}).has(0).stderr
        assert "the history is off" in said
        assert "tomorrow" not in said

    def test_all_that_is_kept_can_be_removed(self, online: Ocx) -> None:
        """Where there are balances, and no call yet."""
        online("balance").has(0)
        run = online("history", "rm", "--all", "-y").has(0)
        assert "removed 1 balance\n" in run.stderr
        assert kept(online) == []
        assert "nothing matches" in online("history", "rm", "--all", "-y").has(0).stderr
        online("chat", "--log", "hi").has(0)
        online("balance").has(0)
        assert "nothing matches" in online("history", "rm", "7", "-y").has(0).stderr
        assert "removed 1 call\n" in online("history", "rm", "1", "-y").has(0).stderr
        assert len(kept(online)) == 1

    def test_a_history_of_a_newer_ocx_or_damaged_is_a_warning(self, online: Ocx) -> None:
        online.state.mkdir(parents=True)
        (online.state / FILE).write_text("no database\n" * 100)
        run = online("balance").has(0)
        assert run.text == "499.5 credits\n"
        assert "not in the history" in run.stderr
        online("balance", "--min-days", "1").has(1)


class TestPricesOfTheEndpoint:
    """Only where their unit is known."""

    @staticmethod
    def say(server: ChatServer, **pricing: str) -> None:
        named = {"prompt": "1", "completion": "2", **pricing}
        document = {"data": [{"id": "deepseek-chat", "pricing": named}]}
        server.answer(answers.answer(document), path=MODELS)

    @pytest.mark.parametrize(
        ("pricing", "settings", "completion"),
        [
            ({"unit": "credits"}, "", 2),
            ({"currency": "Credits"}, "", 2),
            ({}, "", None),
            ({"currency": "USD"}, "", None),
            ({"currency": "USD"}, "[profiles.default]\nprice_scale = 100\n", 200),
            ({"unit": "credits", "request": "0.1"}, "", None),
            (
                {"unit": "credits"},
                '[prices."deepseek-chat"]\nprompt = 0\ncompletion = 3_000_000\n',
                3,
            ),
        ],
    )
    def test_an_estimate(
        self,
        online: Ocx,
        chat_server: ChatServer,
        pricing: dict[str, str],
        settings: str,
        completion: float | None,
    ) -> None:
        self.say(chat_server, **{"prompt": "0", **pricing})
        online.write_config(settings)
        found = online("chat", "--estimate", "--json", "--max-tokens", "10", "hi").has(0).json
        assert found["worst_credits"] == (None if completion is None else 10 * completion)
        gate = online("chat", "--estimate", "--min-balance", "495", "--max-tokens", "3", "hi")
        assert gate.status == (3 if completion is None else 12)

    def test_nobody_to_ask_is_no_price(self, online: Ocx) -> None:
        online.env["OCX_BASE_URL"] = f"http://127.0.0.1:{closed_port()}/v1"
        assert "no price" in online("chat", "--estimate", "hi").has(0).text
        del online.env["OCX_API_KEY"]
        assert "no price" in online("chat", "--estimate", "hi").has(0).text

    def test_a_batch_keeps_its_budget_by_them(self, ocx: Ocx, rows: RowServer) -> None:
        self.say(rows, unit="credits", prompt="0", completion="0.1")
        write_rows(ocx.work / "in.jsonl", 20)
        args = ("batch", "in.jsonl", "-m", "deepseek-chat", "--max-tokens", "10")
        assert (
            ocx(*args, "-o", "o.jsonl", "--estimate", "--json").has(0).json["worst_credits"] == 20
        )
        ocx(*args, "-o", "o.jsonl", "--max-credits", "5", "--report", "r.json").has(13)
        found = read_rows(ocx.work / "o.jsonl")
        assert [row["ocx"]["credits_source"] for row in found] == ["price"] * 5
        assert json.loads((ocx.work / "r.json").read_text())["credits"] == 5

    def test_the_sandbox_names_credits(self, ocx: Ocx) -> None:
        found = ocx("--sandbox", "chat", "--estimate", "--json", "--max-tokens", "1000", "hi")
        assert found.has(0).json["worst_credits"] == pytest.approx(0.018, abs=0.001)

    def test_a_key_of_stdin_is_not_for_prices(self, online: Ocx, chat_server: ChatServer) -> None:
        online("chat", "--key-file", "-", "--estimate", "hi", input=b"sk-x\n").has(0)
        assert not chat_server.requests
