"""Flag > environment > profile > default, and every value knows which."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
import tomli_w
from hypothesis import given
from hypothesis import strategies as st

from ocx.config.paths import env_name
from ocx.config.profiles import ConfigFile, read
from ocx.config.schema import SETTINGS, Setting
from ocx.config.settings import check_file, resolve
from ocx.config.values import (
    FilePath,
    Headers,
    Integer,
    KeyName,
    Number,
    StopSequences,
    Text,
    TextList,
)
from ocx.errors import ConfigError, UsageError

KEY = "sk-live-abcdefgh12345678"


@pytest.fixture
def env(tmp_path: Path) -> dict[str, str]:
    return {"HOME": str(tmp_path), "OCX_CONFIG": str(tmp_path / "config.toml")}


def write(env: dict[str, str], text: str) -> None:
    Path(env["OCX_CONFIG"]).write_text(text)


def with_profile(env: dict[str, str], name: str = "default", **settings: Any) -> None:
    write(env, tomli_w.dumps({"profiles": {name: settings}}))


@pytest.mark.parametrize("around", [" {} ", "{}\r", "\t{}\r\n", "\u00a0{}"])
def test_white_space_around_a_variable_is_dropped(env: dict[str, str], around: str) -> None:
    """Files of variables that were written on Windows end their lines in CRLF."""
    with_profile(env, "work", balance_path="a")
    values = {
        "OCX_BASE_URL": "https://h.test/v1",
        "OCX_MODEL": "gpt-4o",
        "OCX_TIMEOUT": "7",
        "OCX_RETRIES": "3",
        "OCX_HISTORY": "off",
        "OCX_PROFILE": "work",
        "OCX_SANDBOX": "0",
        "OCX_CONFIG": env["OCX_CONFIG"],
    }
    settings = resolve({}, {"HOME": "/", **{k: around.format(v) for k, v in values.items()}})
    assert (settings.base_url, settings.model) == ("https://h.test/v1", "gpt-4o")
    assert (settings.timeout, settings.retries, settings.history) == (7, 3, "off")
    assert (settings.profile, settings.balance_path, settings.sandbox) == ("work", "a", False)


def test_a_variable_of_white_space_is_not_set(env: dict[str, str]) -> None:
    settings = resolve({}, {**env, "OCX_MODEL": " \r", "OCX_TIMEOUT": "\r", "OCX_SANDBOX": "\r"})
    assert (settings.model, settings.timeout) == ("deepseek-chat", None)


@pytest.mark.parametrize(
    "url", [" https://h.test/v1", "https://h.test/v1\r", "https://h.test/v1\n"]
)
def test_white_space_around_a_base_url_is_dropped(env: dict[str, str], url: str) -> None:
    assert resolve({"base_url": url}, env).base_url == "https://h.test/v1"
    with_profile(env, base_url=url)
    assert resolve({}, env).base_url == "https://h.test/v1"


TEXTS = st.sampled_from(["one", "two", "three"])
LISTS = st.lists(st.text("abc", min_size=1), min_size=1).map(tuple)
URLS = st.sampled_from(["https://a.example", "https://b.example"])
BY_TYPE: dict[type, st.SearchStrategy[Any]] = {
    Number: st.floats(0.5, 1),
    Integer: st.integers(1, 50),
    Text: TEXTS,
    FilePath: TEXTS,
    KeyName: TEXTS,
    TextList: LISTS,
    StopSequences: LISTS,
    Headers: st.dictionaries(st.sampled_from(["X-A", "X-B"]), st.text("abc"), min_size=1),
}
BY_SETTING = {
    "base_url": URLS,
    "proxy": URLS,
    "auth": st.just("key"),
    "history": st.sampled_from(["auto", "on", "off"]),
    "fallback_models": st.sampled_from(["m1", "m1,m2"]),
}


def values_of(setting: Setting) -> st.SearchStrategy[Any]:
    given = BY_SETTING.get(setting.name)
    return BY_TYPE[type(setting.type)] if given is None else given


@st.composite
def layers(draw: st.DrawFn) -> tuple[dict[str, Any], dict[str, str], dict[str, Any]]:
    """Any settings given by flag, by variable and by profile."""
    flags, variables, profile = {}, {}, {}
    for setting in SETTINGS:
        value = values_of(setting)
        if draw(st.booleans()):
            flags[setting.name] = draw(value)
        if setting.variable and draw(st.booleans()):
            variables[env_name(setting.name)] = str(draw(value))
        if draw(st.booleans()):
            profile[setting.name] = draw(value)
    return flags, variables, profile


@given(layers())
def test_order(
    tmp_path_factory: pytest.TempPathFactory,
    given_layers: tuple[dict[str, Any], dict[str, str], dict[str, Any]],
) -> None:
    flags, variables, profile = given_layers
    path = tmp_path_factory.mktemp("order") / "config.toml"
    path.write_text(tomli_w.dumps({"profiles": {"default": profile}}))
    settings = resolve(flags, {"HOME": "/nowhere", "OCX_CONFIG": str(path), **variables})
    at_home = settings.base_url == settings.profile_base_url
    for setting in SETTINGS:
        name = setting.name
        if name in flags:
            expected, source = flags[name], "flag"
        elif env_name(name) in variables:
            expected, source = variables[env_name(name)], f"environment {env_name(name)}"
        elif name in profile and (name != "headers" or at_home):
            expected, source = profile[name], "profile default"
        else:
            expected, source = setting.default, "default"
        assert str(settings.sources[name]) == source
        got = getattr(settings, name)
        if name == "balance_scale":
            assert got is None if expected is None else float(got) == expected
        elif name == "headers":
            assert got == (expected or {})
        elif name == "fallback_models":
            assert got == (tuple(expected.split(",")) if expected else ())
        else:
            assert str(got) == str(expected) or got == expected or float(got) == float(expected)


@pytest.mark.parametrize("absent", [None, [], ()])
def test_a_flag_not_given_is_no_value(env: dict[str, str], absent: Any) -> None:
    with_profile(env, stop=["END"])
    assert resolve({"stop": absent}, env).stop == ("END",)


def test_an_empty_text_is_a_value(env: dict[str, str]) -> None:
    """`-s ""` asks without the profile's system prompt."""
    with_profile(env, system="Be brief.")
    assert resolve({"system": ""}, env).system == ""


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        ({"timeout": -1.0}, "--timeout must be a number from 0.001 to 86400, not -1.0"),
        ({"header": ["X-Foo"]}, "--header must be NAME:VALUE"),
        ({"header": [f"X-Api-Key: {KEY}"]}, "--header holds a key as X-Api-Key"),
        ({"model": KEY}, "--model looks like a key itself"),
        ({"profile": "no/name"}, "not a name for a profile"),
    ],
)
def test_bad_flags_are_usage_errors(
    env: dict[str, str], flags: dict[str, Any], message: str
) -> None:
    with pytest.raises(UsageError) as caught:
        resolve(flags, env)
    assert caught.value.message == message


@pytest.mark.parametrize(
    ("variable", "word", "message"),
    [
        ("OCX_TIMEOUT", "soon", "OCX_TIMEOUT must be a number from 0.001 to 86400"),
        ("OCX_SANDBOX", "perhaps", "OCX_SANDBOX must be 1 or 0"),
        ("OCX_PROFILE", "no name", "environment OCX_PROFILE does not hold the name of a profile"),
        ("OCX_MODEL", KEY, "OCX_MODEL looks like a key itself"),
    ],
)
def test_bad_variables_are_config_errors(
    env: dict[str, str], variable: str, word: str, message: str
) -> None:
    with pytest.raises(ConfigError) as caught:
        resolve({}, {**env, variable: word})
    assert caught.value.message == message


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("profiles = 1", ":1: profiles: must be a table"),
        ("[profiles]\ndefault = 1", ":2: profiles.default: must be a table"),
        ("default_profile = 1", ":1: default_profile: must be a string"),
        ('default_profile = ""', ":1: default_profile: must be a string that"),
        ("aliases = 1", ":1: aliases: must be a table"),
        ("[aliases]\nfast = 1", ":2: aliases.fast: must be the id of a model"),
        ('[aliases]\nfast = " "', ":2: aliases.fast: must be the id of a model"),
        ("[profiles.default]\nretries = true", "profiles.default.retries must be a whole number"),
        ("[profiles.default]\nretries = ", "line 2, column 11"),
        ('[profiles.default]\nbase_url = "ftp://x"', "(base_url from profile default)"),
    ],
)
def test_bad_files_are_config_errors(env: dict[str, str], text: str, message: str) -> None:
    write(env, text)
    with pytest.raises(ConfigError) as caught:
        resolve({}, env)
    assert message in caught.value.message


def test_a_broken_profile_does_not_disturb_the_others(env: dict[str, str]) -> None:
    write(env, "[profiles.a]\nretries = true\n[profiles.b]\nretries = 1\n")
    assert resolve({"profile": "b"}, env).retries == 1
    with pytest.raises(ConfigError, match=r"profiles\.a\.retries"):
        resolve({"profile": "a"}, env)


@pytest.mark.parametrize(
    ("flag", "variable", "default", "profile", "source"),
    [
        (None, "", None, "default", "default"),
        (None, "", "work", "work", "default_profile"),
        (None, "home", "work", "home", "environment OCX_PROFILE"),
        ("work", "home", "home", "work", "flag"),
        ("default", "home", "work", "default", "flag"),
    ],
)
def test_which_profile(
    env: dict[str, str],
    flag: str | None,
    variable: str,
    default: str | None,
    profile: str,
    source: str,
) -> None:
    top = f'default_profile = "{default}"\n' if default else ""
    write(env, f'{top}[profiles.work]\nmodel = "w"\n[profiles.home]\nmodel = "h"\n')
    settings = resolve({"profile": flag}, {**env, "OCX_PROFILE": variable})
    assert settings.profile == profile
    assert str(settings.sources["profile"]) == source
    assert settings.model == {"work": "w", "home": "h"}.get(profile, "deepseek-chat")


def test_an_unknown_profile_names_the_nearest_and_how_to_make_it(env: dict[str, str]) -> None:
    with_profile(env, "work", model="m")
    with pytest.raises(ConfigError, match="no profile wrok") as caught:
        resolve({"profile": "wrok"}, env)
    assert caught.value.hint is not None
    assert "did you mean work?" in caught.value.hint
    assert "ocx config set -P wrok" in caught.value.hint
    with pytest.raises(ConfigError, match=r"no profile xyz .* \(from environment OCX_PROFILE\)"):
        resolve({}, {**env, "OCX_PROFILE": "xyz"})


def test_unknown_keys_are_warnings_with_the_nearest_name(env: dict[str, str]) -> None:
    write(env, 'aliasses = 1\nmodel = "m"\n[profiles.default]\nmodle = "x"\nzzz = 1\n')
    path = env["OCX_CONFIG"]
    assert resolve({}, env).warnings == (
        f"{path}: unknown key aliasses is ignored; did you mean aliases?",
        f"{path}: unknown key model is ignored; did you mean [profiles.default] model?",
        f"{path}: unknown key profiles.default.modle is ignored; did you mean model?",
        f"{path}: unknown key profiles.default.zzz is ignored",
    )


def test_a_config_named_and_missing_is_a_warning(env: dict[str, str]) -> None:
    assert resolve({}, env).warnings == (
        f"OCX_CONFIG names {env['OCX_CONFIG']}, which does not exist",
    )


def test_headers_add_up_without_case(env: dict[str, str]) -> None:
    with_profile(env, headers={"X-Team": "docs", "X-Other": "1"})
    settings = resolve({"header": ["x-team: a", "X-New:b", "x-TEAM:c:d"]}, env)
    assert settings.headers == {"x-TEAM": "c:d", "X-Other": "1", "X-New": "b"}
    assert settings.from_flag("headers")


@pytest.mark.parametrize("elsewhere", ["flag", "environment"])
def test_a_profile_s_headers_go_to_its_own_origin_only(env: dict[str, str], elsewhere: str) -> None:
    """They may hold a key of another kind: X-Api-Key, a Cookie."""
    with_profile(env, base_url="https://a.example/v1", headers={"X-Api-Key": "s3cret"})
    flags: dict[str, Any] = {"header": ["X-New: b"]}
    near, far = "https://A.example:443/v2", "https://b.example/v1"
    for url, headers in ((near, {"X-Api-Key": "s3cret", "X-New": "b"}), (far, {"X-New": "b"})):
        given = {"base_url": url} if elsewhere == "flag" else {}
        settings = resolve({**flags, **given}, {**env, "OCX_BASE_URL": url})
        assert settings.headers == headers
        assert bool(settings.warnings) == (url == far)
    assert "go only to https://a.example/v1" in settings.warnings[0]
    assert "s3cret" not in settings.warnings[0]


@pytest.mark.parametrize("flags", [{"model": "fast"}, {}])
def test_the_model_goes_through_the_aliases_once(env: dict[str, str], flags: Any) -> None:
    write(
        env,
        '[aliases]\nfast = "deepseek-chat"\ndeepseek-chat = "other"\n'
        '[profiles.default]\nmodel = "fast"\n',
    )
    assert resolve(flags, env).model == "deepseek-chat"


def test_the_scale_is_the_number_that_was_written(env: dict[str, str]) -> None:
    write(env, "[profiles.default]\nbalance_scale = 0.000002\n")
    assert resolve({}, env).balance_scale == Decimal("0.000002")


@pytest.mark.parametrize(
    ("url", "auth", "good"),
    [
        ("https://x.example/v1", "key", True),
        ("http://x.example/v1", "key", False),
        ("http://x.example/v1", "none", True),
        ("http://127.0.0.1:1/v1", "key", True),
        ("https://x.example/#a", "none", False),
    ],
)
def test_urls(env: dict[str, str], url: str, auth: str, good: bool) -> None:
    with_profile(env, auth=auth)
    if good:
        settings = resolve({"base_url": url}, env)
        assert settings.base_url == url
        assert settings.profile_base_url == "https://opencodex.hk/api/v1"
    else:
        with pytest.raises(ConfigError, match=r"\(base_url from flag\)"):
            resolve({"base_url": url}, env)


@pytest.mark.parametrize(
    ("flags", "variables", "source"),
    [
        ({"sandbox": True}, {}, "flag"),
        ({"sandbox": True}, {"OCX_SANDBOX": "1"}, "flag"),
        ({}, {"OCX_SANDBOX": "yes"}, "environment OCX_SANDBOX"),
        ({"profile": "lan"}, {"OCX_SANDBOX": "1"}, "environment OCX_SANDBOX"),
        ({"profile": "sandbox"}, {}, "profile sandbox"),
        ({}, {"OCX_PROFILE": "sandbox"}, "profile sandbox"),
        ({}, {"OCX_PROFILE": "sandbox", "OCX_SANDBOX": "0"}, "profile sandbox"),
        ({}, {"OCX_SANDBOX": "1", "OCX_BASE_URL": "https://x.example"}, "environment OCX_SANDBOX"),
    ],
)
def test_the_sandbox_says_what_chose_it(
    env: dict[str, str], flags: dict[str, Any], variables: dict[str, str], source: str
) -> None:
    with_profile(env, "lan", model="m")
    settings = resolve(flags, {**env, **variables})
    assert settings.sandbox
    assert str(settings.sources["sandbox"]) == source
    assert str(settings.sources["base_url"]) == "sandbox"


def test_the_sandbox_takes_nothing_that_describes_another_endpoint(env: dict[str, str]) -> None:
    described = {
        "base_url": "http://lan/v1",
        "auth": "none",
        "key_name": "work",
        "api_key_command": ["pass"],
        "headers": {"X-Team": "a"},
        "proxy": "http://proxy.example",
        "ca_bundle": "/ca.pem",
        "balance_path": "a",
        "balance_scale": 2,
        "price_scale": 2,
    }
    with_profile(env, model="gpt-4o", temperature=0.5, **described)
    settings, plain = resolve({"sandbox": True}, env), resolve({"sandbox": True}, {"HOME": "/x"})
    assert all(getattr(settings, name) == getattr(plain, name) for name in described)
    assert (settings.model, settings.temperature) == ("gpt-4o", 0.5)


@pytest.mark.parametrize("word", ["", "0", "no", "False", "off"])
def test_no_sandbox(env: dict[str, str], word: str) -> None:
    settings = resolve({}, {**env, "OCX_SANDBOX": word})
    assert not settings.sandbox
    assert "sandbox" not in settings.sources


def test_the_sandbox_profile_takes_nothing_from_the_file(env: dict[str, str]) -> None:
    with_profile(env, "sandbox", model="mine")
    settings = resolve({"profile": "sandbox"}, env)
    assert settings.model == "deepseek-chat"
    assert settings.warnings == (
        f"{env['OCX_CONFIG']}: profiles.sandbox is built in; the file's is ignored",
    )


def test_two_endpoints_are_a_usage_error(env: dict[str, str]) -> None:
    with pytest.raises(UsageError, match="--base-url names one endpoint"):
        resolve({"sandbox": True, "base_url": "https://x.example"}, env)


class TestCheckFile:
    """A whole file before it replaces another."""

    def check(self, tmp_path: Path, text: str) -> list[str]:
        path = tmp_path / "config.toml"
        path.write_text(text)
        return check_file(read(path))

    def test_good(self, tmp_path: Path) -> None:
        text = 'default_profile = "a"\n[profiles.a]\nmodel = "m"\n[aliases]\nx = "y"\n'
        assert self.check(tmp_path, text) == []
        assert check_file(ConfigFile.of(tmp_path, None)) == []

    def test_warnings_of_every_profile(self, tmp_path: Path) -> None:
        warnings = self.check(tmp_path, "[profiles.a]\nx = 1\n[profiles.b]\nstopp = 1\n")
        assert [w.partition(": ")[2] for w in warnings] == [
            "unknown key profiles.a.x is ignored",
            "unknown key profiles.b.stopp is ignored; did you mean stop?",
        ]

    @pytest.mark.parametrize(
        "text",
        [
            'default_profile = "none"',
            '[profiles."a b"]\nmodel = "m"',
            "[profiles.a]\ntemperature = 3",
            '[profiles.a]\nbase_url = "http://lan/v1"',
            "[aliases]\nx = 1",
        ],
    )
    def test_bad(self, tmp_path: Path, text: str) -> None:
        with pytest.raises(ConfigError):
            self.check(tmp_path, text)
