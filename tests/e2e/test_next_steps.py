"""What an error, a question or an empty list says: the next step, in words of the case."""

from __future__ import annotations

import pytest

from tests.support import answers
from tests.support.chat_server import BALANCE, CHAT, MODELS, ChatServer
from tests.support.program import KEY, Ocx

NOWHERE = "http://127.0.0.1:9/v1"


def hint(ocx: Ocx, *words: str, status: int) -> str:
    lines = ocx(*words).has(status).stderr.splitlines()
    (found,) = (line for line in lines if line.startswith("hint: "))
    return found.removeprefix("hint: ")


@pytest.fixture
def keyless(ocx: Ocx, chat_server: ChatServer) -> Ocx:
    """A profile `local` whose server takes no key."""
    ocx("config", "set", "-P", "local", "base_url", chat_server.base_url).has(0)
    ocx("config", "set", "-P", "local", "auth", "none").has(0)
    return ocx


def test_a_server_that_wants_a_key_that_is_not_sent(keyless: Ocx, chat_server: ChatServer) -> None:
    chat_server.answer(answers.error(401), path=CHAT)
    said = hint(keyless, "-P", "local", "chat", "hi", status=4)
    assert said.startswith("no key was sent: profile local has auth = none")
    assert "ocx -P local config unset auth" in said


def test_a_key_that_is_refused_and_is_not_a_stored_one(
    online: Ocx, chat_server: ChatServer
) -> None:
    """`ocx keys check` knows stored keys alone."""
    chat_server.answer(answers.error(401), path=CHAT)
    said = hint(online, "chat", "hi", status=4)
    assert said == "the key is that of OCX_API_KEY: set another, or unset it to use a stored one"
    file = online.work / "key"
    file.write_text("sk-live-Te5tKey0000000000000000000009z8y")
    file.chmod(0o600)
    said = hint(online, "--key-file", str(file), "chat", "hi", status=4)
    assert said == "the key came from --key-file: is it the right one?"


def test_a_key_of_a_variable_that_is_refused_in_a_session_and_by_doctor(
    online: Ocx, chat_server: ChatServer
) -> None:
    for path in (CHAT, MODELS, BALANCE):
        chat_server.answer(answers.error(401), path=path)
    session = online.in_terminal("chat")
    session.stdout.until(b"> ")
    session.send("hi\n")
    session.stdout.until(b"the key is that of OCX_API_KEY")
    session.stdout.until_count(b"> ", 2)
    session.send("\x04")
    session.finish().has(0)
    assert "-> the key is that of OCX_API_KEY" in online("doctor").has(4).text


@pytest.mark.parametrize("status", [404, 405])
def test_an_endpoint_without_a_balance(keyless: Ocx, chat_server: ChatServer, status: int) -> None:
    chat_server.answer(answers.error(status), path=BALANCE)
    failed = keyless("-P", "local", "balance").has(7).stderr
    assert f"this endpoint has no balance (HTTP {status}" in failed
    assert "ocx models" not in failed


@pytest.mark.parametrize("words", [("chat", "hi"), ("models",), ("balance",)])
def test_a_server_that_is_not_running(keyless: Ocx, words: tuple[str, ...]) -> None:
    keyless("config", "set", "-P", "local", "base_url", NOWHERE).has(0)
    said = hint(keyless, "-P", "local", "--retries", "0", *words, status=9)
    assert said == "is the server running? `ocx -P local doctor` tells more"


def test_the_profile_of_the_call_goes_into_the_hint(keyless: Ocx, chat_server: ChatServer) -> None:
    chat_server.answer(answers.error(404), path=CHAT)
    said = hint(keyless, "-P", "local", "chat", "hi", status=7)
    assert "`ocx -P local config get base_url` shows it, `ocx -P local doctor` tries it" in said


def test_a_stored_key_that_is_refused_is_rotated(ocx: Ocx, chat_server: ChatServer) -> None:
    ocx.profile(base_url=chat_server.base_url, key_name="main")
    ocx.write_credentials(main=KEY)
    chat_server.answer(answers.error(401), path=CHAT)
    said = hint(ocx, "chat", "hi", status=4)
    assert said == "`ocx keys rotate main` stores another in its place"


def test_an_url_of_the_call_goes_into_the_hint(online: Ocx) -> None:
    said = hint(online, "--base-url", NOWHERE, "--retries", "0", "models", status=9)
    assert said == f"is the server running? `ocx --base-url {NOWHERE} doctor` tells more"


def test_the_sandbox_says_what_it_does(ocx: Ocx) -> None:
    said = ocx.in_terminal("--sandbox", "chat", "hi").finish().has(0).text
    assert "the built-in server repeats your prompt and charges play credits" in " ".join(
        said.split()
    )


def test_nothing_is_told_once(online: Ocx) -> None:
    assert online("history", "rm", "3", "-y").has(0).stderr == "ocx: no call is kept yet\n"
    online("chat", "--log", "hi").has(0)
    for words in (("rm", "99", "-y"), ("search", "zebra"), ("list", "-m", "zebra")):
        assert online("history", *words).has(0).stderr == "ocx: nothing matches\n"
    said = online("config", "templates", "list").has(0).stderr
    assert "there are no templates yet" in said


def test_no_is_no_error(ocx: Ocx) -> None:
    ocx.write_credentials(main="sk-live-Te5tKey0000000000000000000000a1b2")
    said = ocx("keys", "rm", "main").has(2).stderr
    assert said.startswith(
        "ocx: error: this would remove the key main, and there is no terminal to ask on"
    )
    assert said.endswith("hint: add --yes\n")
    asked = ocx.in_terminal("keys", "rm", "main")
    assert asked.stdout is not None
    asked.stdout.until(b"[y/N] ")
    asked.send(b"n\r")
    text = asked.finish().has(2).text
    assert "ocx: nothing changed" in text
    assert "error" not in text


def test_a_new_account_is_told_its_credits(ocx: Ocx) -> None:
    keys = ("--sandbox", "serve", "keys", "add")
    said = ocx(*keys, "one", "--account", "bob").has(0).stderr
    assert "a new account bob with 500 credits (--grant N gives it N)" in said
    assert "account" not in ocx(*keys, "two", "--account", "bob").has(0).stderr
    assert "eve with 0 credits" in ocx(*keys, "x", "--account", "eve", "--grant", "0").has(0).stderr
    assert "there already" in ocx(*keys, "y", "--account", "eve", "--grant", "5").has(2).stderr
    for wrong in ("-1", "x", "0.0000001"):
        ocx(*keys, "z", "--account", "max", "--grant", wrong).has(2)
    rows = [
        line.split("\t") for line in ocx("--sandbox", "serve", "ledger").has(0).text.splitlines()
    ]
    assert [(row[2], row[4]) for row in rows] == [("bob", "500")]


def test_amounts_of_the_ledger_are_plain_decimals(ocx: Ocx) -> None:
    ocx("--sandbox", "chat", "hi").has(0)
    text = ocx("--sandbox", "serve", "ledger").has(0).text
    assert "e-" not in text
    assert "\t-0.00" in text
    shown = ocx.in_terminal("--sandbox", "serve", "ledger").finish().has(0).text
    assert "e-" not in shown
    assert "500.0000" in shown, "as many decimals in each row"


def test_the_first_key_is_called_main(ocx: Ocx, chat_server: ChatServer) -> None:
    key = b"sk-live-Te5tKey0000000000000000000000a1b2"
    said = ocx("--base-url", chat_server.base_url, "keys", "add", "--no-check", input=key).has(0)
    assert "key main (" in said.stderr


def test_the_environment_fits_on_a_screen(ocx: Ocx) -> None:
    lines = ocx("help", "environment").has(0).text.splitlines()
    assert max(map(len, lines)) <= 80


def test_a_batch_says_the_same(keyless: Ocx) -> None:
    keyless("config", "set", "-P", "local", "base_url", NOWHERE).has(0)
    (keyless.work / "rows.txt").write_text("one\ntwo\nthree\nfour\n")
    said = keyless("-P", "local", "batch", "rows.txt", "--text", "--max-outage", "1").stderr
    assert "is the server running? `ocx -P local doctor`" in said, said


def test_what_turns_an_option_off_stands_apart(ocx: Ocx) -> None:
    text = ocx("help", "chat").has(0).text
    assert "    --log\n        Keep the call in the history" in text
    assert "    -n, --no-log\n        Turns `--log` off." in text
