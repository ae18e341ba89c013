"""`verify`: what the input and the outputs say of each other."""

from __future__ import annotations

from pathlib import Path

import pytest

from ocx.batch.verify import Verification
from ocx.errors import UsageError
from tests.batch.fakes import BAD, Server, reply_to, rows, run_to


def made(tmp_path: Path, name: str, numbers: range, bad: str = "") -> Path:
    path = tmp_path / name
    server = Server(lambda given: BAD if given.id == bad else reply_to(given))
    given = (row for row in rows(100) if int(row.id[1:]) in numbers)
    run_to(path, server, given)
    return path


def test_outputs_that_complete_each_other(tmp_path: Path) -> None:
    parts = [made(tmp_path, "a", range(5)), made(tmp_path, "b", range(5, 9))]
    verification = Verification(parts)
    assert list(verification.faulty(rows(9))) == []
    assert verification.complete
    joined = tmp_path / "joined"
    joined.write_bytes(b"".join(part.read_bytes() for part in parts))
    verification = Verification([joined])
    list(verification.faulty(rows(9)))
    assert verification.complete


def test_what_is_missing_failed_doubled_or_unknown(tmp_path: Path) -> None:
    parts = [made(tmp_path, "a", range(5), bad="r1"), made(tmp_path, "b", range(4, 6))]
    verification = Verification(parts)
    faulty = [row.id for row in verification.faulty(rows(100)) if row.line < 10]
    assert faulty == ["r1", "r6", "r7", "r8"]
    assert not verification.complete
    assert verification.counts["missing"] == 94
    assert verification.named["failed"] == ["r1"]
    assert verification.classes == {"rejected": 1}
    assert verification.named["doubled"] == ["r4"]
    assert verification.counts["not in the input"] == 0
    assert verification.error().exit_code == 13
    assert "94 missing (r6, r7, " in verification.error().message
    other = Verification(parts)
    list(other.faulty(rows(4)))
    assert other.counts["not in the input"] == 2
    assert "2 not in the input" in other.error().message


def test_a_failure_that_was_mended_is_doubled_but_good(tmp_path: Path) -> None:
    parts = [made(tmp_path, "a", range(3), bad="r1"), made(tmp_path, "b", range(1, 2))]
    verification = Verification(parts)
    assert list(verification.faulty(rows(3))) == []
    assert verification.named["doubled"] == ["r1"]


def test_what_is_no_output(tmp_path: Path) -> None:
    for line in ("hello", '{"answer": 1}'):
        (tmp_path / "x").write_text(f"{line}\n")
        with pytest.raises(UsageError, match="line 1, is no output row") as caught:
            Verification([tmp_path / "x"])
        assert caught.value.message.count("is no") == 1
    with pytest.raises(UsageError, match="cannot read"):
        Verification([tmp_path / "nowhere"])
