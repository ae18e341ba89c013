"""`ocx keys`: stored once, shown masked, checked against a real socket, sent nowhere else."""

from __future__ import annotations

import signal
import subprocess
import termios
import tomllib
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import tomli_w

from ocx.errors import (
    AuthError,
    ConfigError,
    CreditsError,
    DeclinedError,
    NetworkError,
    OcxError,
    PartialError,
    ServerError,
    UsageError,
)
from tests.config.called import Call, Caller
from tests.support import answers
from tests.support.chat_server import BALANCE, ChatServer
from tests.support.program import Ocx

OLD = "sk-live-old-abcdefgh01234567"
NEW = "sk-live-new-abcdefgh89abcdef"
MASKED_OLD, MASKED_NEW = "sk-live-…4567", "sk-live-…cdef"
NOBODY = "http://127.0.0.1:1/v1"


@pytest.fixture
def call(tmp_path: Path) -> Caller:
    return Caller(tmp_path)


@pytest.fixture
def profiled(call: Caller, chat_server: ChatServer) -> Caller:
    """The default profile is of `chat_server`."""
    call.write(tomli_w.dumps({"profiles": {"default": {"base_url": chat_server.base_url}}}))
    return call


def add(call: Caller, name: str, key: str = OLD, *words: str) -> Call:
    return call("keys", "add", name, "--no-check", *words, stdin=key.encode()).ok()


def entries(call: Caller) -> dict[str, Any]:
    keys: dict[str, Any] = tomllib.loads(call.credentials.read_text())["keys"]
    return keys


def held(call: Caller) -> dict[str, str]:
    return {name: entry["key"] for name, entry in entries(call).items()}


def config(call: Caller) -> dict[str, Any]:
    return tomllib.loads(call.config.read_text())


def authorizations(server: ChatServer) -> list[str | None]:
    return [request.header("authorization") for request in server.requests]


class TestAdd:
    def test_checked_stored_and_used(self, profiled: Caller, chat_server: ChatServer) -> None:
        left = profiled("keys", "add", "work", stdin=f"  {OLD}\n".encode()).ok()
        assert authorizations(chat_server) == [f"Bearer {OLD}"]
        assert chat_server.requests[0].target.endswith(BALANCE)
        entry = entries(profiled)["work"]
        assert entry["key"] == OLD
        assert entry["base_url"] == chat_server.base_url
        assert timedelta() <= datetime.now(UTC) - entry["created"] < timedelta(days=1)
        assert config(profiled)["profiles"]["default"]["key_name"] == "work"
        assert profiled.credentials.stat().st_mode & 0o777 == 0o600
        assert profiled.folder.stat().st_mode & 0o777 == 0o700
        assert profiled.names("keys") == ["work"]
        assert OLD not in left.stdout + left.stderr
        assert f"key work ({MASKED_OLD}) is stored" in left.stderr
        assert "profile default uses it from now on" in left.stderr

    def test_json(self, profiled: Caller) -> None:
        left = profiled("keys", "add", "work", "--json", "-q", stdin=OLD.encode()).ok()
        assert left.stderr == ""
        document = left.json
        assert document.pop("created").endswith("+00:00")
        assert document == {
            "name": "work",
            "key": MASKED_OLD,
            "age_days": 0,
            "old": False,
            "profiles": ["default"],
            "base_url": config(profiled)["profiles"]["default"]["base_url"],
            "state": "valid",
        }
        unchecked = add(profiled, "two", NEW, "--json").json
        assert (unchecked["state"], unchecked["profiles"]) == (None, [])

    @pytest.mark.parametrize(
        ("answer", "error", "hint"),
        [
            (answers.error(401), AuthError, "copy the key"),
            (answers.error(403), AuthError, "copy the key"),
            (answers.error(500), ServerError, "--no-check"),
            (
                answers.head(302, {"location": "/", "content-length": "0"}),
                ServerError,
                "--no-check",
            ),
        ],
    )
    def test_what_is_refused_is_not_stored(
        self,
        profiled: Caller,
        chat_server: ChatServer,
        answer: bytes,
        error: type[OcxError],
        hint: str,
    ) -> None:
        chat_server.answer(answer, path=BALANCE)
        left = profiled("keys", "add", "work", "--retries", "0", stdin=OLD.encode())
        failure = left.failed(error)
        assert "nothing was changed" in (failure.hint or "")
        assert hint in (failure.hint or "")
        assert not profiled.credentials.exists()
        assert "key_name" not in config(profiled)["profiles"]["default"]

    def test_nobody_there(self, call: Caller) -> None:
        words = ["keys", "add", "work", "--base-url", NOBODY, "--retries", "0"]
        call(*words, stdin=OLD.encode()).failed(NetworkError)
        assert not call.credentials.exists()

    @pytest.mark.parametrize(
        ("answer", "warning"),
        [
            (answers.error(402), "no credits"),
            (answers.answer({"balance": 0}), "no credits"),
            (answers.error(404), "could not check the key: this server has no /balance"),
            (answers.answer("<html>", content_type="text/html"), "could not check the key"),
        ],
    )
    def test_what_is_not_refused_is_stored_with_a_warning(
        self, profiled: Caller, chat_server: ChatServer, answer: bytes, warning: str
    ) -> None:
        chat_server.answer(answer, path=BALANCE)
        left = profiled("keys", "add", "work", stdin=OLD.encode()).ok()
        assert f"ocx: warning: {warning}" in left.stderr
        assert held(profiled) == {"work": OLD}

    def test_a_name_that_is_taken_is_not_overwritten(self, call: Caller) -> None:
        add(call, "work")
        error = call("keys", "add", "work", "--no-check", stdin=NEW.encode()).failed(UsageError)
        assert "ocx keys rotate work" in (error.hint or "")
        assert held(call) == {"work": OLD}

    def test_one_that_is_taken_while_the_key_is_checked(
        self, profiled: Caller, chat_server: ChatServer
    ) -> None:
        def meanwhile(_: object) -> None:
            add(profiled, "work", NEW)

        chat_server.answer([meanwhile, answers.answer({"balance": 1})], path=BALANCE)
        profiled("keys", "add", "work", stdin=OLD.encode()).failed(UsageError)
        assert held(profiled) == {"work": NEW}

    @pytest.mark.parametrize("name", ["a b", "", "../x", "-x", "a" * 65, "$(id)", OLD, "sk-x"])
    def test_names(self, call: Caller, name: str) -> None:
        left = call("keys", "add", "--no-check", "--", name, stdin=OLD.encode())
        error = left.failed(UsageError)
        assert OLD not in left.stderr + error.message + (error.hint or "")
        assert not call.credentials.exists()

    @pytest.mark.parametrize("key", ["", "\n", "sk-live-q q9z", "sk-live-\u00e9", "x" * 513])
    def test_a_malformed_key(self, call: Caller, key: str) -> None:
        left = call("keys", "add", "work", "--no-check", stdin=key.encode())
        error = left.failed(ConfigError)
        for word in key.split():
            assert word not in left.stderr + error.message + (error.hint or "")
        assert not call.credentials.exists()

    def test_a_key_of_another_shape_is_a_warning_for_the_provider(self, call: Caller) -> None:
        left = add(call, "work", "sk-other-0123456789")
        assert "does not start with sk-live-" in left.stderr

    def test_a_local_servers_key_is_for_this_machine(self, call: Caller) -> None:
        local = "sk-live-local-0123456789abcdef"
        call("keys", "add", "a", "--no-check", stdin=local.encode()).failed(ConfigError)
        add(call, "a", local, "--base-url", NOBODY)
        assert held(call) == {"a": local}

    def test_from_a_file(self, call: Caller, tmp_path: Path) -> None:
        path = tmp_path / "key"
        path.write_text(OLD + "\n")
        path.chmod(0o644)
        left = call("keys", "add", "work", "--no-check", "--key-file", str(path)).ok()
        assert "can be read by others" in left.stderr
        call("keys", "add", "two", "--no-check", "--key-file", "-", stdin=NEW.encode()).ok()
        assert held(call) == {"work": OLD, "two": NEW}

    def test_nobody_to_ask(self, call: Caller) -> None:
        error = call("keys", "add", "work", tty=True, CI="1").failed(UsageError)
        assert "ocx keys add work < FILE" in (error.hint or "")

    def test_no_line_typed(self, call: Caller, monkeypatch: pytest.MonkeyPatch) -> None:
        def ctrl_d(_: str) -> str:
            raise EOFError

        monkeypatch.setattr("getpass.getpass", ctrl_d)
        call("keys", "add", "work", tty=True).failed(UsageError)

    def test_not_into_the_sandbox(self, call: Caller) -> None:
        """A real key never goes there, whatever chose it."""
        for words, env in (
            (["--sandbox"], {}),
            (["-P", "sandbox"], {}),
            ([], {"OCX_SANDBOX": "1"}),
        ):
            error = call(*words, "keys", "add", "w", stdin=OLD.encode(), **env).failed(UsageError)
            assert "the sandbox" in error.message

    def test_not_where_no_key_is_sent(self, call: Caller) -> None:
        call.write('[profiles.lan]\nauth = "none"\nbase_url = "http://lan/v1"\n')
        error = call("keys", "add", "w", "-P", "lan", stdin=OLD.encode()).failed(UsageError)
        assert "auth = none" in error.message

    def test_who_uses_it(self, call: Caller) -> None:
        call.write(
            '[profiles.has]\nkey_name = "other"\n[profiles.asks]\napi_key_command = ["x"]\n'
            '[profiles.bare]\nmodel = "m"\n'
        )
        for profile in ("has", "asks"):
            left = add(call, f"for-{profile}", OLD, "-P", profile)
            assert f"ocx keys use for-{profile} -P PROFILE" in left.stderr
        add(call, "elsewhere", OLD, "-P", "bare", "--base-url", NOBODY)
        assert "key_name" not in config(call)["profiles"]["bare"]
        add(call, "here", OLD, "-P", "bare")
        assert config(call)["profiles"]["bare"]["key_name"] == "here"
        call("keys", "add", "x", "-P", "none", stdin=OLD.encode()).failed(ConfigError)

    def test_what_comes_before_it(self, call: Caller) -> None:
        left = call("keys", "add", "w", "--no-check", stdin=OLD.encode(), OCX_API_KEY=NEW).ok()
        assert "OCX_API_KEY is set, and comes first" in left.stderr

    def test_comments_of_the_config_stay(self, call: Caller) -> None:
        call.write("# mine\n")
        add(call, "work")
        assert call.config.read_text().startswith("# mine\n")


class TestList:
    def write(self, call: Caller, **keys: tuple[str, float | None]) -> None:
        now = datetime.now(UTC)
        table: dict[str, dict[str, Any]] = {}
        for name, (key, days) in keys.items():
            table[name] = {"key": key}
            if days is not None:
                table[name]["created"] = now - timedelta(days=days)
        call.folder.mkdir(parents=True, exist_ok=True)
        call.credentials.write_text(tomli_w.dumps({"keys": table}))
        call.credentials.chmod(0o600)

    def test_rows(self, call: Caller) -> None:
        self.write(call, old=(OLD, 90.1), older=(OLD, 91.1), hand=("short", None))
        call.write(
            '[profiles.a]\nkey_name = "old"\n[profiles.b]\nkey_name = "old"\n'
            '[profiles.c]\nkey_name = "hand"\n'
        )
        assert call("keys", "list").ok().rows == [
            ["hand", "…", "", "c", ""],
            ["old", MASKED_OLD, "90", "a,b", ""],
            ["older", MASKED_OLD, "91", "", "over 90 days: rotate"],
        ]
        documents = call("keys", "list", "--json").ok().json
        assert [d["old"] for d in documents] == [False, False, True]
        assert [d["age_days"] for d in documents] == [None, 90, 91]
        assert [d["profiles"] for d in documents] == [["c"], ["a", "b"], []]

    def test_none(self, call: Caller) -> None:
        left = call("keys", "list").ok()
        assert left.stdout == ""
        assert "ocx keys add NAME" in left.stderr
        assert call("keys", "list", "--json").ok().json == []

    def test_unsafe_modes(self, call: Caller) -> None:
        self.write(call, work=(OLD, 1))
        call.credentials.chmod(0o644)
        error = call("keys", "list").failed(ConfigError)
        assert f"chmod 600 {call.credentials}" in (error.hint or "")


def test_show(call: Caller) -> None:
    add(call, "work")
    assert call("keys", "show", "work").ok().stdout == f"{MASKED_OLD}\n"
    assert call("keys", "show", "work", "--reveal").ok().stdout == f"{OLD}\n"
    assert call("keys", "show", "work", "--json").ok().json["key"] == MASKED_OLD
    assert call("keys", "show", "work", "--reveal", "--json").ok().json["key"] == OLD
    error = call("keys", "show", "wrok").failed(AuthError)
    assert error.hint == "did you mean work?"


class TestUse:
    def test_it_is_the_profiles_key(self, call: Caller) -> None:
        call.write('[profiles.work]\nmodel = "m"\n')
        add(call, "a")
        add(call, "b", NEW)
        assert config(call)["profiles"]["default"] == {"key_name": "a"}
        assert "profile default uses the key b now" in call("keys", "use", "b").ok().stderr
        call("keys", "use", "a", "-P", "work").ok()
        profiles = config(call)["profiles"]
        assert profiles["default"] == {"key_name": "b"}
        assert profiles["work"] == {"model": "m", "key_name": "a"}

    def test_refused(self, call: Caller) -> None:
        add(call, "a")
        call("keys", "use", "none").failed(AuthError)
        call("keys", "use", "a", "-P", "none").failed(ConfigError)
        call("keys", "use", "a", "-P", "sandbox").failed(ConfigError)

    def test_what_stands_against_it_is_said(self, call: Caller) -> None:
        call.write(
            '[profiles.p]\nbase_url = "https://x.example/v1"\napi_key_command = ["x"]\n# mine\n'
        )
        add(call, "a")
        left = call("keys", "use", "a", "-P", "p").ok()
        assert "api_key_command comes first" in left.stderr
        assert "not sent to https://x.example/v1" in left.stderr
        assert "https://x.example/v1" in left.stderr
        assert "# mine" in call.config.read_text()
        left = call("keys", "use", "a", OPENCODEX_API_KEY=NEW).ok()
        assert "OPENCODEX_API_KEY is set" in left.stderr


class TestRotate:
    @pytest.fixture
    def old(self, profiled: Caller) -> Caller:
        add(profiled, "work")
        return profiled

    def test_the_new_one_is_checked_and_replaces_the_old(
        self, old: Caller, chat_server: ChatServer
    ) -> None:
        left = old("keys", "rotate", "work", stdin=NEW.encode()).ok()
        assert authorizations(chat_server) == [f"Bearer {NEW}"]
        assert held(old) == {"work": NEW}
        assert f"{MASKED_OLD} works until it is revoked in the dashboard" in left.stderr
        assert OLD not in left.stdout + left.stderr
        assert NEW not in left.stdout + left.stderr
        assert entries(old)["work"]["base_url"] == chat_server.base_url

    def test_json(self, old: Caller) -> None:
        document = old("keys", "rotate", "work", "--json", stdin=NEW.encode()).ok().json
        assert (document["key"], document["state"]) == (MASKED_NEW, "valid")
        assert document["profiles"] == ["default"]

    @pytest.mark.parametrize(
        ("answer", "error"), [(answers.error(401), AuthError), (answers.error(500), ServerError)]
    )
    def test_the_old_one_survives_any_failure(
        self, old: Caller, chat_server: ChatServer, answer: bytes, error: type[OcxError]
    ) -> None:
        before = old.credentials.read_bytes()
        chat_server.answer(answer, path=BALANCE)
        words = ["keys", "rotate", "work", "--retries", "0"]
        old(*words, stdin=NEW.encode()).failed(error)
        old(*words, stdin=b"sk-live-a b").failed(ConfigError)
        old(*words, stdin=b"").failed(ConfigError)
        old(*words, stdin=OLD.encode()).failed(UsageError)
        assert old.credentials.read_bytes() == before

    def test_nor_is_one_lost_that_another_process_stored_meanwhile(
        self, old: Caller, chat_server: ChatServer
    ) -> None:
        def meanwhile(_: object) -> None:
            text = old.credentials.read_text().replace(OLD, "sk-live-other-0123456789")
            old.credentials.write_text(text)

        chat_server.answer([meanwhile, answers.answer({"balance": 1})], path=BALANCE)
        old("keys", "rotate", "work", stdin=NEW.encode()).failed(ConfigError)
        assert held(old) == {"work": "sk-live-other-0123456789"}

    def test_an_unknown_one(self, call: Caller) -> None:
        call("keys", "rotate", "none", stdin=NEW.encode()).failed(AuthError)


class TestCheck:
    @pytest.mark.parametrize(
        ("answer", "state", "error"),
        [
            (answers.answer({"balance": 499.5}), "valid", None),
            (answers.error(401), "invalid", AuthError),
            (answers.error(402), "no credits", CreditsError),
            (answers.answer({"balance": 0}), "no credits", CreditsError),
            (answers.error(404), "could not tell", ServerError),
            (answers.error(500), "failed", ServerError),
        ],
    )
    @pytest.mark.parametrize("words", [["work"], ["--all"], []])
    def test_one(
        self,
        profiled: Caller,
        chat_server: ChatServer,
        words: list[str],
        answer: bytes,
        state: str,
        error: type[OcxError] | None,
    ) -> None:
        add(profiled, "work")
        chat_server.answer(answer, path=BALANCE)
        left = profiled("keys", "check", *words, "--retries", "0")
        assert left.rows[0][:3] == [
            words[0] if words == ["work"] else left.rows[0][0],
            MASKED_OLD,
            state,
        ]
        if error is None:
            left.ok()
        else:
            left.failed(error)
        assert OLD not in left.stdout + left.stderr

    def test_json(self, profiled: Caller, chat_server: ChatServer) -> None:
        add(profiled, "work")
        expected = {
            "name": "work",
            "key": MASKED_OLD,
            "state": "valid",
            "detail": "499.5 credits",
            "balance": 499.5,
            "exit_code": 0,
        }
        assert profiled("keys", "check", "work", "--json").ok().json == expected
        assert profiled("keys", "check", "--all", "--json").ok().json == [expected]
        chat_server.answer(answers.error(404), path=BALANCE)
        unknown = profiled("keys", "check", "work", "--json").json
        assert (unknown["balance"], unknown["exit_code"]) == (None, 8)

    def test_mixed(self, profiled: Caller, chat_server: ChatServer) -> None:
        for name in ("a", "b", "c"):
            add(profiled, name)
        chat_server.answer(
            answers.answer({"balance": 1}),
            answers.error(401),
            answers.answer({"balance": 0}),
            path=BALANCE,
        )
        left = profiled("keys", "check", "--all")
        assert [row[2] for row in left.rows] == ["valid", "invalid", "no credits"]
        assert "2 of 3" in left.failed(PartialError).message

    def test_failures_that_differ_are_mixed_as_well(
        self, profiled: Caller, chat_server: ChatServer
    ) -> None:
        for name in ("a", "b"):
            add(profiled, name)
        chat_server.answer(answers.error(401), answers.error(402), path=BALANCE)
        profiled("keys", "check", "--all").failed(PartialError)
        chat_server.answer(answers.error(401), path=BALANCE)
        profiled("keys", "check", "--all").failed(AuthError)

    def test_none(self, call: Caller) -> None:
        call("keys", "check", "--all").failed(AuthError)
        call("keys", "check").failed(AuthError)
        call("keys", "check", "none").failed(AuthError)
        call("keys", "check", "--all", "none").failed(UsageError)

    def test_the_one_in_force(self, profiled: Caller, chat_server: ChatServer) -> None:
        left = profiled("keys", "check", OCX_API_KEY="odd-0123456789abcdef01").ok()
        assert left.rows[0][:2] == ["environment OCX_API_KEY", "…ef01"]
        assert authorizations(chat_server) == ["Bearer odd-0123456789abcdef01"]

    def test_a_warning_about_it(self, call: Caller, tmp_path: Path) -> None:
        (tmp_path / "key").write_text(OLD)
        (tmp_path / "key").chmod(0o644)
        words = ["--base-url", NOBODY, "--key-file", str(tmp_path / "key"), "--retries", "0"]
        left = call("keys", "check", *words)
        assert "can be read by others" in left.stderr
        left.failed(NetworkError)

    def test_the_sandbox_has_one_of_its_own(self, ocx: Ocx) -> None:
        run = ocx("--sandbox", "keys", "check").has(0)
        assert run.text.split("\t")[::2] == ["sandbox", "valid"]
        ocx.write_credentials(work=OLD)
        ocx("--sandbox", "keys", "check", "work").has(2)

    def test_where_no_key_is_sent(self, call: Caller) -> None:
        call.write('default_profile = "lan"\n[profiles.lan]\nauth = "none"\n')
        call("keys", "check").failed(UsageError)

    def test_debug_shows_the_request_and_not_the_key(self, profiled: Caller) -> None:
        add(profiled, "work", "shapeless-key-without-prefix")
        left = profiled("keys", "check", "work", "--debug").ok()
        assert BALANCE in left.stderr
        assert "shapeless" not in left.stderr
        assert profiled("keys", "check", "work", "-q").ok().stderr == ""


class TestWhereAStoredKeyGoes:
    """Only to the origin of a profile that uses it, or else to where it was added."""

    @pytest.fixture
    def servers(self, chat_servers: Callable[..., ChatServer]) -> tuple[ChatServer, ChatServer]:
        return chat_servers(), chat_servers()

    @pytest.fixture
    def two(self, call: Caller, servers: tuple[ChatServer, ChatServer]) -> Caller:
        """`mine` is used by the profile of the first server, `other` by that of the second."""
        mine, other = servers
        profiles = {
            "default": {"base_url": mine.base_url, "headers": {"X-Mine": "1"}},
            "other": {"base_url": other.base_url},
        }
        call.write(tomli_w.dumps({"profiles": profiles}))
        add(call, "mine")
        add(call, "other", NEW, "-P", "other")
        return call

    def test_each_goes_to_its_own(
        self, two: Caller, servers: tuple[ChatServer, ChatServer]
    ) -> None:
        two("keys", "check", "--all").ok()
        two("keys", "check", "mine").ok()
        two("keys", "check", "other").ok()
        mine, other = servers
        assert set(authorizations(mine)) == {f"Bearer {OLD}"}
        assert set(authorizations(other)) == {f"Bearer {NEW}"}
        assert b"X-Mine" not in other.received()

    @pytest.mark.parametrize("command", ["check", "rotate"])
    @pytest.mark.parametrize("by", ["flag", "variable", "profile"])
    def test_and_nowhere_else(
        self, two: Caller, servers: tuple[ChatServer, ChatServer], command: str, by: str
    ) -> None:
        mine, other = servers
        words = {"flag": ["--base-url", other.base_url], "profile": ["-P", "other"]}.get(by, [])
        env = {"OCX_BASE_URL": other.base_url} if by == "variable" else {}
        third = "sk-live-third-0123456789abcdef"
        left = two("keys", command, "mine", *words, stdin=third.encode(), **env)
        reason = "other does not use" if by == "profile" else f"goes only to {mine.base_url}"
        assert reason in left.failed(ConfigError).message
        assert other.requests == []

    def test_one_that_no_profile_uses_goes_back_to_where_it_was_added(
        self, two: Caller, servers: tuple[ChatServer, ChatServer]
    ) -> None:
        two("config", "unset", "key_name", "-P", "other").ok()
        two("keys", "check", "other").ok()
        mine, other = servers
        assert authorizations(other) == [f"Bearer {NEW}"]
        assert mine.requests == []
        assert b"x-mine" not in other.received().lower()

    def test_one_written_by_hand_goes_to_the_profile_in_force(
        self, two: Caller, servers: tuple[ChatServer, ChatServer]
    ) -> None:
        two("config", "unset", "key_name", "-P", "other").ok()
        two.credentials.write_text(f'[keys.hand]\nkey = "{OLD}"\n')
        two("keys", "check", "hand").ok()
        two("keys", "check", "hand", "-P", "other").ok()
        assert [len(server.requests) for server in servers] == [1, 1]

    def test_one_that_cannot_be_asked_about_does_not_hide_the_others(self, two: Caller) -> None:
        two("config", "set", "auth", "none", "-P", "other").ok()
        left = two("keys", "check", "--all")
        assert [row[2] for row in left.rows] == ["valid", "failed"]
        left.failed(PartialError)


class TestRm:
    def test_asked_first(self, call: Caller) -> None:
        add(call, "work")
        assert "--yes" in (call("keys", "rm", "work").failed(UsageError).hint or "")
        left = call("keys", "rm", "work", stdin=b"\n", tty=True)
        assert "Used by: default." in left.stderr
        left.failed(DeclinedError)
        assert held(call) == {"work": OLD}
        left = call("keys", "rm", "work", "--yes").ok()
        assert "works until it is revoked" in left.stderr.replace("still ", "")
        assert "ocx keys use NAME -P default" in left.stderr
        assert entries(call) == {}
        assert call.names("keys") == []
        assert OLD not in call.credentials.read_text()

    def test_unused_and_unknown(self, call: Caller) -> None:
        call.write('[profiles.default]\nkey_name = "other"\n')
        add(call, "work")
        assert "Used by" not in call("keys", "rm", "work", stdin=b"y\n", tty=True).ok().stderr
        call("keys", "rm", "work", "-y").failed(AuthError)


def test_two_processes_that_add_at_once_lose_neither(ocx: Ocx) -> None:
    names = [f"key{i}" for i in range(6)]
    running = [
        ocx.spawn("keys", "add", name, "--no-check", stdin=subprocess.PIPE) for name in names
    ]
    for process in running:  # all of them wait for their key before any gets one
        assert process.popen.poll() is None
    for process in running:
        process.send(OLD)
        process.end_input()
    for process in running:
        process.finish().has(0)
    assert [row.split("\t")[0] for row in ocx("keys", "list").has(0).text.splitlines()] == names
    assert (ocx.cache / "names" / "keys.txt").read_text().split() == names


def test_a_key_typed_on_a_terminal_is_not_shown(ocx: Ocx) -> None:
    process = ocx.in_terminal("keys", "add", "work", "--no-check")
    assert process.stdout is not None
    process.stdout.until(b"Key for work (not shown): ")
    process.send(OLD + "\n")
    run = process.finish().has(0)
    assert OLD.encode() not in run.stdout
    assert MASKED_OLD in run.text
    assert ocx("keys", "show", "work", "--reveal").has(0).text == f"{OLD}\n"


def test_ctrl_c_at_the_prompt_stores_nothing_and_gives_the_terminal_back(ocx: Ocx) -> None:
    process = ocx.in_terminal("keys", "add", "work", "--no-check")
    assert process.stdout is not None
    assert process.terminal is not None
    process.stdout.until(b"not shown): ")
    process.send(b"\x03")
    assert process.wait() == -signal.SIGINT
    assert termios.tcgetattr(process.terminal)[3] & termios.ECHO
    assert not (ocx.config / "credentials.toml").exists()


def test_a_key_on_the_command_line_is_refused_unechoed(ocx: Ocx) -> None:
    for words in (
        ["keys", "add", OLD],
        ["config", "set", "key_name", OLD],
        ["keys", "add", "work", "--key", OLD],
    ):
        run = ocx(*words).has(2)
        assert OLD not in run.stderr + run.text
        assert "ocx keys add" in run.stderr
    assert not ocx.config.exists()


def test_the_whole_life_of_a_key(ocx: Ocx, chat_server: ChatServer) -> None:
    """Through the real program: added, used, rotated, removed."""
    ocx.profile(base_url=chat_server.base_url)
    ocx("keys", "add", "work", input=OLD).has(0)
    ocx("chat", "hi").has(0)
    ocx("keys", "rotate", "work", input=NEW).has(0)
    ocx("chat", "hi").has(0)
    ocx("keys", "rm", "work", "-y").has(0)
    ocx("chat", "hi").has(4)
    sent = [header.rpartition(" ")[2] for header in authorizations(chat_server) if header]
    assert sent == [OLD, OLD, NEW, NEW]
