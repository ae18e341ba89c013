"""`ocx` itself against a server that a command starts: `use_ocx.py COMMAND...`.

The command prints its base URL and ends with its stdin.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

from checks import check

FEW = ("--max-tokens", "16")


def main(command: list[str]) -> None:
    server = subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    )
    assert server.stdout is not None
    url = server.stdout.readline().strip()
    with tempfile.TemporaryDirectory() as folder:
        env = {"PATH": os.environ["PATH"], "HOME": folder, "LANG": "C.UTF-8"}
        env |= {"OCX_BASE_URL": url, "OCX_API_KEY": "sk-anything-at-all"}
        work = Path(folder, "work")
        work.mkdir()
        try:
            _checks(Ocx(env, work))
        finally:
            server.communicate()


class Ocx:
    def __init__(self, env: dict[str, str], work: Path) -> None:
        self.env, self.work = env, work

    def __call__(self, *words: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "ocx", *words],
            env={**self.env, "PYTHONPATH": str(Path(__file__).parents[3])},
            cwd=self.work,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )


def _checks(ocx: Ocx) -> None:
    model = ocx("models").stdout.splitlines()[0]

    def batch() -> bool:
        rows = "".join(json.dumps({"id": str(n), "prompt": f"Say {n}."}) + "\n" for n in range(20))
        (ocx.work / "in.jsonl").write_text(rows)
        run = ocx("batch", "in.jsonl", "-m", model, "-o", "out.jsonl", *FEW)
        verified = ocx("batch", "verify", "in.jsonl", "out.jsonl")
        return (run.returncode, verified.returncode) == (0, 0)

    def schema() -> bool:
        run = ocx("chat", "-m", model, "--schema", "name, age int", "Ann is 3 years old.")
        return run.returncode == 0 and set(json.loads(run.stdout)) == {"name", "age"}

    def document() -> bool:
        run = ocx("chat", "-m", model, "--json", "--no-stream", *FEW, "hi")
        return "choices" in json.loads(run.stdout)

    check("models", lambda: model)
    check("a stream", lambda: ocx("chat", "-m", model, *FEW, "Say hi.").stdout > "\n")
    check("whole", lambda: ocx("chat", "-m", model, "--no-stream", *FEW, "hi").stdout > "\n")
    check("--json", document)
    check("--schema", schema)
    check("a batch of 20 rows", batch)
    check("a path that is not there", lambda: ocx("api", "GET", "/nothing").returncode == 7)


if __name__ == "__main__":
    main(sys.argv[1:])
