"""`--limit`, `--sample` and `--shard`: the rows of a file that this run is about."""

from __future__ import annotations

import random
from array import array
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from ocx.batch.rows.row import BadRow, Row
from ocx.batch.shards import Shard


@dataclass(frozen=True)
class Selection:
    """Attributes:
    limit: the first rows of the shard; None takes all.
    sample: this many rows at random, the same ones for the same seed.
    """

    shard: Shard | None = None
    limit: int | None = None
    sample: int | None = None
    seed: int = 0

    def of_file(self, count: int, rows: Iterable[Row | BadRow]) -> Iterator[Row | BadRow]:
        """Of `count` rows of the shard that a first pass has seen."""
        chosen = self._sampled(count)
        return _nth(self.of_stream(rows), chosen) if chosen is not None else self.of_stream(rows)

    def of_stream(self, rows: Iterable[Row | BadRow]) -> Iterator[Row | BadRow]:
        """Without --sample, which must know how many rows there are."""
        taken = 0
        for row in rows:
            if self.limit is not None and taken >= self.limit:
                return
            if self.shard is None or row.id in self.shard:
                taken += 1
                yield row

    def size(self, count: int) -> int:
        """How many of `count` rows of the shard are taken."""
        if self.limit is not None:
            count = min(count, self.limit)
        return count if self.sample is None else min(count, self.sample)

    def _sampled(self, count: int) -> array[int] | None:
        if self.limit is not None:
            count = min(count, self.limit)
        if self.sample is None or self.sample >= count:
            return None
        # Not for secrets: the same rows for the same seed are the point.
        return array("Q", sorted(random.Random(self.seed).sample(range(count), self.sample)))  # noqa: S311


def _nth(rows: Iterator[Row | BadRow], chosen: array[int]) -> Iterator[Row | BadRow]:
    at = 0
    for number, row in enumerate(rows):
        if at == len(chosen):
            return
        if number == chosen[at]:
            at += 1
            yield row
