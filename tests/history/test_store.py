"""The history: what is kept, found, summed up and removed; times as people type them."""

from __future__ import annotations

import itertools
import json
import os
import sqlite3
import stat
from contextlib import closing
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from ocx.api.prices import token_counts
from ocx.errors import DeadlineError, UsageError
from ocx.history.call import Call, Entry, Totals, by_day, document, request
from ocx.history.database import (
    PATIENCE_OF_ANSWERS,
    HistoryError,
    patiently,
    writing,
)
from ocx.history.filters import Filters, parse_age, parse_time
from ocx.history.store import FILE, History
from ocx.secret import Secret

URL = "https://opencodex.hk/api/v1"
KEY = "sk-live-" + "k" * 40
IMAGE = {"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA"}}


def call(**given: Any) -> Call:
    values = {"started": 1_700_000_000.0, "profile": "default", "base_url": URL, "model": "m"}
    ending = {"outcome": "finished", "exit_code": 0, "seconds": 1.5, "answer": "an answer"}
    return Call(**{**values, **ending, **given})


def user(text: Any) -> list[dict[str, Any]]:
    return [{"role": "user", "content": text}]


def newest(history: History) -> Any:
    return next(history.entries(Filters(), limit=1))


def test_everything_comes_back(tmp_path: Path) -> None:
    full = call(
        model_returned="m-2",
        options={"seed": 2**70, "stop": ["a"]},
        reasoning="why",
        tool_calls=[{"id": "1"}],
        finish_reason="tool_calls",
        usage={"prompt_tokens": 3, "completion_tokens": 4},
        credits=Decimal("0.000123"),
        credits_source="response",
        first_token_seconds=0.25,
        retries=2,
        request_id="req-1",
        outcome="failed",
        exit_code=11,
        error="cut",
    )
    with History(tmp_path) as history:
        home = history.record(full, [{"role": "system", "content": "s"}, *user("ask 世界")])
    with History(tmp_path) as history:
        entry = newest(history)
        messages = history.messages(entry.id)
    assert entry.prompt == "ask 世界"
    assert entry.conversation == home.id
    for name in full.__dataclass_fields__:
        if name != "prompt":
            assert getattr(entry, name) == getattr(full, name), name
    assert messages == [{"role": "system", "content": "s"}, *user("ask 世界")]
    shown = document(entry, messages)
    assert json.loads(json.dumps(shown))["credits"] == "0.000123"
    assert request(entry, messages)["body"] == {
        "model": "m",
        "messages": messages,
        "seed": 2**70,
        "stop": ["a"],
    }


def test_the_files_are_private(tmp_path: Path) -> None:
    """0600 whatever the umask, the log and the index beside it too."""
    before = os.umask(0)
    try:
        state = tmp_path / "new" / "ocx"
        with History(state) as history:
            history.record(call(), user("x"))
            modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in state.iterdir()}
            assert FILE + "-wal" in modes
            assert set(modes.values()) == {0o600}
            assert stat.S_IMODE(state.stat().st_mode) == 0o700
    finally:
        os.umask(before)
    (state / FILE).chmod(0o644)
    History(state).close()
    assert stat.S_IMODE((state / FILE).stat().st_mode) == 0o600


def test_no_key_is_stored(tmp_path: Path) -> None:
    """Neither the key in use nor any other of the provider, wherever they stand."""
    odd, other = Secret('own"key\\with$signs'), "sk-live-" + "z" * 30
    text = f"{odd.reveal()} and {KEY} and {other}"
    spoiled = call(
        answer=text,
        reasoning=text,
        error=text,
        options={"user": text, KEY: [text]},
        tool_calls=[{"arguments": text}],
        usage={"note": text},
        base_url=URL,
        request_id=KEY,
    )
    with History(tmp_path) as history:
        history.record(spoiled, user([{"type": "text", "text": text}]), keys=[odd, Secret(KEY)])
        dump = "\n".join(history._connection.iterdump())
    stored = dump + "".join(
        path.read_bytes().decode("latin-1") for path in tmp_path.iterdir() if path.is_file()
    )
    for key in (odd.reveal(), json.dumps(odd.reveal())[1:-1], KEY, other):
        assert key not in stored


def test_half_a_surrogate_pair_is_stored_as_a_mark(tmp_path: Path) -> None:
    with History(tmp_path) as history:
        history.record(call(tool_calls=["\ud800"], usage={"prompt_tokens": 2**80}), user("\udfff"))
        assert newest(history).tool_calls == ["?"]
        assert token_counts(newest(history).usage)[0] is None


def test_a_message_is_stored_once(tmp_path: Path) -> None:
    with History(tmp_path) as history:
        home = history.record(call(), user([IMAGE]))
        for _ in range(3):
            messages, _last = history.turns(home)
            history.record(call(), [*messages, *user("more")], home)
        (count,) = history._connection.execute("SELECT count(*) FROM message").fetchone()
        assert count == 3
        assert len(history.turns(home)[0]) == 8


@pytest.mark.parametrize(
    ("content", "prompt"),
    [
        ("text", "text"),
        ([{"type": "text", "text": "a"}, IMAGE], "a\n\n[image_url]"),
        (None, ""),
        ([], ""),
    ],
)
def test_prompt_of_a_call(tmp_path: Path, content: Any, prompt: str) -> None:
    with History(tmp_path) as history:
        history.record(call(), [*user(content), {"role": "assistant", "content": "prefill"}])
        assert newest(history).prompt == prompt
        history.record(call(), [])
        assert newest(history).prompt == ""


def test_only_whole_answers_are_continued(tmp_path: Path) -> None:
    """A cancelled or failed call is kept, but the conversation goes on from the one before."""
    with History(tmp_path) as history:
        talk = history.conversation("plan", "work")
        assert history.turns(talk) == ([], None)
        history.record(call(answer="one", profile="work"), user("1"), talk)
        history.record(call(answer="tw", outcome="cancelled", exit_code=130), user("2"), talk)
        messages, last = history.turns(talk)
        assert messages == [*user("1"), {"role": "assistant", "content": "one"}]
        assert last.conversation_name == "plan"
        assert history.conversation("plan", "other") == talk
        assert history.last_conversation("work") == talk
        assert history.last_conversation("none") is None


def test_tool_calls_continue_as_the_api_wants_them(tmp_path: Path) -> None:
    with History(tmp_path) as history:
        home = history.record(call(answer="", tool_calls=[{"id": "t"}]), user("x"))
        sent = {"role": "assistant", "content": None, "tool_calls": [{"id": "t"}]}
        assert history.turns(home)[0][-1] == sent
        home = history.record(call(answer=""), user("x"))
        assert history.turns(home)[0][-1] == {"role": "assistant", "content": ""}


def test_a_conversation_removed_meanwhile_is_made_again(tmp_path: Path) -> None:
    with History(tmp_path) as history:
        named = history.conversation("plan", "p")
        nameless = history.record(call(), user("a"))
        assert history.remove(Filters()) == 1
        assert history.record(call(), user("b"), named).name == "plan"
        assert history.record(call(), user("b"), nameless).id == nameless.id
        history.remove(Filters())
        again = history.conversation("plan", "p")
        assert history.record(call(), user("c"), named) == again


def test_removed_text_is_gone_from_the_file(tmp_path: Path) -> None:
    with History(tmp_path) as history:
        history.record(call(answer="another classified phrase"), user("unmistakable words"))
        history.record(call(), user("kept"))
        (first,) = history.entries(Filters(text="unmistakable"))
        assert history.remove(Filters(ids=(first.id,))) == 1
        assert [entry.prompt for entry in history.entries(Filters())] == ["kept"]
        assert history.remove(Filters(ids=(first.id,))) == 0
        data = b"".join(path.read_bytes() for path in tmp_path.iterdir() if path.is_file())
    for word in (b"unmistakable", b"classified"):
        assert word not in data
    with History(tmp_path) as history:
        (check,) = history._connection.execute("PRAGMA integrity_check").fetchone()
        assert check == "ok"


SEARCHES = [
    ("brown fox", {1}),
    ("BROWN", {1}),
    ("fox hare", set()),
    ("tortoise", {2}),
    ("你好", {3}),
    ("世界 hello", {3}),
    ("世 brown", set()),
    ("café", {4}),
    ("cafe", {4}),
    ('"quoted', {4}),
    ("fox OR hare", set()),
    ("f*", set()),
    ("nothing", set()),
    ("!!!", set()),
    ("NEAR(", set()),
    ("a\0b", set()),
    ("", set()),
]


@pytest.mark.parametrize(("text", "found"), SEARCHES)
def test_search(tmp_path: Path, text: str, found: set[int]) -> None:
    """Words, all of them, in prompt or answer; no text is a syntax error."""
    with History(tmp_path) as history:
        history.record(call(answer="over the lazy dog"), user("The quick brown fox"))
        history.record(call(answer="a tortoise"), user("the hare"))
        history.record(call(answer="hello"), user("你好，世界"))
        history.record(call(answer='"quoted" text'), user("café"))
        assert {entry.id for entry in history.entries(Filters(text=text))} == found


@pytest.mark.parametrize(
    ("filters", "ids"),
    [
        (Filters(), [4, 3, 2, 1]),
        (Filters(since=200.0), [4, 3, 2]),
        (Filters(until=200.0), [1]),
        (Filters(since=200.0, until=400.0), [3, 2]),
        (Filters(model="m2"), [3, 2]),
        (Filters(profile="work"), [3]),
        (Filters(conversation="plan"), [2]),
        (Filters(conversation="1"), [1]),
        (Filters(conversation="9" * 30), []),
        (Filters(conversation="%"), []),
        (Filters(ids=(1, 4, 99)), [4, 1]),
        (Filters(ids=()), []),
        (Filters(model="m2", profile="work"), [3]),
        (Filters(text="ask", model="m"), [4, 3, 1]),
    ],
)
def test_filters(tmp_path: Path, filters: Filters, ids: list[int]) -> None:
    with History(tmp_path) as history:
        history.record(call(started=100.0), user("ask"))
        history.record(
            call(started=200.0, model="m2"), user("ask"), history.conversation("plan", "d")
        )
        history.record(call(started=300.0, model_returned="m2", profile="work"), user("ask"))
        history.record(call(started=400.0), user("ask"))
        assert [entry.id for entry in history.entries(filters)] == ids
        assert [e.id for e in history.entries(filters, oldest_first=True)] == ids[::-1]
        assert [e.id for e in history.entries(filters, limit=1)] == ids[:1]
        assert history.count(filters) == len(ids)
        assert filters.selects == (filters != Filters())


@pytest.mark.parametrize(("column", "value"), [("usage", "[[["), ("credits", "much")])
def test_a_damaged_call_is_named(tmp_path: Path, column: str, value: str) -> None:
    with History(tmp_path) as history:
        history.record(call(), user("hi"))
        history._connection.execute(f"UPDATE call SET {column} = ?", (value,))
        with pytest.raises(HistoryError, match="call 1 ") as caught:
            list(history.entries(Filters()))
        assert "ocx history rm 1" in str(caught.value.hint)
        assert history.remove(Filters(ids=(1,))) == 1


@pytest.mark.parametrize("version", [1, 99])
def test_another_version_is_left_alone(tmp_path: Path, version: int) -> None:
    other = sqlite3.connect(tmp_path / FILE)
    other.execute(f"PRAGMA user_version = {version}")
    other.close()
    with pytest.raises(HistoryError, match=f"of version {version}; this ocx reads") as caught:
        History(tmp_path)
    assert f"mv {tmp_path / FILE} " in str(caught.value.hint)


def test_what_cannot_be_used_is_a_history_error(tmp_path: Path) -> None:
    (tmp_path / FILE).write_bytes(b"this is no database, but long enough to be one" * 100)
    with pytest.raises(HistoryError, match="damaged") as caught:
        History(tmp_path)
    assert "mv " in (caught.value.hint or "")
    (tmp_path / "file").write_text("")
    with pytest.raises(HistoryError, match="cannot use"):
        History(tmp_path / "file" / "ocx")
    folder = tmp_path / "folder"
    (folder / FILE).mkdir(parents=True)
    with pytest.raises(HistoryError, match="cannot use"):
        History(folder)


def test_a_failed_write_leaves_nothing_behind(tmp_path: Path) -> None:
    with History(tmp_path) as history:
        history._connection.execute("PRAGMA max_page_count = 1")
        with pytest.raises(HistoryError, match="full"):
            history.record(call(answer="x" * 10**6), user("y" * 10**6))
        history._connection.execute("PRAGMA max_page_count = 1000000")
        assert history.count(Filters()) == 0
        history.record(call(), user("x"))
        assert history.count(Filters()) == 1


def test_the_lock_is_free_for_its_own_process(tmp_path: Path) -> None:
    with History(tmp_path) as history:
        talk = history.conversation("x", "p")

        def never() -> None:
            raise DeadlineError("waited")

        for _ in range(2):
            with history.locked(talk, 0, never):
                pass


def busy(code: int) -> sqlite3.OperationalError:
    error = sqlite3.OperationalError("database is locked")
    error.sqlite_errorcode = code
    return error


def test_an_answer_waits_in_vain_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """A call and a balance of one process, or the turns of a session, are not each waited for."""
    clock = itertools.count()
    monkeypatch.setattr("ocx.history.database.pause", lambda: None)
    monkeypatch.setattr("ocx.history.database.time.monotonic", lambda: next(clock) / 10)
    tries: list[int] = []

    def action() -> None:
        tries[-1] += 1
        raise busy(sqlite3.SQLITE_BUSY)

    for _ in range(3):
        tries.append(0)
        with pytest.raises(sqlite3.OperationalError):
            patiently(action, PATIENCE_OF_ANSWERS)
    assert tries[0] > 10
    assert tries[1:] == [1, 1]
    with closing(sqlite3.connect(":memory:", isolation_level=None)) as free, writing(free):
        pass
    tries.append(0)
    with pytest.raises(sqlite3.OperationalError):
        patiently(action, PATIENCE_OF_ANSWERS)
    assert tries[-1] == tries[0]


def test_a_busy_database_is_tried_again() -> None:
    """What SQLite's own timeout does not cover; every other error is reported at once."""
    outcomes: list[Any] = [busy(sqlite3.SQLITE_BUSY), busy(sqlite3.SQLITE_BUSY | 1 << 8), "done"]

    def action() -> str:
        outcome = outcomes.pop(0)
        if isinstance(outcome, Exception):
            raise outcome
        return str(outcome)

    assert patiently(action) == "done"
    outcomes[:] = [busy(sqlite3.SQLITE_FULL), "never"]
    with pytest.raises(sqlite3.OperationalError):
        patiently(action)
    assert outcomes == ["never"]


NOW = 1_700_000_000.0


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("90s", 90), ("15m", 900), ("12h", 43_200), ("30d", 2_592_000), ("2w", 1_209_600)],
)
def test_ages(text: str, seconds: float) -> None:
    assert parse_age(text, "--older-than") == seconds
    assert parse_time(text, "--since", NOW) == NOW - seconds


@pytest.mark.parametrize("text", ["", "30", "d", "1.5h", "-3d", "30 d", "9999999d", "١d", "1y"])
def test_bad_ages(text: str) -> None:
    with pytest.raises(UsageError, match="--older-than takes an age"):
        parse_age(text, "--older-than")


@pytest.mark.parametrize(
    ("text", "date"),
    [
        ("2026-01-31", datetime(2026, 1, 31)),
        ("2026-01-31T12:30", datetime(2026, 1, 31, 12, 30)),
        ("2026-01-31 12:30:05", datetime(2026, 1, 31, 12, 30, 5)),
        ("2026-01-31T12:30:00+08:00", datetime.fromisoformat("2026-01-31T12:30:00+08:00")),
    ],
)
def test_dates_are_local(text: str, date: datetime) -> None:
    assert parse_time(text, "--since", NOW) == date.timestamp()


@pytest.mark.parametrize("text", ["", "yesterday", "31.01.2026", "2026-13-01", "0001-01-01x"])
def test_bad_dates(text: str) -> None:
    with pytest.raises(UsageError, match="--since takes a date"):
        parse_time(text, "--since", NOW)


def entry(number: int, day: int, model: str, credits: str | None) -> Entry:
    return Entry(
        id=number,
        conversation=1,
        started=datetime(2026, 1, day, 12).timestamp(),
        profile="p",
        base_url="u",
        model=model,
        outcome="finished",
        exit_code=0,
        seconds=1,
        usage={"prompt_tokens": 10, "completion_tokens": 5},
        credits=None if credits is None else Decimal(credits),
    )


def test_sums_by_day_and_model() -> None:
    """Unknown credits are counted, never added as 0."""
    given = ((2, "b", "0.1"), (2, "b", "0.2"), (2, "a", None), (1, "b", "1"))
    rows = by_day(entry(number, *of) for number, of in enumerate(given, 1))
    assert list(rows.items()) == [
        (("2026-01-01", "b"), Totals(1, 10, 5, 0, Decimal(1), 0)),
        (("2026-01-02", "a"), Totals(1, 10, 5, 0, None, 1)),
        (("2026-01-02", "b"), Totals(2, 20, 10, 0, Decimal("0.3"), 0)),
    ]
