"""The official SDKs for Python and Node against the server: `make test-sdk` installs both.

They are no part of the development extra; without them these tests are skipped, and counted.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from ocx.serve.routing import BUILT_IN
from tests.serve.conftest import Served
from tests.support.program import Ocx

MESSAGES: Any = [{"role": "user", "content": "one two three"}]
TOUR = Path(__file__).with_name("sdk_tour.mjs")


@pytest.fixture
def openai() -> Any:
    return pytest.importorskip("openai", reason="no openai package: make test-sdk installs it")


@pytest.fixture
def client(openai: Any, served: Served) -> Any:
    with openai.OpenAI(base_url=served.url, api_key=served.key.reveal(), max_retries=0) as made:
        yield made


def test_exec_needs_no_other_set_up(openai: Any, served: Served, ocx: Ocx) -> None:
    """`ocx exec -- python -c …`: the SDK finds endpoint and key by itself."""
    ocx.env |= {"OCX_BASE_URL": served.url, "OCX_API_KEY": served.key.reveal()}
    program = (
        "import openai; client = openai.OpenAI()\n"
        f"answer = client.chat.completions.create(model='gpt-4o', messages={MESSAGES!r})\n"
        "print(answer.choices[0].message.content)"
    )
    done = ocx("exec", "--", sys.executable, "-c", program).has(0)
    assert done.text == "one two three\n"


BATCH = """\
{"custom_id": "request-1", "method": "POST", "url": "/v1/chat/completions", "body": {"model": "gpt-4o", "messages": [{"role": "system", "content": "You are a helpful assistant."}, {"role": "user", "content": "Hello world!"}], "max_tokens": 1000}}
{"custom_id": "request-2", "method": "POST", "url": "/v1/chat/completions", "body": {"model": "no-such-model", "messages": [{"role": "user", "content": "Hello world!"}], "max_tokens": 1000}}
"""  # noqa: E501 - a file


def test_the_output_of_a_batch_is_read_by_its_types(openai: Any, served: Served, ocx: Ocx) -> None:
    """OpenAI's documented input file as it is, but for the models; unknown fields are refused."""
    from openai.types.chat import ChatCompletion

    ocx.env |= {"OCX_BASE_URL": served.url, "OCX_API_KEY": served.key.reveal()}
    (ocx.work / "in.jsonl").write_text(BATCH)
    ocx("batch", "in.jsonl", "-o", "out.jsonl", "--ordered").has(7)
    good, bad = map(json.loads, (ocx.work / "out.jsonl").read_text().splitlines())
    answer = ChatCompletion.model_validate(good["response"]["body"], strict=True)
    assert answer.choices[0].message.content == "Hello world!"
    assert good["response"]["status_code"] == 200
    assert good["error"] is None
    error = openai.types.shared.ErrorObject.model_validate(bad["response"]["body"]["error"])
    assert (bad["response"]["status_code"], error.type) == (404, "invalid_request_error")


def test_stream(client: Any) -> None:
    chunks = client.chat.completions.create(
        model="gpt-4o", messages=MESSAGES, stream=True, stream_options={"include_usage": True}
    )
    *spoken, finish, usage = chunks
    assert [chunk.choices[0].delta.content for chunk in spoken] == ["one ", "two ", "three"]
    assert finish.choices[0].finish_reason == "stop"
    assert usage.usage.completion_tokens == 3


SUMS: Any = [{"role": "user", "content": "add(1, 2) add(3, 4)"}]
TOOLS: Any = [
    {
        "type": "function",
        "function": {
            "name": "add",
            "parameters": {"type": "object", "properties": {"a": {}, "b": {}}, "required": []},
        },
    }
]


def test_tools(client: Any) -> None:
    """Ask, run the tool, send its result: the loop of every agent."""
    messages = [*SUMS]
    ask = client.chat.completions.create
    message = ask(model="gpt-4o", messages=messages, tools=TOOLS).choices[0].message
    results = [sum(json.loads(call.function.arguments).values()) for call in message.tool_calls]
    assert results == [3, 7]
    messages.append(message)
    for call, result in zip(message.tool_calls, results, strict=True):
        messages.append({"role": "tool", "tool_call_id": call.id, "content": str(result)})
    answer = ask(model="gpt-4o", messages=messages, tools=TOOLS).choices[0]
    assert (answer.message.content, answer.finish_reason) == ("7", "stop")


def test_tools_in_a_stream(client: Any) -> None:
    with client.chat.completions.stream(model="gpt-4o", messages=SUMS, tools=TOOLS) as stream:
        message = stream.get_final_completion().choices[0].message
    found = [call.function.arguments for call in message.tool_calls]
    assert found == ['{"a":1,"b":2}', '{"a":3,"b":4}']


def test_abort(client: Any, served: Served) -> None:
    chunks = client.chat.completions.create(model="fault/stall:2", messages=MESSAGES, stream=True)
    assert next(chunks).choices[0].delta.content == "one "
    assert next(chunks).choices[0].delta.content == "two "
    chunks.close()
    assert served.wait_for(1)[0].outcome == "client_gone"
    assert served.charges()[0][3] == 2


def test_list_and_retrieve(client: Any) -> None:
    assert [model.id for model in client.models.list()] == [model.id for model in BUILT_IN]
    assert client.models.retrieve("gpt-4").owned_by == "openai"


@pytest.mark.parametrize(
    ("model", "name"),
    [
        ("fault/400", "BadRequestError"),
        ("fault/401", "AuthenticationError"),
        ("fault/402", "APIStatusError"),
        ("fault/429", "RateLimitError"),
        ("fault/500", "InternalServerError"),
        ("no-such-model", "NotFoundError"),
    ],
)
def test_each_error_is_the_sdk_s_own_class(openai: Any, client: Any, model: str, name: str) -> None:
    with pytest.raises(getattr(openai, name)) as raised:
        client.chat.completions.create(model=model, messages=MESSAGES)
    assert type(raised.value).__name__ == name
    assert raised.value.code
    assert raised.value.request_id.startswith("req-")


def test_a_wrong_key(openai: Any, served: Served) -> None:
    with (
        openai.OpenAI(base_url=served.url, api_key="sk-live-local-x", max_retries=0) as client,
        pytest.raises(openai.AuthenticationError, match="malformed"),
    ):
        client.models.list()


def test_its_retries_come_through(openai: Any, served: Served) -> None:
    with openai.OpenAI(base_url=served.url, api_key=served.key.reveal(), max_retries=2) as client:
        answer = client.chat.completions.create(
            model="fault/429,first=2,after=0", messages=MESSAGES
        )
    assert answer.choices[0].message.content == "one two three"
    assert [record.status for record in served.wait_for(3)] == [429, 429, 200]


def test_an_error_in_the_stream(openai: Any, client: Any) -> None:
    chunks = client.chat.completions.create(model="fault/error:1", messages=MESSAGES, stream=True)
    with pytest.raises(openai.APIError, match="failed on demand"):
        list(chunks)


PROMPT = 'it\'s "quoted" $HOME `id` \\ \u2028 🙂'


def snippet_of(ocx: Ocx, served: Served, language: str, *flags: str) -> str:
    """The program that `ocx chat --snippet` prints; no key is in it."""
    given = ("chat", "--base-url", served.url, "-m", "gpt-4o", "--snippet", language)
    program = ocx(*given, *flags, "--", PROMPT, env={"OCX_API_KEY": served.key.reveal()}).has(0)
    assert served.key.reveal() not in program.text
    return program.text


def run_snippet(command: tuple[str, ...], served: Served, folder: Path) -> None:
    """Run a program in `folder`: the key and the prompt arrive, and the answer is printed."""
    env = {
        "PATH": os.environ["PATH"],
        "HOME": str(folder),
        "PYTHONIOENCODING": "utf-8",
        "OPENCODEX_API_KEY": served.key.reveal(),
    }
    run = subprocess.run(command, env=env, cwd=folder, capture_output=True, check=False)
    assert run.returncode == 0, run.stderr.decode()
    # The server repeats the prompt, and answers only its own key.
    assert run.stdout.decode().removesuffix("\n") == PROMPT
    assert [record.status for record in served.wait_for(1)] == [200]


@pytest.mark.parametrize("flag", ["--stream", "--no-stream"])
def test_the_snippet_for_python_runs(
    openai: Any, served: Served, ocx: Ocx, tmp_path: Path, flag: str
) -> None:
    program = tmp_path / "ask.py"
    program.write_text(snippet_of(ocx, served, "openai-python", flag), "utf-8")
    assert "from openai import OpenAI" in program.read_text("utf-8")
    run_snippet((sys.executable, str(program)), served, tmp_path)


@pytest.mark.parametrize("flag", ["--stream", "--no-stream"])
def test_the_snippet_for_node_runs(node_modules: Path, served: Served, ocx: Ocx, flag: str) -> None:
    program = node_modules / "ask.mjs"
    program.write_text(snippet_of(ocx, served, "openai-node", flag), "utf-8")
    run_snippet(("node", str(program)), served, node_modules)


@pytest.fixture
def node_modules(tmp_path: Path) -> Path:
    """A folder whose programs find the modules of the folder that OCX_NODE_MODULES names."""
    modules = Path(os.environ.get("OCX_NODE_MODULES", ""))
    if shutil.which("node") is None or not (modules / "openai").is_dir():
        pytest.skip("no openai for Node: make test-sdk installs it")
    (tmp_path / "node_modules").symlink_to(modules.absolute())
    return tmp_path


def test_the_npm_package(node_modules: Path, served: Served) -> None:
    tour = shutil.copy(TOUR, node_modules)
    env = {
        "PATH": os.environ["PATH"],
        "OPENAI_BASE_URL": served.url,
        "OPENAI_API_KEY": served.key.reveal(),
    }
    run = subprocess.run(["node", str(tour)], env=env, capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stderr
    assert json.loads(run.stdout) == {
        "create": ["one two three", 14],
        "stream": ["one two three", 3],
        "abort": "one two ",
        "list": [model.id for model in BUILT_IN],
        "retrieve": "gpt-4",
        "400": "BadRequestError 400 invalid_parameter",
        "401": "AuthenticationError 401 invalid_api_key",
        "402": "APIError 402 insufficient_credits",
        "429": "RateLimitError 429 rpm_limit_exceeded",
        "500": "InternalServerError 500 internal",
        "404": "NotFoundError 404 model_not_found",
        "key": "AuthenticationError",
        "retries": "one two three",
        "cut": "APIError",
    }
