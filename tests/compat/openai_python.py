"""Run openai-python's own tests for chat and models against `ocx serve`: `make test-compat`.

The tests are in the source distribution of the installed version, which pip fetches. They name a
key of their own; here it is the server's. Exit 0 means that nothing failed but what the documented
API lacks, stored completions and deleting a model, and requests with `max_tokens` 0.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tarfile
from importlib.metadata import version
from pathlib import Path
from xml.etree import ElementTree

TESTS = ("tests/api_resources/chat", "tests/api_resources/test_models.py")
OWN_KEY = 'api_key = "My API Key"'
LACKING = {
    "test_messages": ("_list",),
    "test_completions": ("_retrieve", "_update", "_list", "_delete", "_create_with_all_params"),
    "test_models": ("_delete",),
}
"""Per file, what the names of the tests that must fail contain."""


def fetch(folder: Path) -> Path:
    """The unpacked source distribution of the installed `openai`."""
    name = f"openai-{version('openai')}"
    pip = (sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check")
    only_source = ("--no-deps", "--no-binary", "openai", "--dest", str(folder))
    subprocess.run([*pip, *only_source, name.replace("-", "==")], check=True)
    with tarfile.open(folder / f"{name}.tar.gz") as archive:
        archive.extractall(folder, filter="data")
    return folder / name


def run(source: Path) -> ElementTree.Element:
    """Run the tests; their results as JUnit reports them."""
    conftest = source / "tests/conftest.py"
    text = conftest.read_text()
    if OWN_KEY not in text:
        raise SystemExit(f"{conftest} no longer has {OWN_KEY}")
    conftest.write_text(text.replace(OWN_KEY, 'api_key = os.environ["OPENAI_API_KEY"]'))
    env = {**os.environ, "TEST_API_BASE_URL": os.environ["OPENAI_BASE_URL"]}
    report = source / "report.xml"
    pytest = (sys.executable, "-m", "pytest", "-q", "-n", "0", "--tb=line", f"--junitxml={report}")
    subprocess.run([*pytest, *TESTS], cwd=source, env=env, stdout=subprocess.DEVNULL, check=False)
    return ElementTree.parse(report).getroot()


def is_lacking(case: ElementTree.Element) -> bool:
    file = case.get("classname", "").split(".")[-2]
    return any(part in case.get("name", "") for part in LACKING.get(file, ()))


def main() -> int:
    results = run(fetch(Path(sys.argv[1]).resolve()))
    cases = list(results.iter("testcase"))
    failed = [case for case in cases if {"failure", "error"} & {child.tag for child in case}]
    unexpected = [case for case in failed if not is_lacking(case)]
    lacking = len(failed) - len(unexpected)
    print(f"openai {version('openai')}: {len(cases) - len(failed)} of {len(cases)} tests passed,")
    print(
        f"{lacking} failed for what the API lacks or forbids, {len(unexpected)} for other reasons"
    )
    for case in unexpected:
        print(f"  {case.get('classname')}::{case.get('name')}")
    return 1 if unexpected or not cases else 0


if __name__ == "__main__":
    sys.exit(main())
