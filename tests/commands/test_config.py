"""`ocx config`: what is shown, written and refused; and editing, which loses nothing."""

from __future__ import annotations

import errno
import signal
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest

from ocx.config.schema import SETTINGS
from ocx.errors import ConfigError, DeclinedError, OcxError, UsageError
from ocx.process import editor
from tests.config.called import Caller
from tests.support.program import Ocx

KEY = "sk-live-abcdefgh0123456789"


@pytest.fixture
def call(tmp_path: Path) -> Caller:
    return Caller(tmp_path)


def stored(call: Caller) -> dict[str, Any]:
    return tomllib.loads(call.config.read_text())


class TestShow:
    def test_values_and_sources(self, call: Caller) -> None:
        call.write('[profiles.work]\nmodel = "m"\nstop = ["a", "b"]\n[aliases]\nm = "real"\n')
        rows = call("config", "show", "-P", "work", "--timeout", "2.5", OCX_RETRIES="4").ok().rows
        shown = {name: (value, source) for name, value, source in rows}
        assert shown["profile"] == ("work", "flag")
        assert shown["model"] == ("real", "profile work")
        assert shown["stop"] == ('["a","b"]', "profile work")
        assert shown["timeout"] == ("2.5", "flag")
        assert shown["retries"] == ("4", "environment OCX_RETRIES")
        assert shown["connect_timeout"] == ("10", "default")
        assert shown["temperature"] == ("", "default")
        assert shown["key"] == ("", "none found")
        assert shown["aliases"] == ('{"m":"real"}', str(call.config))

    def test_json(self, call: Caller) -> None:
        call.write('[profiles.default]\nheaders = {X-Team = "docs"}\nbalance_scale = 0.5\n')
        shown = call("config", "show", "--json").ok().json
        assert shown["headers"] == {"value": {"X-Team": "docs"}, "source": "profile default"}
        assert shown["balance_scale"] == {"value": 0.5, "source": "profile default"}
        assert shown["temperature"] == {"value": None, "source": "default"}
        assert set(shown) == {"profile", "key", *(setting.name for setting in SETTINGS)}

    def test_the_sandbox(self, call: Caller) -> None:
        shown = call("--sandbox", "config", "show", "--json").ok().json
        assert shown["sandbox"] == {"value": "on", "source": "flag"}
        assert shown["key"] == {"value": None, "source": "sandbox"}

    @pytest.mark.parametrize(
        ("env", "words", "row"),
        [
            ({"OCX_API_KEY": KEY}, [], ["sk-live-…6789", "environment OCX_API_KEY"]),
            ({"OCX_API_KEY": "a b"}, [], ["", "environment OCX_API_KEY (unusable)"]),
            ({}, ["--key-file", "-"], ["", "--key-file (not asked)"]),
            ({}, ["-P", "asks"], ["", "api_key_command of profile asks (not asked)"]),
            ({}, ["-P", "lan"], ["", "auth = none"]),
            ({}, ["-P", "gone"], ["", "key gone (unusable)"]),
        ],
    )
    def test_the_key_is_masked_and_nothing_is_run_for_it(
        self, call: Caller, env: dict[str, str], words: list[str], row: list[str]
    ) -> None:
        call.write(
            '[profiles.asks]\napi_key_command = ["/no/such/program"]\n'
            '[profiles.lan]\nauth = "none"\n[profiles.gone]\nkey_name = "gone"\n'
        )
        left = call("config", "show", *words, **env).ok()
        assert ["key", *row] in left.rows
        assert KEY not in left.stdout + left.stderr

    def test_nothing_secret_in_it(self, call: Caller) -> None:
        call.write(
            '[profiles.default]\nproxy = "http://me:pass@word@proxy:1"\n'
            f'api_key_command = ["echo", "{KEY}"]\n'
            'headers = {X-Api-Key = "hush", Cookie = "hush", X-Team = "docs"}\n'
        )
        for words in (["config", "show"], ["config", "show", "--json"]):
            out = call(*words).ok().stdout
            for secret in ("hush", "pass", "word", "me:", KEY):
                assert secret not in out
            for plain in ("http://…@proxy:1", "X-Team", "docs", "X-Api-Key"):
                assert plain in out

    def test_unknown_keys_are_warnings(self, call: Caller) -> None:
        call.write('[profiles.default]\nmodle = "m"\n')
        assert "did you mean model?" in call("config", "show").ok().stderr
        assert call("config", "show", "-q").ok().stderr == ""

    def test_a_broken_file(self, call: Caller) -> None:
        call.write('[profiles.default]\nmodel = "m\n')
        error = call("config", "show").failed(ConfigError)
        assert "line 2, column" in error.message
        assert error.hint == "mend it with `ocx config edit`"


class TestGet:
    @pytest.mark.parametrize(
        ("name", "text", "value"),
        [
            ("model", "m\n", "m"),
            ("retries", "1\n", 1),
            ("temperature", "0.5\n", 0.5),
            ("stop", '["a","b"]\n', ["a", "b"]),
            ("headers", '{"X-Team":"docs"}\n', {"X-Team": "docs"}),
            ("headers.x-team", "docs\n", "docs"),
            ("headers.X-None", "", None),
            ("aliases.fast", "deepseek-chat\n", "deepseek-chat"),
            ("aliases.none", "", None),
            ("system", "", None),
            ("api_key_command", "", None),
            ("profile", "default\n", "default"),
            ("default_profile", "default\n", "default"),
            ("balance_scale", "2e-06\n", 0.000002),
        ],
    )
    def test_one_value(self, call: Caller, name: str, text: str, value: Any) -> None:
        call.write(
            '[profiles.default]\nmodel = "m"\nretries = 1\ntemperature = 0.5\nstop = ["a", "b"]\n'
            'headers = {X-Team = "docs"}\nbalance_scale = 0.000002\n'
            '[aliases]\nfast = "deepseek-chat"\n'
        )
        assert call("config", "get", name).ok().stdout == text
        assert call("config", "get", name, "--json").ok().json == value

    def test_unknown(self, call: Caller) -> None:
        assert call("config", "get", "modle").failed(UsageError).hint == "did you mean model?"
        hint = call("config", "get", "qqqqqq").failed(UsageError).hint or ""
        assert "base_url" in hint
        assert "headers.NAME" in hint
        for name in ("headers.", "aliases", "stop.x"):
            call("config", "get", name).failed(UsageError)


class TestSet:
    @pytest.mark.parametrize(
        ("name", "word", "profile"),
        [
            ("temperature", "0.5", {"temperature": 0.5}),
            ("retries", "3", {"retries": 3}),
            ("stop", '["a", "b"]', {"stop": ["a", "b"]}),
            ("stop", "END", {"stop": ["END"]}),
            ("api_key_command", "['pass', 'show']", {"api_key_command": ["pass", "show"]}),
            ("headers.X-Foo", "bar", {"headers": {"X-Foo": "bar"}}),
            ("headers", '{"X-Foo": "bar"}', {"headers": {"X-Foo": "bar"}}),
            ("base_url", "https://x.example/v1", {"base_url": "https://x.example/v1"}),
            ("system", "", {"system": ""}),
            ("ca_bundle", "/ca.pem", {"ca_bundle": "/ca.pem"}),
        ],
    )
    def test_typed(self, call: Caller, name: str, word: str, profile: dict[str, Any]) -> None:
        left = call("config", "set", name, word).ok()
        assert stored(call) == {"profiles": {"default": profile}}
        assert left.stdout == ""
        assert left.stderr.startswith(f"ocx: profile default: {name} = ")
        assert call("config", "set", name, word, "-q").ok().stderr == ""
        if word:
            again = call("config", "get", name).ok().stdout.rstrip("\n")
            call("config", "set", name, again).ok()
            assert stored(call) == {"profiles": {"default": profile}}

    def test_a_path_means_the_same_from_every_folder(
        self, call: Caller, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.chdir(call.home)
        call("config", "set", "ca_bundle", "ca.pem").ok()
        assert stored(call)["profiles"]["default"]["ca_bundle"] == str(call.home / "ca.pem")

    def test_where_it_is_written(self, call: Caller) -> None:
        call("config", "set", "-P", "work", "model", "a").ok()
        call("config", "set", "default_profile", "work").ok()
        call("config", "set", "retries", "1").ok()
        call("config", "set", "top_p", "1", OCX_PROFILE="home").ok()
        call("config", "set", "aliases.fast", "m", "-P", "sandbox").ok()
        assert stored(call) == {
            "default_profile": "work",
            "profiles": {"work": {"model": "a", "retries": 1}, "home": {"top_p": 1.0}},
            "aliases": {"fast": "m"},
        }
        assert call.names("profiles") == ["default", "home", "sandbox", "work"]

    def test_an_empty_path_is_none(self, call: Caller) -> None:
        call("config", "set", "ca_bundle", "").ok()
        assert stored(call)["profiles"]["default"] == {"ca_bundle": ""}

    def test_a_header_has_no_case(self, call: Caller) -> None:
        call("config", "set", "headers.X-Foo", "1").ok()
        call("config", "set", "headers.x-foo", "2").ok()
        assert stored(call)["profiles"]["default"] == {"headers": {"x-foo": "2"}}

    @pytest.mark.parametrize(
        ("name", "word", "message"),
        [
            ("temperature", "3", "temperature must be a number from 0 to 2, not 3.0"),
            ("temperature", "hot", "temperature must be a number from 0 to 2"),
            ("retries", "1.5", "retries must be a whole number from 0 to 100"),
            ("auth", "maybe", "auth must be key or none"),
            ("stop", "[1]", "stop must be a list of texts"),
            ("headers.X-Foo", "a\nb", "headers.X-Foo must be printable ASCII text for X-Foo"),
            ("headers.Authorization", "x", "headers.Authorization cannot set Authorization"),
            ("aliases.a b", "m", "aliases.a b is not a name for a model"),
            ("aliases.a", " ", "aliases.a cannot be empty"),
            ("default_profile", "a b", "not a name for a profile"),
            ("modle", "m", "no setting called modle"),
            ("key", "x", "no setting called key"),
        ],
    )
    def test_refused(self, call: Caller, name: str, word: str, message: str) -> None:
        assert call("config", "set", name, word).failed(UsageError).message == message
        assert not call.config.exists()

    @pytest.mark.parametrize(
        "name", ["key_name", "model", "system", "headers.X-Api-Key", "aliases.a", "default_profile"]
    )
    def test_a_key_is_refused_unechoed(self, call: Caller, name: str) -> None:
        left = call("config", "set", name, KEY)
        error = left.failed(UsageError)
        assert "ocx keys add" in (error.hint or "")
        assert KEY not in left.stderr + error.message + (error.hint or "")
        assert not call.config.exists()

    @pytest.mark.parametrize("name", ["stop", "api_key_command"])
    def test_a_key_inside_a_list(self, call: Caller, name: str) -> None:
        error = call("config", "set", name, f'["echo", "{KEY}"]').failed(UsageError)
        assert KEY not in error.message
        assert "ocx keys add" in (error.hint or "")

    def test_a_short_key_as_key_name(self, call: Caller) -> None:
        error = call("config", "set", "key_name", "sk-abc").failed(UsageError)
        assert "sk-abc" not in error.message + (error.hint or "")

    @pytest.mark.parametrize(
        "url",
        ["http://lan/v1", "https://me:pw@x.example", "https://x.example?a", "x", "https://x#a"],
    )
    def test_urls(self, call: Caller, url: str) -> None:
        call("config", "set", "base_url", url).failed(ConfigError)
        assert not call.config.exists()

    def test_url_and_auth_belong_together(self, call: Caller) -> None:
        call("config", "set", "auth", "none").ok()
        call("config", "set", "base_url", "http://lan/v1").ok()
        call("config", "set", "auth", "key").failed(ConfigError)
        assert stored(call)["profiles"]["default"]["auth"] == "none"

    def test_the_sandbox_cannot_be_written(self, call: Caller) -> None:
        for words in (["-P", "sandbox"], ["--sandbox"]):
            call(*words, "config", "set", "model", "m").failed(ConfigError)
        call("config", "set", "model", "m", OCX_PROFILE="sandbox").failed(ConfigError)

    def test_a_default_profile_must_exist(self, call: Caller) -> None:
        call("config", "set", "default_profile", "nowhere").failed(ConfigError)
        call("config", "set", "default_profile", "sandbox").ok()
        assert stored(call) == {"default_profile": "sandbox"}

    def test_a_variable_that_comes_first_is_named(self, call: Caller) -> None:
        left = call("config", "set", "model", "m", OCX_MODEL="other").ok()
        assert "OCX_MODEL is set, and comes first" in left.stderr

    def test_comments_stay(self, call: Caller) -> None:
        call.write("# mine\n")
        call("config", "set", "model", "m").ok()
        assert call.config.read_text() == '# mine\n\n[profiles.default]\nmodel = "m"\n'

    def test_a_table_that_is_none(self, call: Caller) -> None:
        call.write("[profiles.default]\nheaders = 1\n")
        error = call("config", "set", "headers.X", "y").failed(UsageError)
        assert "config unset headers" in (error.hint or "")
        call("config", "unset", "headers").ok()
        call("config", "set", "headers.X", "y").ok()

    def test_a_broken_file_is_not_overwritten(self, call: Caller) -> None:
        call.write("[")
        call("config", "set", "model", "m").failed(ConfigError)
        assert call.config.read_text() == "["


class TestUnset:
    def test_it_is_removed_with_what_it_leaves_empty(self, call: Caller) -> None:
        call.write(
            '[profiles.default]\nmodel = "m"\nmodle = 1\nheaders = {X-Foo = "1", Y = "2"}\n'
            '[aliases]\na = "b"\n'
        )
        for name in ("model", "modle", "headers.x-foo", "aliases.a"):
            assert "is removed" in call("config", "unset", name).ok().stderr
        assert stored(call) == {"profiles": {"default": {"headers": {"Y": "2"}}}}
        call("config", "unset", "headers.Y").ok()
        assert stored(call) == {"profiles": {"default": {}}}

    def test_what_is_not_set(self, call: Caller) -> None:
        for name in ("model", "headers.X", "aliases.a", "default_profile"):
            assert f"{name} was not set" in call("config", "unset", name).ok().stderr
        call("config", "unset", "modle").failed(UsageError)
        call("config", "unset", "model", "-P", "none").failed(ConfigError)

    def test_the_default_profile(self, call: Caller) -> None:
        call.write('default_profile = "work"\n[profiles.work]\nmodel = "m"\n')
        call("config", "unset", "default_profile").ok()
        assert call("config", "get", "profile").ok().stdout == "default\n"


def test_path(call: Caller) -> None:
    assert call("config", "path").ok().stdout == f"{call.config}\n"
    assert call("config", "path", OCX_CONFIG="/x.toml").ok().stdout == "/x.toml\n"
    places = call("config", "path", "--json").ok().json
    assert places["credentials"] == str(call.credentials)
    assert set(places) == {"config", "credentials", "state", "cache"}


class TestProfiles:
    def test_list(self, call: Caller) -> None:
        call.write(
            'default_profile = "work"\n[profiles.work]\nmodel = "m"\nkey_name = "k"\n'
            '[profiles.asks]\napi_key_command = ["x"]\nkey_name = "k"\n'
            '[profiles.lan]\nbase_url = "http://lan/v1"\nauth = "none"\n'
        )
        default, real = "https://opencodex.hk/api/v1", "deepseek-chat"
        assert call("config", "profiles", "list").ok().rows == [
            ["asks", "", default, real, "api_key_command"],
            ["default", "", default, real, ""],
            ["lan", "", "http://lan/v1", real, "auth = none"],
            ["sandbox", "", "built in", real, ""],
            ["work", "*", default, "m", "k"],
        ]
        profiles = call("config", "profiles", "list", "--json", OCX_PROFILE="lan").ok().json
        assert [p["name"] for p in profiles if p["current"]] == ["lan"]
        assert profiles[4] == {
            "name": "work",
            "current": False,
            "base_url": default,
            "model": "m",
            "key": "k",
        }

    def test_use(self, call: Caller) -> None:
        call.write('[profiles.work]\nmodel = "m"\n')
        call("config", "profiles", "use", "work").ok()
        assert call("config", "get", "profile").ok().stdout == "work\n"
        left = call("config", "profiles", "use", "default", OCX_PROFILE="work").ok()
        assert "OCX_PROFILE is set, and comes first" in left.stderr
        call("config", "profiles", "use", "wrok").failed(ConfigError)
        call("config", "profiles", "use", KEY).failed(UsageError)

    def test_copy(self, call: Caller) -> None:
        call.write('[profiles.work]\nmodel = "m"\nheaders = {X = "y"}\n')
        call("config", "profiles", "copy", "work", "home").ok()
        call("config", "set", "-P", "home", "headers.X", "z").ok()
        profiles = stored(call)["profiles"]
        assert profiles["work"] == {"model": "m", "headers": {"X": "y"}}
        assert profiles["home"] == {"model": "m", "headers": {"X": "z"}}
        assert call.names("profiles") == ["default", "home", "sandbox", "work"]
        call("config", "profiles", "copy", "work", "default").ok()
        for pair in (["work", "home"], ["work", "work"], ["work", "a b"], ["work", "default"]):
            call("config", "profiles", "copy", *pair).failed(UsageError)
        for pair in (["work", "sandbox"], ["sandbox", "new"], ["none", "new"]):
            call("config", "profiles", "copy", *pair).failed(ConfigError)

    def test_rm(self, call: Caller) -> None:
        call.write(
            'default_profile = "work"\n[profiles.work]\nmodel = "m"\n[profiles.a]\nmodel = "m"\n'
        )
        asked = call("config", "profiles", "rm", "a", stdin=b"n\n", tty=True)
        assert "[y/N]" in asked.stderr
        asked.failed(DeclinedError)
        assert "--yes" in (call("config", "profiles", "rm", "a").failed(UsageError).hint or "")
        call("config", "profiles", "rm", "a", stdin=b"y\n", tty=True).ok()
        assert call.names("profiles") == ["default", "sandbox", "work"]
        assert "profiles use" in (
            call("config", "profiles", "rm", "work", "-y").failed(UsageError).hint or ""
        )
        call("config", "profiles", "rm", "default", "-y").failed(UsageError)
        call("config", "profiles", "rm", "sandbox", "-y").failed(ConfigError)
        call("config", "profiles", "rm", "a", "-y").failed(ConfigError)


def writes(text: str | None, then: str = "") -> str:
    """An $EDITOR that replaces the text, or appends to it where `text` begins with a plus."""
    code = f"import sys, os; path = sys.argv[1]; {then or 'pass'}"
    if text is not None:
        mode = "a" if text.startswith("+") else "w"
        code += f"; open(path, {mode!r}).write({text.removeprefix('+')!r})"
    quoted = code.replace("'", "'\\''")
    return f"{sys.executable} -c '{quoted}'"


def _full_disk(_: Path) -> None:
    raise OSError(errno.ENOSPC, "No space left on device")


class TestEdit:
    def drafts(self, call: Caller) -> list[Path]:
        return sorted(call.folder.glob("config.edit-*"))

    def test_a_valid_text_is_saved_as_it_is(self, call: Caller) -> None:
        call.write('[profiles.work]\nmodel = "m"\n')
        call.config.chmod(0o640)
        text = '# mine\n[profiles.home]\nmodel = "h"\nmodle = 1\n'
        left = call("config", "edit", EDITOR=writes(text)).ok()
        assert call.config.read_text() == text
        assert call.config.stat().st_mode & 0o777 == 0o640
        assert call.names("profiles") == ["default", "home", "sandbox"]
        assert f"{call.config}: unknown key profiles.home.modle" in left.stderr
        assert self.drafts(call) == []

    def test_visual_comes_first_and_words_are_split(self, call: Caller) -> None:
        env = {"VISUAL": writes("# visual\n"), "EDITOR": writes("# editor\n")}
        call("config", "edit", **env).ok()
        assert call.config.read_text() == "# visual\n"
        assert call.config.stat().st_mode & 0o777 == 0o600

    def test_who_has_no_config_edits_a_list_of_the_settings(self, call: Caller) -> None:
        seen = call.home / "seen"
        copy = f"import shutil; shutil.copy(path, {str(seen)!r})"
        left = call("config", "edit", EDITOR=writes(None, copy)).ok()
        assert "nothing changed" in left.stderr
        assert not call.config.exists()
        text = seen.read_text()
        assert tomllib.loads(text) == {}
        bare = "\n".join(line.removeprefix("# ") for line in text.splitlines()[3:])
        config = tomllib.loads(bare)
        assert set(config["profiles"]["default"]) == {setting.name for setting in SETTINGS}
        call("config", "edit", EDITOR=writes(bare)).ok()

    @pytest.mark.parametrize(
        "text", ["[", "[profiles.default]\ntemperature = 3\n", 'default_profile = "none"\n']
    )
    def test_an_invalid_text_is_kept_and_named(self, call: Caller, text: str) -> None:
        call.write("# old\n")
        error = call("config", "edit", EDITOR=writes(text)).failed(ConfigError)
        assert call.config.read_text() == "# old\n"
        (draft,) = self.drafts(call)
        assert draft.read_text() == text
        assert error.hint == f"your text is kept in {draft}"

    def test_on_a_terminal_one_can_go_back_to_it(self, call: Caller) -> None:
        call.write("")
        editor = writes("+[")
        left = call("config", "edit", stdin=b"y\ny\nn\n", tty=True, EDITOR=editor)
        left.failed(ConfigError)
        assert left.stderr.count("ocx: error:") == 3
        (draft,) = self.drafts(call)
        assert draft.read_text() == "[[["

    def test_what_is_mended_the_second_time_is_saved(self, call: Caller) -> None:
        call.write("")
        mend = "text = open(path).read(); open(path, 'w').write('# ok' if '[' in text else '[')"
        call("config", "edit", stdin=b"y\n", tty=True, EDITOR=writes(None, mend)).ok()
        assert call.config.read_text() == "# ok"
        assert self.drafts(call) == []

    def test_another_program_that_wrote_meanwhile_is_not_overwritten(self, call: Caller) -> None:
        call.write("# old\n")
        other = f"open({str(call.config)!r}, 'w').write('# other')"
        error = call("config", "edit", EDITOR=writes("# new\n", other)).failed(ConfigError)
        assert "changed by another program" in error.message
        assert call.config.read_text() == "# other"
        assert self.drafts(call)[0].read_text() == "# new\n"

    @pytest.mark.parametrize(
        ("editor", "message"),
        [
            ("/no/such/editor", "cannot start the editor /no/such/editor: No such file"),
            (writes(None, "sys.exit(3)"), "failed (status 3); nothing was changed"),
            (writes(None, "os.remove(path)"), "the editor removed the file"),
        ],
    )
    def test_an_editor_that_fails(self, call: Caller, editor: str, message: str) -> None:
        call.write("# old\n")
        error = call("config", "edit", EDITOR=editor).error
        assert error is not None
        assert message in error.message
        assert call.config.read_text() == "# old\n"
        assert self.drafts(call) == []

    def test_an_editor_that_fails_after_writing_loses_nothing(self, call: Caller) -> None:
        call.write("# old\n")
        editor = writes(None, "open(path, 'w').write('# new'); sys.exit(1)")
        call("config", "edit", EDITOR=editor).failed(OcxError)
        assert self.drafts(call)[0].read_text() == "# new"

    def test_who_ignores_ctrl_c_goes_on_ignoring_it(self, call: Caller) -> None:
        """As under nohup."""
        before = signal.signal(signal.SIGINT, signal.SIG_IGN)
        try:
            call("config", "edit", EDITOR=writes("# x")).ok()
            assert signal.getsignal(signal.SIGINT) is signal.SIG_IGN
        finally:
            signal.signal(signal.SIGINT, before)

    def test_no_editor(self, call: Caller) -> None:
        assert "$VISUAL" in (call("config", "edit").failed(UsageError).hint or "")
        call("config", "edit", EDITOR="'open").failed(UsageError)
        assert editor({}, terminal=True) == ["vi"]

    def test_a_folder_that_cannot_be_written(self, call: Caller) -> None:
        (call.home / ".config").write_text("a file")
        call("config", "edit", EDITOR="true").failed(ConfigError)
        (call.home / ".config").unlink()
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr("ocx.config.saving.make_folder", _full_disk)
            call("config", "edit", EDITOR="true").failed(OcxError)
        (call.home / "closed").write_text("a file")
        closed = str(call.home / "closed" / "deep" / "x.toml")
        call("config", "set", "model", "m", OCX_CONFIG=closed).failed(OcxError)

    def test_ctrl_c_is_the_editors(self, ocx: Ocx) -> None:
        """An editor takes Ctrl-C as a command; the text must survive it."""
        script = ocx.work / "editor.py"
        script.write_text(
            "import signal, sys\n"
            "signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})\n"
            "print('READY', flush=True)\n"
            "signal.sigwait({signal.SIGINT})\n"
            "open(sys.argv[1], 'w').write('# done')\n"
        )
        editor = f"{sys.executable} {script}"
        process = ocx.in_terminal("config", "edit", env={"EDITOR": editor})
        assert process.stdout is not None
        process.stdout.until(b"READY")
        process.send(b"\x03")
        process.finish().has(0)
        assert (ocx.config / "config.toml").read_text() == "# done"
