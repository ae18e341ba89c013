"""The limit of open files, in a process of its own."""

from __future__ import annotations

import subprocess
import sys

import pytest

_ASK = """
import resource, sys
from ocx.process import raise_file_limit
soft, hard, refused, *wanted = map(int, sys.argv[1:])
resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
real = resource.setrlimit
def picky(which, limits):
    if limits[0] > refused:
        raise ValueError("above OPEN_MAX")
    real(which, limits)
resource.setrlimit = picky
for each in wanted:
    print(raise_file_limit(each), *resource.getrlimit(resource.RLIMIT_NOFILE))
"""


@pytest.mark.parametrize(
    ("soft", "hard", "wanted", "limit"),
    [
        (256, 2048, 1000, 1000),
        (256, 2048, 9000, 2048),
        (256, 256, 9000, 256),
        (512, 2048, 100, 512),
    ],
)
def test_the_soft_limit_goes_as_far_as_the_hard_one(
    soft: int, hard: int, wanted: int, limit: int
) -> None:
    assert ask(soft, hard, wanted) == [(limit, limit, hard)]


def test_it_never_goes_down() -> None:
    assert [limit for limit, _, _ in ask(256, 4096, 1000, 300, 2000)] == [1000, 1000, 2000]


def ask(soft: int, hard: int, *wanted: int, refused: int = sys.maxsize) -> list[tuple[int, ...]]:
    words = map(str, (soft, hard, refused, *wanted))
    run = subprocess.run([sys.executable, "-c", _ASK, *words], check=True, capture_output=True)
    return [tuple(map(int, line.split())) for line in run.stdout.decode().splitlines()]


def test_a_mac_refuses_what_is_above_its_most() -> None:
    assert ask(256, 20_000, 15_000, refused=10_240) == [(10_240, 10_240, 20_000)]
