"""What else a machine may lack: temporary files, packages, a clipboard, parts of Python."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest

from ocx.api import network_errors, proxy
from tests.docs.test_help import a_man
from tests.e2e.test_session import begin
from tests.portable.test_locks import NO_LOCKS
from tests.portable.test_mounts import mounted
from tests.support.program import CHILD, Ocx
from tests.support.row_server import RowServer
from tests.support.sabotage import without

NO_TEMPORARY = """
import tempfile
def none(*_, **__):
    raise FileNotFoundError(2, "No usable temporary directory found in ['/tmp']")
tempfile.gettempdir = tempfile.TemporaryFile = tempfile.mkdtemp = tempfile.mkstemp = none
"""


def test_help_without_temporary_files_is_plain(ocx: Ocx, tmp_path: Path) -> None:
    path = a_man(tmp_path / "bin", "exit 3")
    without(ocx, NO_TEMPORARY)
    shown = ocx.in_terminal("help", "chat", env={"PATH": path}).finish()
    assert b"ocx-chat - ask a model" in shown.has(0).stdout


def test_dedup_without_temporary_files_names_the_variable(ocx: Ocx, rows: RowServer) -> None:
    (ocx.work / "in.jsonl").write_text('{"prompt": "a"}\n')
    run = without(ocx, NO_TEMPORARY)("batch", "in.jsonl", "-m", "m", "--dedup").has(1)
    assert "no temporary file for --dedup" in run.stderr
    assert "TMPDIR" in run.stderr
    assert not rows.asked


def test_a_python_without_thresholds(ocx: Ocx) -> None:
    """PyPy's gc has none."""
    without(ocx, "import gc\ndel gc.set_threshold\n")
    assert ocx("--sandbox", "chat", "hi").has(0).text == "hi\n"


def test_only_a_schema_needs_jsonschema(ocx: Ocx) -> None:
    without(ocx, "import sys\nsys.modules['jsonschema'] = None\n")
    assert ocx("--sandbox", "chat", "hi").has(0).text == "hi\n"
    run = ocx("--sandbox", "chat", "--schema", "name", "hi").has(2)
    assert "JSON Schemas need the package jsonschema" in run.stderr


@pytest.mark.parametrize(
    ("names", "env", "used"),
    [
        (("pbcopy", "clip.exe"), {}, "pbcopy"),
        (("wl-copy", "xclip"), {"WAYLAND_DISPLAY": "w", "DISPLAY": ":0"}, "wl-copy"),
        (("wl-copy", "xclip"), {"DISPLAY": ":0"}, "xclip"),
        (("clip.exe",), {}, "clip.exe"),
        (("pbcopy",), {"SSH_CONNECTION": "a 1 b 2"}, None),
        (("xclip",), {}, None),
    ],
)
def test_a_clipboard_of_the_machine(
    online: Ocx, tmp_path: Path, names: tuple[str, ...], env: dict[str, str], used: str | None
) -> None:
    """Terminal of macOS, among others, knows no OSC 52."""
    folder = tmp_path / "bin"
    folder.mkdir()
    for name in names:
        (folder / name).write_text(f"#!/bin/sh\ncat > '{tmp_path}/copied-{name}'\n")
        (folder / name).chmod(0o755)
    online.env |= {"PATH": f"{folder}:/usr/bin:/bin", **env}
    talk = begin(online, "-n")
    talk.say("one", "Hello!")
    talk.say("/copy", "sent 6 characters")
    assert "\x1b]52;c;" in talk.leave()
    found = [path.name.removeprefix("copied-") for path in tmp_path.glob("copied-*")]
    assert found == ([used] if used else [])
    if used:
        encoding = "utf-16" if used == "clip.exe" else "utf-8"
        assert (tmp_path / f"copied-{used}").read_bytes().decode(encoding) == "Hello!"


@pytest.mark.parametrize("exempt", [True, False])
def test_the_exceptions_of_the_system(exempt: bool) -> None:
    environment = {"https": "http://proxy:3128"}
    found = proxy.choose("https://host/v1", None, environment, lambda _: exempt)
    assert found == (None if exempt else "http://proxy:3128")
    assert proxy.choose("https://host/v1", "http://own:1", environment, lambda _: exempt)


def test_the_system_is_asked_on_a_mac_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("urllib.request.proxy_bypass", lambda host: host == "inside")
    monkeypatch.setattr("urllib.request.getproxies_environment", dict)
    assert not proxy.exempted_by_system("inside")
    monkeypatch.setattr(proxy, "_PLATFORM", "darwin")
    assert proxy.exempted_by_system("inside")
    assert not proxy.exempted_by_system("outside")
    monkeypatch.setattr("urllib.request.getproxies_environment", lambda: {"https": "x"})
    assert not proxy.exempted_by_system("inside")


@pytest.mark.parametrize(("platform", "phase"), [("linux", None), ("darwin", "connect")])
def test_a_mac_that_is_offline_knows_no_name(
    monkeypatch: pytest.MonkeyPatch, platform: str, phase: str | None
) -> None:
    monkeypatch.setattr(network_errors, "_PLATFORM", platform)
    error = socket.gaierror(socket.EAI_NONAME, "nodename nor servname provided, or not known")
    assert network_errors.unconnected(error, "host", None).phase == phase


def doctor(ocx: Ocx) -> str:
    run = ocx("--sandbox", "doctor", "--json").has(0)
    check = next(each for each in run.json["checks"] if each["name"] == "system")
    return f"{check['state']}: {check['detail']} -> {check['hint']}"


def test_doctor_names_what_it_sees(ocx: Ocx) -> None:
    for folder in (ocx.config, ocx.state):
        folder.mkdir(parents=True)
    assert doctor(ocx).startswith("ok: ")
    assert "no locks in" in doctor(without(ocx, NO_LOCKS.format(name="ENOLCK")))
    assert "TMPDIR names one" in doctor(without(ocx, NO_TEMPORARY))
    assert "no modes in" in doctor(mounted(ocx, None, 0o777))
    limit = "import resource\nresource.setrlimit(resource.RLIMIT_NOFILE, (256, 256))\n"
    assert "only 256 descriptors" in doctor(without(ocx, limit))
    libedit = Path(__file__).with_name("libedit")
    ocx.env["PYTHONPATH"] = f"{libedit}:{CHILD}"
    assert "libedit" in doctor(without(ocx, ""))
    for path in (ocx.config, ocx.state):
        assert not list(path.glob("*doctor*"))


def test_doctor_where_a_folder_of_the_path_cannot_be_searched(ocx: Ocx) -> None:
    """As the system answers; root may search every folder."""
    without(
        ocx,
        "import os\nreal = os.stat\n"
        "def stat(path, *rest, **named):\n"
        "    if '/closed/' in os.fspath(path) if not isinstance(path, int) else False:\n"
        "        raise PermissionError(13, 'Permission denied', path)\n"
        "    return real(path, *rest, **named)\n"
        "os.stat = stat\nos.access = lambda path, *rest: '/closed/' not in str(path)\n",
    )
    ocx.env["PATH"] = f"/closed/bin:{ocx.env['PATH']}"
    assert ocx("--sandbox", "doctor").status == 0
