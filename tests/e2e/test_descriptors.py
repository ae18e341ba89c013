"""256 descriptors, as on a Mac: raised by the program itself, as far as it may."""

from __future__ import annotations

from tests.support.program import Ocx


def test_a_batch_in_the_sandbox_has_as_many_connections_as_asked_for(ocx: Ocx) -> None:
    rows = "".join(f'{{"prompt": "row {n}"}}\n' for n in range(150))
    (ocx.work / "in.jsonl").write_text(rows)
    limited = ("sh", "-c", 'ulimit -Sn 256; exec "$@"', "sh")
    args = ("--sandbox", "batch", "in.jsonl", "-j", "140", "-m", "lorem:2,ttft=0.1", "-o", "out")
    done = ocx.spawn(*args, prefix=limited).finish().has(0)
    assert "150 done, 0 failed" in done.stderr
    assert len((ocx.work / "out").read_text().splitlines()) == 150
