"""Which rows a run takes: shards, limits, samples; by property."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ocx.batch.input import Selection
from ocx.batch.options import RowsOut, Shard, find_shard
from ocx.batch.row import BadRow, Row
from ocx.errors import UsageError

SLURM = {
    "SLURM_ARRAY_TASK_ID": "7",
    "SLURM_ARRAY_TASK_MIN": "5",
    "SLURM_ARRAY_TASK_MAX": "12",
    "SLURM_ARRAY_TASK_COUNT": "8",
}


def rows(count: int) -> list[Row | BadRow]:
    return [Row(f"r{number}", number + 1, {}) for number in range(count)]


@given(st.integers(1, 9), st.sets(st.text(), max_size=50))
def test_every_row_belongs_to_exactly_one_shard(count: int, ids: set[str]) -> None:
    shards = [Shard(index, count) for index in range(count)]
    for row_id in ids:
        assert sum(row_id in shard for shard in shards) == 1


def test_the_shard_of_an_id_is_fixed() -> None:
    """sha256("a") mod 8; a change would send rows of a started cluster job twice."""
    assert [index for index in range(8) if "a" in Shard(index, 8)] == [3]


@given(st.integers(0, 40), st.integers(1, 50), st.integers(0, 3))
def test_a_sample_is_the_same_for_a_seed_and_in_order(count: int, size: int, seed: int) -> None:
    selection = Selection(sample=size, seed=seed)
    taken = list(selection.of_file(count, rows(count)))
    assert taken == list(selection.of_file(count, rows(count)))
    assert len(taken) == min(size, count) == selection.size(count)
    assert [row.line for row in taken] == sorted({row.line for row in taken})


def test_a_limit_counts_the_rows_of_the_shard() -> None:
    shard = Shard(1, 2)
    taken = list(Selection(shard, limit=3).of_stream(rows(50)))
    assert len(taken) == 3
    assert all(row.id in shard for row in taken)


@pytest.mark.parametrize(
    ("flag", "env", "expected"),
    [
        (None, {}, None),
        ("2/8", SLURM, "2/8"),
        (None, SLURM, "2/8"),
        (None, {"JOB_COMPLETION_INDEX": "3", "OCX_SHARDS": "4"}, "3/4"),
        (None, {"AWS_BATCH_JOB_ARRAY_INDEX": "0", "OCX_SHARDS": "2"}, "0/2"),
        (None, {"JOB_COMPLETION_INDEX": "3"}, None),
        (None, {"OCX_SHARDS": "4"}, None),
    ],
)
def test_the_shard_is_the_flag_s_or_the_engine_s(
    flag: str | None, env: dict[str, str], expected: str | None
) -> None:
    found = find_shard(flag, env)
    assert (f"{found.index}/{found.count}" if found else None) == expected


@pytest.mark.parametrize(
    ("flag", "env", "message"),
    [
        ("8/8", {}, "no shard 8 of 8"),
        ("0/0", {}, "no shard"),
        ("x", {}, "takes I/N"),
        (None, {**SLURM, "SLURM_ARRAY_TASK_MAX": "20"}, "has gaps"),
        (None, {"SLURM_ARRAY_TASK_ID": "1"}, "SLURM_ARRAY_TASK_MIN is not a whole number"),
        (None, {"JOB_COMPLETION_INDEX": "9", "OCX_SHARDS": "4"}, "no shard 9 of 4"),
    ],
)
def test_what_names_no_shard(flag: str | None, env: dict[str, str], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        find_shard(flag, env)


def test_shards_never_share_an_output() -> None:
    def path(name: str, shard: Shard | None) -> Path | None:
        return RowsOut(output=name).path(shard)

    assert path("out-{shard}.jsonl", Shard(3, 8)) == Path("out-3.jsonl")
    assert path("out.jsonl", Shard(3, 8)) == Path("out.jsonl")
    with pytest.raises(UsageError, match="share the output"):
        path("out.jsonl", find_shard(None, SLURM))
    with pytest.raises(UsageError, match="no shard"):
        path("out-{shard}.jsonl", None)
