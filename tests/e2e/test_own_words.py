"""Chinese, Japanese and Korean, as a person at a terminal types and reads them."""

from __future__ import annotations

import pytest

from tests.e2e.test_session import begin, contents
from tests.support import answers
from tests.support.chat_server import CHAT, MODELS, ChatServer
from tests.support.emulator import Emulator, trimmed
from tests.support.program import Ocx
from tests.support.prose import paragraphs, wrong_breaks
from tests.support.sizes import some

LOCALES = [
    {"LC_ALL": "C"},
    {"LC_ALL": "POSIX"},
    {"LC_ALL": "C", "LANG": "zh_CN.UTF-8"},
    {"LC_ALL": "no_SUCH.locale"},
    {"LC_ALL": "", "LC_CTYPE": "C", "LANG": ""},
]


@pytest.mark.parametrize("env", some(LOCALES, 3), ids=str)
def test_what_is_typed_is_sent_whatever_the_locale(
    online: Ocx, chat_server: ChatServer, env: dict[str, str]
) -> None:
    """Editing too: a backspace takes a character, and Ctrl-W and Ctrl-Y a word of it."""
    talk = begin(online, "-n", env=env)
    talk.say("写一首诗 ok, 수고 café", "Hello!")
    assert contents(chat_server)[-1] == "写一首诗 ok, 수고 café"
    talk.say("明天天气\x7f好 吗\x17么\x01\x05", "Hello!")
    assert contents(chat_server)[-1] == "明天天好 么"
    talk.leave()


def test_a_program_that_is_started_keeps_the_locale(online: Ocx, chat_server: ChatServer) -> None:
    talk = begin(online, "-n", env={"LC_ALL": "C"})
    talk.say("你好", "Hello!")
    talk.say("/pipe echo locale=$LC_ALL", "locale=C\r")
    talk.leave()


def shown_answer(online: Ocx, server: ChatServer, text: str, columns: int = 60) -> list[str]:
    """What stands on the screen of a person who asked, of the streamed answer alone."""
    server.answer(answers.stream(*(text[at : at + 3] for at in range(0, len(text), 3))), path=CHAT)
    run = online.in_terminal("chat", "-n", "?", size=(40, columns), env={"CI": "1"}).finish()
    screen = Emulator(columns, 200)
    screen.write(run.has(0).stdout)
    return trimmed(screen.lines())


@pytest.mark.parametrize(
    ("answer", "lines"),
    [
        ("**小心：**别删，**切记！**好", ["小心：别删，切记！好"]),
        ("共**37%**的**『用户』**和**「客户」**", ["共37%的『用户』和「客户」"]),
        ("**항목(선택)**은 그대로", ["항목(선택)은 그대로"]),
        ("第一句，\n第二句。\nそして\n次。", ["第一句，第二句。そして次。"]),
        ("见<https://例子.公司/首页>。", ["见https://例子.公司/首页。"]),
        ("[帮助](https://例子.公司/帮助?页=二)", ["帮助 (https://例子.公司/帮助?页=二)"]),
        ("3 * 4 * 5 和 甲 ** 乙", ["3 * 4 * 5 和 甲 ** 乙"]),
    ],
)
def test_an_answer_on_a_terminal(
    online: Ocx, chat_server: ChatServer, answer: str, lines: list[str]
) -> None:
    assert shown_answer(online, chat_server, answer) == lines


@pytest.mark.parametrize(
    ("language", "columns"), [("Chinese", 41), ("Japanese", 52), ("Korean", 33)]
)
def test_the_lines_of_an_answer(
    online: Ocx, chat_server: ChatServer, language: str, columns: int
) -> None:
    """The emulator knows no emoji of several characters, so they are left out here."""
    text = "".join(
        c for c in paragraphs(language, 1, 7)[0] * 4 if c < "\U00010000" and c != "\u200d"
    )
    lines = shown_answer(online, chat_server, text, columns)
    assert len(lines) > 5
    assert wrong_breaks(lines) == []


def test_a_command_of_a_chinese_keyboard(online: Ocx, chat_server: ChatServer) -> None:
    """`／`, full-width letters and digits, and the space of that keyboard."""
    chat_server.answer(answers.answer(answers.models("deepseek-chat", "qwen-max")), path=MODELS)
    talk = begin(online, "-n")
    talk.say("／ｈｅｌｐ", "/exit")
    talk.say("／model　２", "model: qwen-max")
    talk.say("／／是路径", "Hello!")
    assert contents(chat_server)[-1] == "／是路径"
    talk.leave()
