"""A tape of LiteLLM's proxy plays the same without a network: `make test-compat` runs it."""

from __future__ import annotations

import os
import shlex
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.bench.free_server import free_port, wait_for
from tests.support.program import KEY, Ocx

FOLDER = Path(__file__).parent
LITELLM = os.environ.get("OCX_LITELLM", "")
OFFLINE = ("unshare", "--map-root-user", "--net", "sh", "-c", 'ip link set lo up && exec "$@"', "-")

pytestmark = pytest.mark.skipif(not LITELLM, reason="no LiteLLM: make test-compat installs it")


@pytest.fixture
def litellm(tmp_path: Path) -> Iterator[tuple[str, subprocess.Popen[bytes]]]:
    """The proxy's base URL, and its process."""
    port = free_port()
    env = {
        "PATH": os.environ["PATH"],
        "HOME": str(tmp_path),
        "LITELLM_MASTER_KEY": KEY,
        "LITELLM_LOCAL_MODEL_COST_MAP": "True",
    }
    config = FOLDER / "litellm.yaml"
    command = [str(Path(LITELLM).absolute()), "--config", str(config), "--host", "127.0.0.1"]
    process = subprocess.Popen([*command, "--port", str(port)], env=env)
    try:
        wait_for(port, process)
        yield f"http://127.0.0.1:{port}/v1", process
    finally:
        process.kill()
        process.wait()


def network_can_be_cut() -> bool:
    return subprocess.run([*OFFLINE, "true"], capture_output=True, check=False).returncode == 0


def test_ten_commands_print_the_same_without_a_network(
    ocx: Ocx, litellm: tuple[str, subprocess.Popen[bytes]]
) -> None:
    url, process = litellm
    ocx.profile(base_url=url, model="mock")
    (ocx.work / "pipeline.sh").write_text(
        f'ocx() {{ {shlex.join(ocx.program)} "$@"; }}\n' + (FOLDER / "tape.sh").read_text()
    )
    command = ("--", "sh", "-e", "pipeline.sh")
    first = ocx("serve", "--record", "tape.jsonl", *command, env={"OCX_API_KEY": KEY}).has(0)
    assert first.text.count("Hello from LiteLLM: one, two, three — and ünïcode ✓.\n") == 4
    assert "exit 7\n" in first.text
    assert KEY not in (ocx.work / "tape.jsonl").read_text()
    process.kill()
    process.wait()
    prefix = OFFLINE if network_can_be_cut() else ("env",)
    replay = ocx.spawn("serve", "--replay", "tape.jsonl", *command, prefix=prefix).finish()
    assert replay.has(0).stdout == first.stdout
