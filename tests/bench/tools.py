"""The tools that people use for the same job: found if they are installed, told side by side."""

from __future__ import annotations

import os
import shutil
import statistics
from collections.abc import Mapping
from pathlib import Path

from tests.bench.measure import Cost, Program

HOW = "not installed: make peers"
PEERS = Path(__file__).parents[2] / "build" / "peers"
_MIB = 1024 * 1024

_LLM_MODELS = """
- model_id: bench
  model_name: {model}
  api_base: {base_url}
"""
_AICHAT = """
model: bench:{model}
clients:
  - type: openai-compatible
    name: bench
    api_base: {base_url}
    api_key: {key}
    models:
      - name: {model}
"""
_CURL = """\
{{"model": "{model}", "stream": true, "messages": [{{"role": "user", "content": "hi"}}]}}"""


def find(name: str) -> str | None:
    """The path of a tool: $NAME in capitals, then `make peers`, then PATH."""
    places = [*map(str, sorted(PEERS.glob("*/bin"))), os.environ["PATH"]]
    return os.environ.get(name.upper()) or shutil.which(name, path=os.pathsep.join(places))


def find_python(package: str) -> str | None:
    """The Python that `make peers` installed a package for."""
    python = PEERS / package / "bin" / "python"
    return str(python) if python.exists() else None


def found(home: Path, base_url: str, key: str, model: str) -> list[Program]:
    """The same prompt to the same server by each of the tools that are here."""
    given = {"base_url": base_url, "key": key, "model": model}
    env = {"PATH": os.environ["PATH"], "HOME": str(home), "LANG": "C.UTF-8"}
    env |= {"OPENAI_API_KEY": key}
    makers = {"curl": _curl, "llm": _llm, "sgpt": _sgpt, "aichat": _aichat}
    programs = []
    for name, make in makers.items():
        path = find(name)
        if path:
            words, more = make(home, given)
            programs.append(Program(name, (path, *words), {**env, **more}))
    return programs


def table(costs: Mapping[str, Cost]) -> list[str]:
    """Medians, with the least and the most in brackets."""
    lines = [f"{'a prompt, in a pipe':<20} {'wall, ms':>22} {'CPU, ms':>22} {'memory, MiB':>20}"]
    for name, cost in sorted(costs.items(), key=lambda item: statistics.median(item[1].walls)):
        cells = [
            spread(cost.walls, 1000),
            spread(cost.seconds, 1000),
            spread(cost.peaks, 1 / _MIB),
        ]
        lines.append(f"{name:<20} {cells[0]:>22} {cells[1]:>22} {cells[2]:>20}")
    return lines


def spread(numbers: list[float] | list[int], scale: float) -> str:
    middle, low, high = (
        scale * number for number in (statistics.median(numbers), min(numbers), max(numbers))
    )
    return f"{middle:,.0f} ({low:,.0f} to {high:,.0f})"


def _curl(_home: Path, given: dict[str, str]) -> tuple[list[str], dict[str, str]]:
    words = ["-sSN", f"{given['base_url']}/chat/completions", "-d", _CURL.format(**given)]
    words += ["-H", "Content-Type: application/json", "-H", f"Authorization: Bearer {given['key']}"]
    return words, {}


def _llm(home: Path, given: dict[str, str]) -> tuple[list[str], dict[str, str]]:
    folder = home / "llm"
    folder.mkdir(exist_ok=True)
    (folder / "extra-openai-models.yaml").write_text(_LLM_MODELS.format(**given))
    return ["-m", "bench", "hi"], {"LLM_USER_PATH": str(folder)}


def _sgpt(_home: Path, given: dict[str, str]) -> tuple[list[str], dict[str, str]]:
    settings = {"API_BASE_URL": given["base_url"], "DEFAULT_MODEL": given["model"]}
    return ["--no-cache", "hi"], {**settings, "PRETTIFY_MARKDOWN": "false"}


def _aichat(home: Path, given: dict[str, str]) -> tuple[list[str], dict[str, str]]:
    folder = home / "aichat"
    folder.mkdir(exist_ok=True)
    (folder / "config.yaml").write_text(_AICHAT.format(**given))
    return ["hi"], {"AICHAT_CONFIG_DIR": str(folder)}
