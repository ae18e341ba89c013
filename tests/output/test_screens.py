"""The screens of a person in a real terminal of 80 columns, and the same commands in a pipe.

Columns on a screen: only what may be cut is lost, and nothing is wider than the screen.
"""

from __future__ import annotations

import re
import time
from dataclasses import replace
from decimal import Decimal

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from wcwidth import wcswidth

from ocx.context import Context
from ocx.history.call import Call
from ocx.history.store import History
from ocx.output.columns import GAP, Column
from ocx.output.screen_table import Table
from ocx.terminal import FdWriter, RedactingStderr, Terminal
from ocx.typography import cells
from tests.support.memory import MemoryRaw
from tests.support.program import Ocx
from tests.support.prose import NOT_FIRST, NOT_LAST

STYLES = re.compile(r"\x1b\[([0-9;]*)m")
HOUR = 3600
CALL = Call(
    started=0,
    profile="default",
    base_url="https://opencodex.hk/api/v1",
    model="claude-3-sonnet",
    answer="# Pipes\n\nWater in the **pipe**\n\x1b[2J",
    usage={"prompt_tokens": 12, "completion_tokens": 1480},
    credits=Decimal("1.25"),
    seconds=1.5,
    outcome="finished",
    exit_code=0,
)


@pytest.fixture
def kept(ocx: Ocx) -> Ocx:
    """Two calls: a good one three hours ago, a failed one of 40 days ago."""
    ocx.state.mkdir(parents=True, mode=0o700)
    failed = replace(CALL, model="gpt-4o", outcome="failed", exit_code=9, credits=Decimal("0.5"))
    with History(ocx.state) as history:
        for call, age, prompt in (
            (failed, 40 * 24 * HOUR, "one\nwith a prompt " + "that is long " * 9),
            (CALL, 3 * HOUR + 60, "two"),
        ):
            sent = [{"role": "user", "content": prompt}]
            history.record(replace(call, started=time.time() - age), sent)
    return ocx


def screen(ocx: Ocx, *args: str, width: int = 80, status: int = 0, **env: str) -> list[str]:
    """What stands on the screen, without colours; nothing moves there, however long it takes."""
    process = ocx.in_terminal(*args, size=(24, width), env={"CI": "1", **env})
    shown = STYLES.sub("", process.finish().has(status).text).splitlines()
    assert max(map(wcswidth, shown)) <= width
    return shown


def test_history_list(kept: Ocx) -> None:
    heading, first, second = screen(kept, "history", "list")
    assert heading == "ID  WHEN        MODEL             TOKENS  CREDITS  OUTCOME  PROMPT"
    assert first == " 2  3 h ago     claude-3-sonnet  12+1480     1.25           two"
    assert re.fullmatch(
        r" 1  \d{4}-\d\d-\d\d  gpt-4o           12\+1480     0.50  failed   one with a prompt t…",
        second,
    )
    wide = screen(kept, "history", "list", width=200)
    assert wide[2].endswith("that is long")


def test_history_stats(kept: Ocx) -> None:
    heading, first, second = screen(kept, "history", "stats")
    assert heading.split() == ["DAY", "MODEL", "CALLS", "TOKENS", "CREDITS"]
    assert re.fullmatch(
        r"\d{4}-\d\d-\d\d  gpt-4o               1    1492  █{13} +0.50  █+.?", first
    )
    assert re.match(r"(today|yesterday) +claude-3-sonnet      1    1492  █{13}", second)
    narrow = screen(kept, "history", "stats", width=36)
    assert len(narrow) > 3  # a long name goes on below, a day never
    assert re.match(r"\d{4}-\d\d-\d\d ", narrow[1])


def test_history_show_renders_the_answer(kept: Ocx) -> None:
    shown = screen(kept, "history", "show", "2")
    assert shown[0] == "id            2"
    assert "model         claude-3-sonnet" in shown
    text = "\n".join(shown)
    assert "\nassistant\n" in text
    assert "Water in the pipe" in text
    assert "\\x1b[2J" in text
    piped = kept("history", "show", "2").text
    assert piped.startswith("id: 2\nwhen: ")
    assert piped.endswith("\n\n## assistant\n\n# Pipes\n\nWater in the **pipe**\n\x1b[2J\n")


def test_keys_list(ocx: Ocx) -> None:
    ocx.write_credentials(main="sk-live-Te5tKey0000000000000000000000a1b2")
    assert screen(ocx, "keys", "list") == [
        "NAME  KEY            ADDED  PROFILES",
        "main  sk-live-…a1b2  today  default",
    ]
    assert ocx("keys", "list").text == "main\tsk-live-…a1b2\t0\tdefault\t\n"


def test_models(ocx: Ocx) -> None:
    shown = screen(ocx, "--sandbox", "models", "deepseek")
    assert shown[1:] == [
        "MODEL              USED AS  PRICE/M  OWNER",
        "deepseek-chat      default   5 + 18  deepseek",
        "deepseek-reasoner            9 + 36  deepseek",
    ]
    assert ocx("--sandbox", "models", "gpt").text == "gpt-4o\ngpt-4\n"


def test_balance(ocx: Ocx) -> None:
    assert screen(ocx, "--sandbox", "balance")[1:] == [
        "    BALANCE  PROFILE  ENDPOINT",
        "500 credits  sandbox  http://sandbox.localhost/api/v1",
    ]
    assert ocx("--sandbox", "balance").text == "500 credits\n"
    assert len(screen(ocx, "--sandbox", "balance", "-o", "balance.txt")) == 1
    assert (ocx.work / "balance.txt").read_text() == "500 credits\n"


def test_doctor(ocx: Ocx) -> None:
    shown = screen(ocx, "--sandbox", "doctor")
    assert shown[0] == "STATE    CHECK        DETAIL"
    assert "ok       network      not needed: the sandbox runs in this process" in shown
    assert re.search(r"^ {22}\S", "\n".join(shown), re.MULTILINE)  # wrapped in its column
    assert "ok       network: not needed: " in ocx("--sandbox", "doctor").text


def test_config_show(ocx: Ocx) -> None:
    ocx.profile(temperature=0.2)
    shown = screen(ocx, "config", "show")
    assert shown[0] == "SETTING          VALUE                        SOURCE"
    assert "temperature      0.2                          profile default" in shown
    assert "temperature\t0.2\tprofile default\n" in ocx("config", "show").text


def test_ledger(ocx: Ocx) -> None:
    ocx("--sandbox", "balance").has(0)
    heading, entry = screen(ocx, "--sandbox", "serve", "ledger")
    assert heading.split() == ["SEQ", "TIME", "ACCOUNT", "KIND", "AMOUNT", "BALANCE"]
    assert re.fullmatch(r"  1  \d+ s ago  default  grant     500      500", entry)
    assert re.match(r"1\t\d{10}\tdefault\t", ocx("--sandbox", "serve", "ledger").text)


def test_an_empty_table_is_one_line_and_no_heading(ocx: Ocx) -> None:
    assert screen(ocx, "history", "list") == ["ocx: no call is kept yet"]
    assert screen(ocx, "keys", "list") == [
        "ocx: no keys are stored; `ocx keys add NAME` stores one"
    ]
    assert ocx("history", "list").stdout == b""


def test_colours_are_one_accent_and_go_with_no_color(kept: Ocx) -> None:
    shown = kept.in_terminal("history", "list").finish().text
    assert set(STYLES.findall(shown)) == {"0", "1", "2", "31", "36"}
    assert shown.splitlines()[0].startswith("\x1b[1mID\x1b[0m  \x1b[1mWHEN\x1b[0m")
    plain = kept.in_terminal("history", "list", env={"NO_COLOR": "1"}).finish().text
    assert not STYLES.findall(plain)


def test_a_hostile_model_id_is_text(ocx: Ocx) -> None:
    ocx.write_config('[profiles."a"]\nmodel = "x\\u001b[2J"\n')
    shown = ocx.in_terminal("config", "profiles", "list").finish().text
    assert "x\\x1b[2J" in shown
    assert "\x1b[2J" not in shown


@pytest.fixture
def chinese(ocx: Ocx) -> Ocx:
    """Calls in Chinese, in several profiles and conversations, and settings with long texts."""
    ocx.state.mkdir(parents=True, mode=0o700)
    outcomes = ("finished", "failed", "cancelled", "finished")
    with History(ocx.state) as history:
        for number, outcome in enumerate(outcomes):
            call = replace(
                CALL,
                profile=("默认", "工作用的")[number % 2],
                model="anthropic/claude-3.5-sonnet",
                outcome=outcome,
                credits=Decimal("12.000345"),
                started=time.time() - number * 9 * 24 * HOUR,
            )
            home = history.conversation("旅行计划的讨论", call.profile) if number == 3 else None
            prompt = "请问，「缓存」（cache）与“会话”有什么区别？" * 3
            history.record(call, [{"role": "user", "content": prompt}], home)
    ocx("--sandbox", "balance").has(0)  # makes a ledger
    ocx.profile(system="请用中文回答，语气要礼貌，并且，尽可能简短，不要解释，谢谢。" * 2)
    ocx.write_credentials(main="sk-live-Te5tKey0000000000000000000000a1b2")
    return ocx


NARROW = [
    ("history", "list"),
    ("history", "search", "缓存"),
    ("history", "stats"),
    ("config", "show"),
    ("config", "profiles", "list"),
    ("keys", "list"),
    ("--sandbox", "models"),
    ("--sandbox", "balance"),
    ("--sandbox", "doctor"),
    ("--sandbox", "serve", "ledger"),
]


@pytest.mark.parametrize("width", [40, 61])
@pytest.mark.parametrize("args", NARROW, ids=" ".join)
def test_a_narrow_screen(chinese: Ocx, args: tuple[str, ...], width: int) -> None:
    shown = screen(chinese, *args, width=width)
    assert len(shown) > 1
    for line in shown:
        texts = [text for text in re.split(r" {2,}", line) if text]
        assert not any(text[:1] in NOT_FIRST or text[-1:] in NOT_LAST for text in texts)


def test_the_prompt_gets_the_width(chinese: Ocx) -> None:
    """What says least is left out; which call it was, what came of it and the prompt stay."""
    for width, titles in (
        (200, "ID WHEN MODEL PROFILE CONV TOKENS CREDITS OUTCOME PROMPT"),
        (80, "ID WHEN MODEL PROFILE CONV OUTCOME PROMPT"),
        (40, "ID WHEN OUTCOME PROMPT"),
        (30, "ID OUTCOME PROMPT"),
    ):
        shown = screen(chinese, "history", "list", width=width)
        assert shown[0].split() == titles.split()
        prompts = [line for line in shown if "请问" in line]
        assert len(prompts) == 4
        assert all(wcswidth(line[line.index("请问") :]) >= width // 4 for line in prompts)


TEXTS = st.text(st.sampled_from("ab1 -/世界é…"), max_size=40)
ROWS = st.lists(st.tuples(TEXTS, TEXTS, TEXTS), min_size=1, max_size=5)


def table(
    columns: list[Column], rows: list[tuple[str, ...]], width: int
) -> tuple[list[int], list[str]]:
    """The widths of its columns, and its lines without the heading."""
    raw = MemoryRaw()
    terminal = Terminal(None, FdWriter(raw), RedactingStderr(None), width=width, stdout_tty=True)
    made = Table(Context(terminal, {"color": "never"}), columns, rows)
    made.write(rows)
    return made.widths, raw.text().splitlines()


@given(ROWS, st.integers(60, 120))
def test_a_row_fits_the_screen_and_its_columns_are_aligned(
    rows: list[tuple[str, ...]], width: int
) -> None:
    columns = [Column("", right=True), Column(""), Column("", cut=True)]
    widths, lines = table(columns, rows, width)
    assume(widths[0] <= 20)  # numbers are never broken
    assert sum(widths) + 2 * GAP <= width
    for line in lines:
        assert cells(line) <= width
        assert line == line.rstrip()


def test_a_column_is_as_wide_as_its_widest_text() -> None:
    rows = [("10", "gpt"), ("9", "世界世界")]
    widths, lines = table([Column("ID", right=True), Column("MODEL")], rows, 80)
    assert widths == [2, 8]
    assert lines == ["10  gpt", " 9  世界世界"]


def test_a_short_one_ends_in_an_ellipsis_but_gives_way_after_what_is_cut() -> None:
    rows = [("a-rather-long-name-of-a-model", "w" * 60)]
    columns = [Column("", short=True), Column("", cut=True)]
    assert table(columns, rows, 50)[0] == [29, 19]
    assert table(columns, rows, 30)[1] == [f"a-rather-lo…  {'w' * 15}…"]


def test_what_may_be_cut_gives_way_first() -> None:
    rows = [("a-rather-long-name-of-a-model", "w" * 60)]
    columns = [Column(""), Column("", cut=True)]
    assert table(columns, rows, 50)[0] == [29, 19]
    widths, lines = table(columns, rows, 30)
    assert widths == [12, 16]
    assert lines == [f"a-rather-lon  {'w' * 15}…", "g-name-of-a-", "model"]
