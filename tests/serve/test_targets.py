"""Scripts, tapes and serve.toml; a tape that is recorded costs the old one nothing if it fails."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ocx.errors import ConfigError, OcxError
from ocx.secret import Secret
from ocx.serve import routing, settings
from ocx.serve.builtin import Echo, Lorem
from ocx.serve.charge import MICRO
from ocx.serve.routing import BUILT_IN
from ocx.serve.tape import Recording, TapeFile, key_of, load_tape, request_of
from ocx.serve.tape_player import TapePlayer, canonical, to_chunks, to_completion
from tests.serve.conftest import Serve, Served, events, recorded, request, routed

SCRIPT = """
[[rule]]
equals = "ping"
answer = "pong"
reasoning = "easy one"

[[rule]]
contains = "weather"
model = "scripted"
answer = "Sunny. All day."
ttft = 0.001
tps = 10000

[[rule]]
regex = "^[0-9]+$"
echo = true
finish = "length"

[[rule]]
contains = "flaky"
answer = "fine"
fault = "500,first=1"

[[rule]]
contains = "broken"
fault = "cut:1"
answer = "one two"

[[rule]]
contains = "nothing"
answer = ""
"""


@pytest.fixture
def scripted(serve: Serve, tmp_path: Path) -> Served:
    path = tmp_path / "answers.toml"
    path.write_text(SCRIPT)
    return routed(serve, routing.load(path))


def choice(served: Served, text: str, **given: Any) -> Any:
    return served.ask(text, "scripted", **given).json()["choices"][0]


def test_the_first_rule_that_matches_answers(scripted: Served) -> None:
    message = choice(scripted, "ping\n")["message"]
    assert (message["content"], message["reasoning_content"]) == ("pong", "easy one")
    assert choice(scripted, "the weather?")["message"]["content"] == "Sunny. All day."
    assert choice(scripted, "the weather?", stop=" All")["message"]["content"] == "Sunny."
    found = choice(scripted, "123")
    assert (found["message"]["content"], found["finish_reason"]) == ("123", "length")
    assert choice(scripted, "nothing")["message"]["content"] == ""


def test_a_rule_may_fail(scripted: Served) -> None:
    assert scripted.ask("flaky", "scripted").status_code == 500
    assert choice(scripted, "flaky")["message"]["content"] == "fine"


def test_no_rule_is_404(scripted: Served) -> None:
    error = scripted.ask("hm", "scripted").json()["error"]
    assert error["message"] == "no rule of answers.toml matches"
    assert scripted.charges() == []


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("", "rule: must be one or more tables"),
        ("x = 1", ":1: x: unknown setting; there are rule"),
        ("[[rule]]\nanswr = 'x'", ":2: rule[1].answr: unknown setting; did you mean answer?"),
        ("[[rule]]\nanswer = 'x'\n[[rule]]\n", ":3: rule[2]: takes either answer or echo"),
        ("[[rule]]\nanswer = 'x'\necho = true", ":1: rule[1]: takes either"),
        ("[[rule]]\nanswer = 3", ":2: rule[1].answer: must be a string"),
        ("[[rule]]\necho = 'yes'", ":2: rule[1].echo: must be true or false"),
        ("[[rule]]\necho = true\nregex = '('", ":3: rule[1].regex: is not a regular expression"),
        ("[[rule]]\necho = true\nfault = 'cot:1'", ":3: rule[1].fault: there is no fault"),
        ("[[rule]]\necho = true\ntps = 'x'", ":3: rule[1].tps: must be a number"),
        ("[[rule]]\necho = true\nttft = -1", ":3: rule[1].ttft: must be from 0 to 3600"),
        ("[[rule]]\necho = true\nequals = ''", ":3: rule[1].equals: must be a string that is not"),
        ("rule = 3", "rule: must be one or more tables"),
        ("rule = [3]", "rule[1]: must be a table"),
        ("[[rule]", "(at line 1"),
        ("[[rule]]\ncalls = 3", ":2: rule[1].calls: must be an array"),
        ("[[rule]]\ncalls = [3]", "each must be like"),
        ("[[rule]]\ncalls = [{arguments = {}}]", "each must be like"),
        ("[[rule]]\ncalls = [{name = 'f', arguments = 3}]", "each must be like"),
        ("[[rule]]\ncalls = [{name = 'f', args = {}}]", "not args"),
        ("[[rule]]\ncalls = [{name = 'f', arguments = {at = 1970-01-01}}]", "what JSON can hold"),
        ("[[rule]]\necho = true\ncalls = [{name = 'f'}]", "either answer or echo"),
    ],
)
def test_a_wrong_script_is_refused_with_its_line(tmp_path: Path, text: str, complaint: str) -> None:
    path = tmp_path / "s.toml"
    path.write_text(text)
    with pytest.raises(ConfigError) as refused:
        routing.load(path)
    assert complaint in refused.value.message
    assert str(path) in refused.value.message


def test_unreadable_files_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="No such file"):
        routing.load(tmp_path / "none")
    (tmp_path / "b").write_bytes(b"\xff")
    with pytest.raises(ConfigError, match="not UTF-8"):
        routing.load(tmp_path / "b")
    with pytest.raises(ConfigError, match="cannot read the tape"):
        TapePlayer(tmp_path / "b")
    with pytest.raises(ConfigError, match="no tape at"):
        TapePlayer(tmp_path / "none")


def test_a_recording_replays_both_ways(serve: Serve, tmp_path: Path) -> None:
    """Recorded as a stream or whole, asked for as a stream or whole."""
    back = routed(serve, Echo(reasons=True))
    streamed, document = recorded(
        tmp_path / "tape",
        back,
        request("as a\u2028stream", "scripted", stream=True),
        request("whole", "scripted"),
    )
    assert "sk-live" not in (tmp_path / "tape").read_text()

    replay = routed(serve, TapePlayer(tmp_path / "tape"))
    again = replay.ask("as a\u2028stream", "scripted", stream=True, user="other")
    assert again.text == streamed.text
    assert replay.ask("whole", "scripted").content == document.content
    turned = replay.ask("as a\u2028stream", "scripted").json()
    assert turned["choices"][0]["message"]["content"] == "as a\u2028stream"
    assert turned["choices"][0]["message"]["reasoning_content"]
    options = {"include_usage": True}
    chunks = events(replay.ask("whole", "scripted", stream=True, stream_options=options).text)
    assert chunks[0]["choices"][0]["delta"]["content"] == "whole"
    assert chunks[-2]["usage"] == document.json()["usage"]
    assert chunks[-1] == "[DONE]"
    costs = [charge[4] for charge in replay.charges()]
    assert costs == [costs[0], costs[1], costs[0], costs[1]]


def line(body: dict[str, Any], answer: Any, status: int = 200, **more: Any) -> str:
    """A line of a tape; `answer` is its body, as JSON."""
    asked = {"method": "POST", "path": "/chat/completions", "query": "", "body": body}
    headers = {"content-type": "application/json", **more}
    recording = {"key": "", "request": asked, "status": status, "headers": headers}
    return json.dumps({**recording, "pieces": [[0, json.dumps(answer)]]}) + "\n"


def document_of(text: str) -> dict[str, Any]:
    message = {"role": "assistant", "content": text}
    return {"choices": [{"index": 0, "message": message, "finish_reason": "stop"}]}


Play = Callable[..., Served]


@pytest.fixture
def play(serve: Serve, tmp_path: Path) -> Play:
    """Start servers whose model `scripted` is a tape of these lines."""

    def start(*lines: str) -> Served:
        (tmp_path / "tape").write_text("".join(lines))
        return routed(serve, TapePlayer(tmp_path / "tape"))

    return start


def test_equal_requests_replay_in_order_and_from_the_start_again(play: Play) -> None:
    lines = [line(request("q", "scripted"), document_of(text)) for text in ("first", "second")]
    served = play(*lines, "\n")
    said = [choice(served, "q")["message"]["content"] for _ in range(3)]
    assert said == ["first", "second", "first"]


def test_a_refusal_that_was_recorded_is_free(play: Play) -> None:
    refusal = {"error": {"message": "slow down", "type": "rate_limit"}}
    served = play(line(request("q", "scripted"), refusal, 429, **{"retry-after": "7"}))
    reply = served.ask("q", "scripted")
    assert reply.status_code == 429
    assert reply.headers["retry-after"] == "7"
    assert "slow down" in reply.json()["error"]["message"]
    assert served.charges() == []


def test_other_paths_of_a_tape_are_not_played(play: Play) -> None:
    other = json.loads(line(request("q", "scripted"), {"object": "list"}))
    other["request"] = {"method": "GET", "path": "/models", "query": "", "body": None}
    played = line(request("q", "scripted"), document_of("yes"))
    served = play(json.dumps(other) + "\n", played)
    assert choice(served, "q")["message"]["content"] == "yes"


def test_a_miss_names_the_nearest_and_the_difference(play: Play) -> None:
    far = line(request("far", "scripted", temperature=1, top_p=0.5), document_of("a"))
    near = line(request("near", "scripted", temperature=1), document_of("b"))
    served = play(far, near)
    reply = served.ask("near" + "x" * 100, "scripted", temperature=1)
    assert reply.status_code == 404
    error = reply.json()["error"]
    assert error["code"] == "tape_miss"
    assert error["message"] == (
        "no recording in tape; the nearest differs first in messages[0].content:"
        f' "near" was recorded, "near{"x" * 55}… is asked'
    )
    assert served.charges() == []
    empty = play().ask("a", "scripted").json()["error"]
    assert empty["message"] == "tape holds no recording"


@pytest.mark.parametrize(
    "line",
    ["{", "[]", "{}", '{"key":"k","request":{}}', '{"key":"k","request":{},"chunks":3}', "null"],
)
def test_a_wrong_line_is_named(tmp_path: Path, line: str) -> None:
    (tmp_path / "tape").write_text(f"\n{line}\n")
    with pytest.raises(ConfigError, match="tape:2: not a recording"):
        TapePlayer(tmp_path / "tape")


@pytest.mark.parametrize(
    "answer", [None, 3, "text", [], {}, {"choices": 3}, {"choices": [{"message": None}]}]
)
@pytest.mark.parametrize("kind", ["application/json", "text/event-stream"])
def test_an_answer_that_is_none_is_named(tmp_path: Path, answer: Any, kind: str) -> None:
    sound, wrong = (line(request("q", "m"), each) for each in (document_of("a"), answer))
    if kind == "text/event-stream":
        entry = json.loads(line(request("q", "m"), answer, **{"content-type": kind}))
        entry["pieces"] = [[0, f"data: {json.dumps([answer])}\n\n"]]
        wrong = json.dumps(entry)
    (tmp_path / "tape").write_text(sound + wrong)
    with pytest.raises(ConfigError, match="tape: answer 2 is not one to a chat request"):
        TapePlayer(tmp_path / "tape")


CALLS = st.lists(
    st.fixed_dictionaries(
        {
            "id": st.text(min_size=1),
            "type": st.just("function"),
            "function": st.fixed_dictionaries({"name": st.text(), "arguments": st.text()}),
        }
    ),
    max_size=3,
    unique_by=lambda call: call["id"],  # pieces of one id are one call
)


@given(st.none() | st.text(), CALLS, st.sampled_from(["stop", "length"]), st.booleans())
def test_the_chunks_of_an_answer_add_up_to_it(
    content: str | None, calls: list[Any], finish: str, usage: bool
) -> None:
    message: dict[str, Any] = {"role": "assistant", "content": content or ""}
    if calls:
        message |= {"content": content or None, "tool_calls": calls}
    document: dict[str, Any] = {
        "id": "x",
        "created": 1,
        "model": "m",
        "object": "chat.completion",
        "choices": [{"index": 0, "message": message, "finish_reason": finish}],
    }
    if usage:
        document["usage"] = {"prompt_tokens": 1}
    assert to_completion(to_chunks(document)) == document


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=12,
)


@given(st.dictionaries(st.text(), JSON, max_size=4))
def test_a_key_does_not_depend_on_how_the_answer_travels(body: dict[str, Any]) -> None:
    travelling = {"stream": True, "stream_options": {}, "user": "u"}
    one = key_of(canonical({**body, **travelling}))
    plain = {name: value for name, value in body.items() if name not in travelling}
    shuffled = dict(reversed(plain.items()))
    assert one == key_of(canonical(shuffled))


SERVE_TOML = """
port = 9000
database = "mine.sqlite3"
grant = 2.5
rpm = 10
concurrency = 2
send_timeout = 3
request_timeout = 4

[upstreams.ollama]
base_url = "http://localhost:11434/v1"
[upstreams."deep seek"]
base_url = "https://api.deepseek.com"
api_key_env = "DEEPSEEK_KEY"
timeout = 5

[models.llama3]
route = "forward:ollama"
upstream_model = "llama3.2:1b"
prompt_price = 0.1
completion_price = 0
cached_prompt_price = 0.02
[models.talk]
route = "script:answers.toml"
[models.tape]
route = "tape:tape"
[models.gpt-4]
owner = "us"
[models.slow]
route = "lorem:20,tps=5"
[models.down]
route = "fault/503"
"""
ENV = {"DEEPSEEK_KEY": " sk-abc\n"}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "answers.toml").write_text(SCRIPT)
    (tmp_path / "tape").write_text("")
    (tmp_path / "serve.toml").write_text(SERVE_TOML)
    return tmp_path


def test_settings_are_read(folder: Path) -> None:
    found = settings.load(folder / "serve.toml", ENV)
    assert (found.port, found.rpm, found.concurrency, found.send_timeout) == (9000, 10, 2, 3)
    assert found.request_timeout == 4
    assert found.database == folder / "mine.sqlite3"
    assert found.grant == 2.5 * MICRO
    models = found.router.models
    assert list(models)[: len(BUILT_IN)] == [model.id for model in BUILT_IN]
    assert str(models["llama3"].price.prompt) == "0.1"
    assert str(models["llama3"].price.cached_prompt) == "0.02"
    assert models["gpt-4"].owner == "us"
    assert models["gpt-4"].price == BUILT_IN[-1].price
    assert [name for name, model in models.items() if not model.source.is_local] == [
        "llama3",
        "tape",
    ]
    assert (models["slow"].source, models["down"].source.fault) == (Lorem(20, 5), "fault/503")


def test_an_empty_file_means_the_defaults(tmp_path: Path) -> None:
    (tmp_path / "serve.toml").write_text("")
    found = settings.load(tmp_path / "serve.toml", {})
    assert list(found.router.models) == [model.id for model in BUILT_IN]
    assert (found.port, found.grant, found.database) == (8790, 500 * MICRO, None)


def test_the_catalogue_can_be_left_out(folder: Path) -> None:
    (folder / "serve.toml").write_text("catalogue = false\n[models.only]\n")
    assert list(settings.load(folder / "serve.toml", {}).router.models) == ["only"]


def test_routes_of_settings_answer(serve: Serve, folder: Path) -> None:
    found = settings.load(folder / "serve.toml", ENV)
    served = serve(router=found.router)
    assert served.ask("ping", "talk").json()["choices"][0]["message"]["content"] == "pong"
    assert served.ask(model="down").status_code == 503
    assert served.ask(model="gpt-4").status_code == 200


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        ("prt = 1", ":1: prt: unknown setting; did you mean port?"),
        ("port = 70000", ":1: port: must be from 0 to 65535"),
        ("port = 1.5", ":1: port: must be a whole number"),
        ("port = true", ":1: port: must be a number"),
        ("\n\nrpm = 0", ":3: rpm: must be from 1"),
        ("catalogue = 1", ":1: catalogue: must be true or false"),
        ("models = 3", ":1: models: must be a table"),
        ("[models.x]\nroute = 'script:none.toml'", "none.toml: No such file"),
        ("[models.x]\nroute = 'tape:none'", "no tape at"),
        ("[models.x]\nroute = 'forward:nobody'", ":2: models.x.route: there is no [upstreams.nob"),
        ("[models.x]\nroute = 'lorem:x'", ":2: models.x.route: lorem takes a number"),
        ("[models.x]\nroute = 'fault/x'", ":2: models.x.route: there is no fault"),
        ("[models.x]\nroute = 'ecko'", ":2: models.x.route: must be echo, lorem:N"),
        ("[models.x]\nprice = 1", ":2: models.x.price: unknown setting; there are"),
        ("[models.x]\nprompt_price = -1", ":2: models.x.prompt_price: must be from 0"),
        (
            "[models.x]\nprompt_price = 1\ncached_prompt_price = 2",
            ":3: models.x.cached_prompt_price: must be from 0 to 1",
        ),
        ("[models.'fault/x']", ":1: models.fault/x: a model cannot be called like a target"),
        ("[upstreams.u]", ":1: upstreams.u: base_url is required"),
        ("[upstreams.u]\nbase_url = 'ftp://x'", ":2: upstreams.u.base_url:"),
        ("[upstreams.u]\nbase_url = 'https://a:b@x'", ":2: upstreams.u.base_url: the base URL"),
        (
            "[upstreams.u]\nbase_url = 'http://10.0.0.1/v1'\napi_key_env = 'DEEPSEEK_KEY'",
            ":2: upstreams.u.base_url: http:// is refused",
        ),
        (
            "[upstreams.u]\nbase_url = 'https://x'\napi_key_env = 'NONE'",
            ":3: upstreams.u.api_key_env: the environment has no NONE",
        ),
        (
            "[upstreams.u]\nbase_url = 'https://x'\napi_key_env = 'BAD'",
            ":3: upstreams.u.api_key_env: BAD holds what no key can be",
        ),
        ("a = ", "Invalid value"),
    ],
)
def test_a_wrong_setting_is_refused_with_its_line(
    folder: Path, change: str, complaint: str
) -> None:
    path = folder / "serve.toml"
    path.write_text(change)
    with pytest.raises(ConfigError) as refused:
        settings.load(path, {**ENV, "BAD": "a b"})
    assert complaint in refused.value.message


def test_a_key_in_the_file_is_refused_and_not_repeated(folder: Path) -> None:
    text = "[upstreams.u]\nbase_url = 'https://x'\napi_key_env = 'sk-abcdefghijklmnop'"
    (folder / "serve.toml").write_text(text)
    with pytest.raises(ConfigError, match="never a key") as refused:
        settings.load(folder / "serve.toml", {})
    assert "sk-abc" not in str(refused.value)


def test_a_lan_upstream_needs_no_key(folder: Path) -> None:
    text = "[upstreams.u]\nbase_url = 'http://10.0.0.1/v1'\n[models.x]\nroute = 'forward:u'"
    (folder / "serve.toml").write_text(text)
    assert "x" in settings.load(folder / "serve.toml", {}).router.models


@pytest.mark.parametrize("room", [0, 1, 9])
def test_a_full_disk_is_told_and_leaves_whole_lines(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, room: int
) -> None:
    path = tmp_path / "tape"
    path.write_bytes(b"old\n")
    file = TapeFile(path)
    file.append(b"first line\n")
    write, left = os.write, [room, 0]

    def full(fd: int, data: bytes) -> int:
        if not left[0]:
            raise OSError(28, "No space left on device")
        return write(fd, data[: left.pop(0)])

    monkeypatch.setattr(os, "write", full)
    file.append(b"second line\n")
    file.append(b"third line\n")
    with pytest.raises(OcxError, match="No space left") as caught:
        file.complete()
    assert path.read_bytes() == b"old\n"
    kept = tmp_path / "tape.partial"
    assert str(kept) in str(caught.value.hint)
    assert kept.read_bytes() == b"first line\n"


def test_a_tape_whose_partial_was_removed_is_written_all_the_same(tmp_path: Path) -> None:
    file = TapeFile(tmp_path / "tape")
    file.append(b"a line\n")
    (tmp_path / "tape.partial").unlink()
    file.complete()
    assert file.abandon() is None
    assert file.path.read_bytes() == b"a line\n"
    assert file.path.stat().st_mode & 0o777 == 0o600


def test_a_key_that_the_server_repeats_is_masked_in_its_recording(tmp_path: Path) -> None:
    key = Secret("sk-live-0123456789abcdefghij")
    request = request_of("POST", "/chat/completions", "", b"{}")
    pieces = [(1, f"you: {key.reveal()[:9]}".encode()), (2, f"{key.reveal()[9:]} é".encode())]
    tape = load_tape(tmp_path / "tape", adds=True)
    tape.append(Recording(request, 401, {"x-you": key.reveal()}, pieces), [key])
    tape.file.complete()
    (played,) = load_tape(tmp_path / "tape").recordings
    assert played.pieces == [(2, f"you: {key.masked()} é".encode())]
    assert played.headers["x-you"] == key.masked()


def recording(content: str, masks: Sequence[str]) -> str:
    request = request_of("POST", "/chat/completions", "", json.dumps({"x": content}).encode())
    given = {"key": "", "request": request, "masks": masks}
    return json.dumps({**given, "status": 200, "headers": {}, "pieces": [[0, "hi"]]})


@pytest.mark.parametrize(
    ("content", "masks", "asked", "plays"),
    [
        ("use sk-…abcd now", ["sk-…abcd"], "use my-key now", True),
        ("use sk-…abcd now", ["sk-…abcd"], "use my-key", False),
        ("use sk-…abcd now", ["sk-…abcd"], "use two words now", False),
        ("a sk-…1111 b sk-…2222 c", ["sk-…1111", "sk-…2222"], "a one b two c", True),
        ("a sk-…1111 b sk-…1111 c", ["sk-…1111"], "a b b b c", True),
        ("a sk-…1111sk-…2222", ["sk-…1111", "sk-…2222"], "a onetwo", True),
        ('a "sk-…1111"', ["sk-…1111"], 'a "one"', True),
        # Of a tape that somebody made by hand, to stop who plays it:
        ("hello", [""], "hallo", False),
        ("hello", ["e", "1", "…x"], "hallo", False),
        ("…" * 40, ["…"], "a" * 5000 + " x", False),
        ("…a" * 40, ["…"], "a" * 5000 + " x", False),
    ],
)
def test_what_is_masked_matches_any_word(
    tmp_path: Path, content: str, masks: list[str], asked: str, plays: bool
) -> None:
    path = tmp_path / "tape.jsonl"
    path.write_text(recording(content, masks) + "\n", "utf-8")
    found = load_tape(path).find(
        request_of("POST", "/chat/completions", "", json.dumps({"x": asked}).encode())
    )
    assert (found is not None) == plays


def test_what_is_no_plain_file_is_refused(tmp_path: Path) -> None:
    for name in (tmp_path, Path("/dev/null")):
        with pytest.raises(OcxError, match="no plain file"):
            TapeFile(name)
