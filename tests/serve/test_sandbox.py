"""The sandbox: a server for one command, a ledger for all of them."""

from __future__ import annotations

import signal
import subprocess
import threading
from pathlib import Path

import httpx
import pytest

from ocx.serve.launch import sandbox
from tests.support.program import KEY, Ocx
from tests.support.sizes import size

pytestmark = pytest.mark.unmeasured


def spent(ocx: Ocx) -> tuple[int, dict[str, int]]:
    """(charges, outcomes), where the ledger is sound and nothing is held."""
    found = ocx("serve", "check", "--sandbox", "--json").has(0).json
    assert found["held"] == 0
    return sum(found["charges"].values()), found["outcomes"]


def get(url: str, key: str) -> httpx.Response:
    headers = {"authorization": f"Bearer {key}"}
    return httpx.get(f"{url}/balance", headers=headers, trust_env=False)


def test_it_runs_while_the_block_does(tmp_path: Path) -> None:
    with sandbox(tmp_path / "db") as (url, key):
        assert get(url, key.reveal()).json()["balance"] == 500
        assert key.reveal().startswith("sk-live-local-")
    with pytest.raises(httpx.ConnectError):
        get(url, key.reveal())
    assert not any(thread.name == "ocx-serve" for thread in threading.enumerate())
    for name in tmp_path.iterdir():
        assert key.reveal().encode() not in name.read_bytes()


def test_each_has_a_key_of_its_own(tmp_path: Path) -> None:
    with sandbox(tmp_path / "db") as (_, old):
        pass
    with sandbox(tmp_path / "db") as (url, _):
        assert get(url, old.reveal()).status_code == 401
        assert get(url, KEY).status_code == 401


def test_refilled_by_grant_and_reset(ocx: Ocx) -> None:
    ocx("--sandbox", "chat", "hi").has(0)
    ocx("serve", "grant", "--sandbox", "1.5").has(0)
    balance = ocx("--sandbox", "balance", "--json").has(0).json["balance"]
    assert 501 < balance < 501.5
    ocx("serve", "reset", "--sandbox", "-y").has(0)
    assert ocx("--sandbox", "balance", "--json").has(0).json["balance"] == 500


@pytest.mark.slow
def test_twenty_at_once_share_the_ledger(ocx: Ocx) -> None:
    """The first of them all make the database together."""
    count = size(20, 4)
    # A file each: on one pipe the pieces of streams would mix.
    shell = f"seq {count} | xargs -P {count} -I N {command(ocx)} chat -o N.txt 'say N'"
    subprocess.run(["sh", "-c", shell], env=ocx.env, cwd=ocx.work, capture_output=True, check=True)
    said = {name.stem: name.read_text() for name in ocx.work.glob("*.txt")}
    assert said == {str(at): f"say {at}\n" for at in range(1, count + 1)}
    assert spent(ocx) == (count, {"finished": count})


def command(ocx: Ocx) -> str:
    return " ".join([*ocx.forked().program, "--sandbox"])


def test_ctrl_c_pays_for_what_came(ocx: Ocx) -> None:
    process = ocx.spawn("--sandbox", "chat", "-m", "fault/stall:2", "a b c")
    process.stdout.until(b"a b ")
    process.signal(signal.SIGINT)
    assert process.wait() == -signal.SIGINT
    count, outcomes = spent(ocx)
    assert count == 1
    assert set(outcomes) <= {"client_gone", "shutdown"}


@pytest.mark.parametrize("model", ["script:/etc/passwd", "tape:/etc/passwd", "forward:http://x"])
def test_it_can_be_talked_into_no_file_and_no_host(ocx: Ocx, model: str) -> None:
    """A serve.toml in the config folder is not read either."""
    ocx.config.mkdir(parents=True)
    (ocx.config / "serve.toml").write_text("nonsense = 1\n")
    ocx("--sandbox", "chat", "-m", model, "hi").has(7)
