"""The harness itself: what the other tests rely on without looking."""

from __future__ import annotations

import sys

import pytest

from tests.support.program import Ocx

pytestmark = pytest.mark.unmeasured


def test_the_program_sees_nothing_of_the_callers_environment(
    ocx: Ocx, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A developer's own keys, proxies and CI variables neither help nor break a test."""
    monkeypatch.setenv("OPENCODEX_API_KEY", "sk-live-of-the-developer")
    monkeypatch.setenv("HTTPS_PROXY", "http://127.0.0.1:1")
    monkeypatch.setenv("CI", "1")
    ocx.program = (sys.executable, "-c", "import json, os; print(json.dumps(dict(os.environ)))")
    seen = ocx().has(0).json
    assert not {"OPENCODEX_API_KEY", "HTTPS_PROXY", "CI"} & set(seen)
    assert seen["HOME"].startswith(str(ocx.home))


def test_a_name_can_be_made_not_to_resolve(ocx: Ocx) -> None:
    look = (
        "import json, socket\n"
        "def found(name):\n"
        "    try: return socket.getaddrinfo(name, 1)[0][4][0]\n"
        "    except socket.gaierror: return None\n"
        "print(json.dumps([found('known.test'), found('unknown.test'), found('127.0.0.3')]))"
    )
    ocx.program = (sys.executable, "-c", look)
    seen = ocx(env={"TEST_RESOLVER": "known.test=127.0.0.2"}).has(0)
    assert seen.json == ["127.0.0.2", None, "127.0.0.3"]
