"""What another tool gets to know."""

from __future__ import annotations

from io import StringIO
from typing import Any

from ocx.commands.env import ToolEnvironment, tool_environment
from ocx.config.settings import resolve
from ocx.context import Context
from ocx.secret import Secret
from ocx.terminal import FdWriter, RedactingStderr, Terminal

KEY = Secret("sk-live-Te5tKey0000000000000000000001a2b")
URL = "https://api.example/v1"
WITH_KEY = {"OCX_API_KEY": KEY.reveal()}


def handed_over(flags: dict[str, Any], env: dict[str, str]) -> ToolEnvironment:
    terminal = Terminal(None, FdWriter(None), RedactingStderr(StringIO()), env)
    run = Context(terminal, flags)
    return tool_environment(run, run.settings(model=flags.get("model")))


def test_every_name_that_tools_read() -> None:
    found = handed_over({"base_url": URL}, WITH_KEY)
    assert found.variables == {
        "OPENAI_BASE_URL": URL,
        "OPENAI_API_BASE": URL,
        "OPENAI_API_KEY": KEY.reveal(),
        "OCX_BASE_URL": URL,
        "OCX_API_KEY": KEY.reveal(),
        "OPENCODEX_API_KEY": KEY.reveal(),
    }
    assert found.removed == ("OPENAI_ORG_ID", "OPENAI_PROJECT_ID", "OCX_SANDBOX")


def test_a_model_that_was_chosen() -> None:
    for flags, env in (({"model": "m"}, {}), ({}, {"OCX_MODEL": "m"})):
        found = handed_over(flags, WITH_KEY | env).variables
        assert found["OPENAI_MODEL"] == found["OCX_MODEL"] == "m"
    assert "OPENAI_MODEL" not in handed_over({}, WITH_KEY).variables


def test_flags_for_an_ocx_below() -> None:
    found = handed_over({"timeout": 5.0, "retries": 0}, WITH_KEY).variables
    assert (found["OCX_TIMEOUT"], found["OCX_RETRIES"]) == ("5.0", "0")
    again = resolve({}, found)
    assert (again.timeout, again.retries) == (5.0, 0)


def test_an_endpoint_without_keys_gets_none_of_ours(tmp_path) -> None:  # type: ignore[no-untyped-def]
    config = tmp_path / "config.toml"
    config.write_text(f'[profiles.lan]\nbase_url = "{URL}"\nauth = "none"\n')
    found = handed_over({"profile": "lan"}, {"OCX_CONFIG": str(config)})
    assert found.variables["OPENAI_API_KEY"] == "none"
    assert found.variables["OCX_PROFILE"] == "lan"
    assert not {"OCX_API_KEY", "OPENCODEX_API_KEY"} & found.variables.keys()
    assert {"OCX_API_KEY", "OPENCODEX_API_KEY"} <= set(found.removed)
    assert found.masked() == found.variables
