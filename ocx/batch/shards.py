"""Which rows are ours: `--shard I/N`, or the index that a cluster's engine gives its tasks."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass

from ocx.errors import UsageError

_SHARD = re.compile(r"(\d{1,9})/(\d{1,9})")
_NUMBER = re.compile(r"\d{1,9}")


@dataclass(frozen=True)
class Shard:
    """Shard `index` (from 0) of `count`; the rows whose `sha256(id) mod count` is `index`.

    Raises: UsageError if there is none.
    """

    index: int
    count: int
    source: str = "--shard"

    def __post_init__(self) -> None:
        if self.count < 1 or not 0 <= self.index < self.count:
            raise UsageError(
                f"{self.source}: there is no shard {self.index} of {self.count}",
                hint="shards count from 0 to N - 1",
            )

    def __contains__(self, row_id: str) -> bool:
        digest = hashlib.sha256(row_id.encode("utf-8", "surrogatepass")).digest()
        return int.from_bytes(digest, "big") % self.count == self.index

    def fill_in(self, name: str) -> str:
        return name.replace("{shard}", str(self.index))

    def __str__(self) -> str:
        return f"{self.index}/{self.count}"


def find_shard(flag: str | None, env: Mapping[str, str]) -> Shard | None:
    """The shard of `--shard`, else of Slurm, Kubernetes or AWS Batch; None means all rows.

    Raises: UsageError for what names no shard.
    """
    if flag is not None:
        match = _SHARD.fullmatch(flag)
        if match is None:
            raise UsageError(f"--shard takes I/N, not {flag!r}", hint="for example --shard 0/8")
        return Shard(int(match[1]), int(match[2]))
    if env.get("SLURM_ARRAY_TASK_ID"):
        return _slurm(env)
    for name in ("JOB_COMPLETION_INDEX", "AWS_BATCH_JOB_ARRAY_INDEX"):
        # An array job that is no batch of ours has no count: then every task takes all rows.
        if env.get(name) and env.get("OCX_SHARDS"):
            return Shard(_number(env, name), _number(env, "OCX_SHARDS"), name)
    return None


def output_name(name: str, shard: Shard | None) -> str:
    """`name` with `{shard}` filled in. Raises UsageError if shards would share an output."""
    if "{shard}" in name:
        if shard is None:
            raise UsageError("{shard} in -o, but there is no shard", hint="add --shard I/N")
        return shard.fill_in(name)
    if shard is not None and shard.source != "--shard":
        raise UsageError(
            f"the tasks of {shard.source} would share the output {name}",
            hint="use a name with {shard}: -o out-{shard}.jsonl",
        )
    return name


def _slurm(env: Mapping[str, str]) -> Shard:
    name = "SLURM_ARRAY_TASK_ID"
    first = _number(env, "SLURM_ARRAY_TASK_MIN")
    count = _number(env, "SLURM_ARRAY_TASK_COUNT")
    last = "SLURM_ARRAY_TASK_MAX"
    if last in env and _number(env, last) - first + 1 != count:
        raise UsageError(
            "the Slurm array has gaps, so its tasks cannot be numbered",
            hint="use a range without a step (--array=0-7), or give --shard",
        )
    return Shard(_number(env, name) - first, count, name)


def _number(env: Mapping[str, str], name: str) -> int:
    text = env.get(name, "")
    if not _NUMBER.fullmatch(text):
        raise UsageError(f"{name} is not a whole number", hint="or give --shard I/N")
    return int(text)
