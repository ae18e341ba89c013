"""`python -m tests.mutants [--sample N] [--seed S] [--packages NAME…]`: what do tests not notice?

Two copies of the repository, one for each worker. First the unit tests that run the changed line,
as far as coverage knows them; if they pass, all of its package and those that run the program: the
gate's part of their rows, then all. A change that no test notices has survived; those that stand in
`survivors.toml`, with a reason each, are accepted.
"""

from __future__ import annotations

import argparse
import os
import queue
import random
import shutil
import subprocess
import sys
import threading
import tomllib
from collections import Counter, defaultdict
from pathlib import Path

import coverage

from tests.mutants.changes import Change, change, count

ROOT = Path(__file__).parents[2]
WORK = ROOT / "build" / "mutants"
PACKAGES = sorted(path.parent.name for path in (ROOT / "ocx").glob("*/__init__.py"))
UNIT = [f"tests/{name}" for name in PACKAGES if (ROOT / "tests" / name).is_dir()]
PROGRAMS = ["tests/commands", "tests/docs", "tests/e2e", "tests/test_argv.py"]
PYTEST = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider"]
MOST_TESTS = 80
PATIENCE = 120


def pytest(folder: Path, words: list[str], patience: float = PATIENCE) -> bool:
    """Whether all tests pass. One that hangs has noticed something."""
    env = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
    # The folder first: an installed ocx is another one.
    env["PYTHONPATH"] = str(folder)
    command = [*PYTEST, "-x", *words]
    try:
        done = subprocess.run(
            command, cwd=folder, env=env, capture_output=True, timeout=patience, check=False
        )
    except subprocess.TimeoutExpired:
        return False
    return done.returncode in {0, 5}  # 5: the gate's part of them is none


def tests_by_line(folder: Path) -> dict[str, dict[int, list[str]]]:
    """Which unit tests run which line, as far as they have the same name in each run."""
    data = folder / ".coverage-lines"
    if not data.exists():
        env = {**os.environ, "COVERAGE_FILE": str(data), "PYTHONPATH": str(folder)}
        words = ["--cov=ocx", "--cov-context=test", "--cov-report=", "-n", "2", "--full", *UNIT]
        subprocess.run([*PYTEST, *words], cwd=folder, env=env, check=False, capture_output=True)
    listing = [*PYTEST, "--collect-only", "--full", *UNIT]
    listed = subprocess.run(listing, cwd=folder, capture_output=True, text=True, check=True)
    names = {line for line in listed.stdout.splitlines() if "::" in line}
    read = coverage.CoverageData(str(data))
    read.read()
    found: dict[str, dict[int, list[str]]] = {}
    for file in read.measured_files():
        lines = read.contexts_by_lineno(file)
        name = str(Path(file).relative_to(folder))
        found[name] = {
            line: sorted(names & {context.rpartition("|")[0] for context in contexts})
            for line, contexts in lines.items()
        }
    return found


class Mutants:
    def __init__(self, sample: int, seed: int, packages: list[str]) -> None:
        self.chosen: queue.SimpleQueue[tuple[Path, int]] = queue.SimpleQueue()
        everything = [
            (path.relative_to(ROOT), number)
            for package in packages
            for path in sorted((ROOT / "ocx" / package).rglob("*.py"))
            for number in range(count(path.read_text()))
        ]
        self.total = len(everything)
        chosen = random.Random(seed).sample(everything, min(sample, self.total))
        for one in chosen:
            self.chosen.put(one)
        self.counts: dict[str, Counter[str]] = defaultdict(Counter)
        self.survivors: list[str] = []
        known = tomllib.loads((Path(__file__).parent / "survivors.toml").read_text())
        self.accepted = {(one["file"], one["change"]) for one in known.get("accepted", [])}

    def work(self, folder: Path, lines: dict[str, dict[int, list[str]]]) -> None:
        while True:
            try:
                path, number = self.chosen.get_nowait()
            except queue.Empty:
                return
            one = change((ROOT / path).read_text(), number)
            self._tell(path, one, self._noticed_by(folder, path, one, lines))

    def _noticed_by(
        self, folder: Path, path: Path, change: Change, lines: dict[str, dict[int, list[str]]]
    ) -> str:
        target = folder / path
        before = target.read_text()
        target.write_text(change.source)
        try:
            here = lines.get(str(path), {})
            # What runs once, at import, belongs to no test: then those of the whole file.
            tests = here.get(change.line) or sorted(
                {test for each in here.values() for test in each}
            )
            some = random.Random(1).sample(tests, min(len(tests), MOST_TESTS))
            if some and not pytest(folder, some):
                return "unit"
            own = {f"tests/{path.parts[1]}"} & {*UNIT}
            for rows in ([], ["--full"]):  # most are noticed by the gate's part
                if not pytest(folder, ["-n", "2", *rows, *own, *PROGRAMS], 10 * PATIENCE):
                    return "end to end"
            return ""
        finally:
            target.write_text(before)

    def _tell(self, path: Path, change: Change, noticed: str) -> None:
        package = path.parts[1]
        accepted = (str(path), change.what) in self.accepted
        self.counts[package][noticed or ("accepted" if accepted else "survived")] += 1
        done = sum(sum(counts.values()) for counts in self.counts.values())
        if done % 20 == 0:
            print(f"{done} done", file=sys.stderr, flush=True)
        if not noticed and not accepted:
            self.survivors.append(f"{path}:{change.line}  {change.what}")
            print(f"SURVIVED {self.survivors[-1]}", flush=True)

    def table(self) -> list[str]:
        names = ("unit", "end to end", "accepted", "survived")
        lines = [f"{'':<10}" + "".join(f"{name:>12}" for name in names)]
        for package, counts in sorted(self.counts.items()):
            lines.append(f"{package:<10}" + "".join(f"{counts[name]:>12}" for name in names))
        total = sum((counts for counts in self.counts.values()), Counter())
        killed = total["unit"] + total["end to end"]
        count = sum(total.values())
        lines.append(f"{killed} of {count} killed, {killed / max(1, count):.1%}")
        counted = max(1, count - total["accepted"])
        lines.append(f"without the accepted: {killed / counted:.1%}; {self.total:,} in all")
        return lines


def main() -> int:
    options = argparse.ArgumentParser(prog="python -m tests.mutants")
    options.add_argument("--sample", type=int, default=400)
    options.add_argument("--seed", type=int, default=1)
    options.add_argument("--packages", nargs="+", choices=PACKAGES, default=PACKAGES)
    given = options.parse_args()
    left_out = shutil.ignore_patterns(".git", ".venv*", "__pycache__", "build", "node_modules")
    folders = [WORK / str(number) for number in range(2)]
    for folder in folders:
        kept = folder / ".coverage-lines"
        shutil.copytree(ROOT, folder, ignore=left_out, dirs_exist_ok=True)
        if kept.exists() and folder == folders[0]:
            kept.unlink()
    lines = tests_by_line(folders[0])
    mutants = Mutants(given.sample, given.seed, given.packages)
    workers = [threading.Thread(target=mutants.work, args=(folder, lines)) for folder in folders]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    print("\n".join(mutants.table()))
    return 1 if mutants.survivors else 0


if __name__ == "__main__":
    sys.exit(main())
