"""What the README says is what the program does."""

import re
import shutil
import tomllib

import pytest

from ocx.commands.help import GUIDES
from ocx.errors import exit_code_table
from ocx.typography import cells
from tests.support.pages import EVERYTHING, NAMES, PAGES, README, ROOT
from tests.support.program import Ocx, Run
from tests.support.sizes import some

pytestmark = pytest.mark.unmeasured


def test_the_exit_codes_are_those_of_the_program() -> None:
    page = PAGES["exit-codes"]
    table = page.partition("<!-- exit-codes -->")[2].partition("<!-- /exit-codes -->")[0]
    rows = [tuple(cell.strip() for cell in row.strip("|").split("|")) for row in table.split("\n")]
    shown = [row for row in rows if row[0].isdigit()]
    assert shown == exit_code_table()


def test_the_second_command_is_the_gate() -> None:
    commands = [
        line
        for block in re.findall(r"```sh\n(.*?)```", README, re.S)[:2]
        for line in block.splitlines()
        if line and not line.startswith("#")
    ]
    assert len(commands) == 2
    assert commands[0].endswith(".venv/bin/ocx --sandbox balance")
    assert commands[1] == "bash .ci/run"


def test_the_readme_is_short_and_every_link_leads_somewhere() -> None:
    assert len(README.splitlines()) <= 240
    for folder, text in [(ROOT, README), *((ROOT / "docs", page) for page in PAGES.values())]:
        for target in re.findall(r"\]\((?!https?:)([^)#]+)", text):
            assert (folder / target).exists(), target
    for name in NAMES:
        assert f"docs/{name}.md" in README


# Examples that need files, earlier calls, a real model or an editor have tests of their own.
ELSEWHERE = "<|…|error.type|-f |-a |-t |-x |--schema|--snippet|--conversation|history|ocx chat  "
EXAMPLES = [
    line
    for line in re.findall(
        r"^ocx (?!keys|config|batch|-P|serve|exec|env|api|doctor).*", EVERYTHING, re.M
    )
    if not re.search(ELSEWHERE, line)
]


def _in_a_shell(ocx: Ocx, line: str) -> Run:
    script = f'program=("$0" "$@"); ocx() {{ "${{program[@]}}" "$@"; }}; set -o pipefail\n{line}\n'
    return ocx.forked().spawn(prefix=("bash", "-c", script)).finish()


@pytest.mark.parametrize("line", some(EXAMPLES, 8))
def test_every_example_runs_in_the_sandbox(ocx: Ocx, line: str) -> None:
    """Each in a real shell, where `ocx` is the program; a gate may say no (12)."""
    if "jq" in line and not shutil.which("jq"):
        pytest.skip("jq is not installed here")
    ocx.env["OCX_SANDBOX"] = "1"
    done = _in_a_shell(ocx, line)
    # The gate refuses play money that a variable chose: that is the line after it to say.
    refused = "--min" in line and "--sandbox" not in line
    assert done.status == ((1 if "||" in line else 3) if refused else 0), done


# What the examples of the guides read, and a word of what they then hold.
GUIDE_FILES = {
    "报告.md": "# 季度报告\n\n收入增加了一成。\n",
    "评论.csv": "编号,评论\n1,面很好吃\n2,等了一个小时\n",
    "laporan.md": "# Laporan suku tahun\n\nPendapatan naik.\n",
    "ulasan.csv": "no,ulasan\n1,Mi sedap\n2,Tunggu sejam\n",
}
WRITTEN = {"zh": ("结果.csv", "面很好吃", 2), "ms": ("hasil.csv", "Mi sedap", 2)}


@pytest.mark.parametrize("language", some(GUIDES, 1))
def test_every_example_of_a_guide_runs_in_the_sandbox(ocx: Ocx, language: str) -> None:
    """In one home, in their order: some go on with what others did."""
    blocks = re.findall(
        r"```sh\n(.*?)```", (ROOT / "docs" / f"{language}.md").read_text("utf-8"), re.S
    )
    lines = [line for block in blocks for line in block.splitlines()]
    assert len(blocks) == 2 + 10
    for name, text in GUIDE_FILES.items():
        (ocx.work / name).write_text(text, "utf-8")
    ocx.env["OCX_SANDBOX"] = "1"
    for line in lines:
        if line.startswith("ocx keys add"):
            continue  # it needs an account, or a terminal to type into
        done = _in_a_shell(ocx, line)
        assert done.status == 0, done
    name, word, count = WRITTEN[language]
    assert (ocx.work / name).read_text("utf-8-sig").count(word) == count


@pytest.mark.parametrize("language", GUIDES)
def test_a_guide_has_every_exit_code(ocx: Ocx, language: str) -> None:
    text = (ROOT / "docs" / f"{language}.md").read_text("utf-8")
    assert re.findall(r"^- `(\d+)` ", text, re.M) == [code for code, *_ in exit_code_table()]
    narrow = ocx("help", language, env={"COLUMNS": "60"}).has(0).text
    assert all(cells(line) <= 60 for line in narrow.split("\n") if not line.startswith("    "))
    shown = ocx("help", language).has(0).text
    assert "```" not in shown and "\n#" not in shown
    assert "    ocx keys add main\n" in shown
    for code, *_ in exit_code_table():
        assert re.search(rf"^ *{code}  \S", shown, re.M)


def test_the_profile_is_made_in_the_order_shown(ocx: Ocx) -> None:
    lines = re.findall(r"^ocx ((?:-P ollama )?config (?:set|profiles) .*)", README, re.M)
    assert len(lines) >= 4
    for line in lines:
        ocx(*line.partition("  ")[0].split()).has(0)
    shown = ocx("config", "show", "--json").json
    assert shown["base_url"]["value"] == "http://192.168.1.20:11434/v1"


def test_the_version_is_one_fact() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert project["dynamic"] == ["version"]
