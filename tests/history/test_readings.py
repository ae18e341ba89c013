"""Readings of the balance beside the calls: whose they are, and many processes at once."""

from __future__ import annotations

import subprocess
import sys
from decimal import Decimal
from pathlib import Path

from ocx.history.call import Call
from ocx.history.filters import Filters
from ocx.history.store import FILE, Account, History, Reading, keep_readings, points
from tests.support.sizes import part

HERE = Account("default", "https://opencodex.hk/api/v1")
PROCESSES = part(40)
EACH = 25

WRITER = """
import sys
from decimal import Decimal
from pathlib import Path
from ocx.history.store import Account, Reading, keep_readings

sys.stdin.readline()
for turn in range(int(sys.argv[3])):
    at = float(sys.argv[2]) * 1000 + turn
    keep_readings(Path(sys.argv[1]), Account("p", "u"), [Reading(at, "credits", Decimal("0.1"))])
"""


def test_each_account_and_unit_has_its_own(tmp_path: Path) -> None:
    exact = Decimal("0.10000000000000000001")
    keep_readings(tmp_path, HERE, [Reading(2, "credits", exact), Reading(1, "CNY", Decimal(7))])
    for other in (Account("work", HERE.base_url), Account("default", "http://127.0.0.1:1/v1")):
        keep_readings(tmp_path, other, [Reading(3, "credits", Decimal(9))])
    assert points(tmp_path, HERE, "credits", 0) == [(2, exact)]
    assert points(tmp_path, HERE, "CNY", 0) == [(1, Decimal(7))]
    assert points(tmp_path, HERE, "credits", 2.5) == []
    assert points(tmp_path, HERE, "USD", 0) == []


def test_looking_makes_no_file(tmp_path: Path) -> None:
    assert points(tmp_path, HERE, "credits", 0) == []
    assert list(tmp_path.iterdir()) == []


def test_very_old_ones_go(tmp_path: Path) -> None:
    for day in (0, 300, 500):
        keep_readings(tmp_path, HERE, [Reading(day * 86_400, "credits", Decimal(day))])
    assert [amount for _, amount in points(tmp_path, HERE, "credits", 0)] == [300, 500]


def test_removing_all_calls_removes_them(tmp_path: Path) -> None:
    keep_readings(tmp_path, HERE, [Reading(1, "credits", Decimal(7))])
    call = Call(started=1.0, profile="p", base_url="u", model="m", outcome="finished", exit_code=0,
                seconds=0.0)  # fmt: skip
    with History(tmp_path) as history:
        history.record(call, [{"role": "user", "content": "hi"}])
        history.record(call, [{"role": "user", "content": "hi"}])
        history.remove(Filters(ids=(1,)))
        assert points(tmp_path, HERE, "credits", 0)
        history.remove(Filters())
    assert not points(tmp_path, HERE, "credits", 0)


def test_many_processes_at_once(tmp_path: Path) -> None:
    """Into a file that is new for all of them; none is lost."""
    writers = [
        subprocess.Popen(
            [sys.executable, "-c", WRITER, str(tmp_path), str(number), str(EACH)],
            stdin=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        )
        for number in range(PROCESSES)
    ]  # fmt: skip
    for writer in writers:
        assert writer.stdin is not None
        writer.stdin.write("\n")
        writer.stdin.flush()
    for writer in writers:
        _out, errors = writer.communicate(timeout=120)
        assert (writer.returncode, errors) == (0, "")
    found = points(tmp_path, Account("p", "u"), "credits", 0)
    assert len({at for at, _ in found}) == len(found) == PROCESSES * EACH
    assert (tmp_path / FILE).stat().st_mode & 0o777 == 0o600
