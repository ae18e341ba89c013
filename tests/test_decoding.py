"""Bytes become text in one place: a BOM dropped, what is not UTF-8 named by what it looks like."""

from __future__ import annotations

import json
import os

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ocx.decoding import check_encoding, decode, guess
from ocx.errors import UsageError
from ocx.text import TooDeep, compact, encoder, parse

TEXTS = {
    "gb18030": [
        "颜色和图片不一样，有点失望。",
        "北京市朝阳区建国路88号",
        "姓名,城市\n王小明,广州\n",
    ],
    "big5": ["客服回覆及時，解決了我的問題！", "鍵盤手感舒適但噪音偏大", "退換貨流程複雜"],
    "shift_jis": [
        "色が写真と違っていて少し残念。",
        "返品手続きが複雑",
        "氏名,都市\n山田太郎,東京\n",
    ],
    "euc-jp": ["サポートの返信が早かったです", "マレーシア経済は今年五パーセント成長した"],
    "euc-kr": [
        "색상이 사진과 달라서 조금 실망했어요.",
        "반품 절차 복잡",
        "이름,도시\n김철수,서울\n",
    ],
    "cp1252": ["Größe und Maße fehlen", "café crème à emporter", "L’été arrive"],
    "utf-16": ["hello", "很好"],
    "utf-16-le": ["two words\r\nand more\r\n", "评语,分\n好,1\n差,2\n"],
    "utf-16-be": ["two words\r\nand more\r\n"],
}


@pytest.mark.parametrize(("encoding", "text"), [(e, t) for e, ts in TEXTS.items() for t in ts])
def test_a_text_is_recognised(encoding: str, text: str) -> None:
    data = text.encode(encoding)
    assert guess(data, whole=True) == encoding
    assert decode(data, "x", check_encoding(encoding)) == text


def test_a_long_text_may_be_cut_anywhere() -> None:
    data = ("价钱合理，值得再来。" * 9000).encode("gb18030")
    assert {guess(data[:end]) for end in range(70_000, 70_004)} == {"gb18030"}


@pytest.mark.parametrize("data", [b"\x7fELF\x02\x01\x01" + bytes(64), b"\x00", bytes(range(256))])
def test_what_is_no_text_is_not_guessed(data: bytes) -> None:
    assert guess(data) is None


@given(st.binary(max_size=300))
def test_any_bytes_are_a_text_or_a_usage_error(data: bytes) -> None:
    guess(data)
    try:
        text = decode(data, "x")
    except UsageError as error:
        assert error.hint
    else:
        assert text == data.decode().removeprefix("\ufeff")


NO_GUESS = "convert it first: iconv -t UTF-8 -f ENCODING"


@pytest.mark.parametrize(
    ("data", "hint"),
    [
        (b"\x89PNG\r\n\x1a\n\x00\xff", "it is an image: -a pic"),
        (b"\xff\xd8\xff\xe0", "it is an image: -a pic"),
        (b"%PDF-1.7\n\xe2\xe3", "it is a PDF: -a pic"),
        ("退款太慢了".encode("gbk"), "it looks like GB18030; try --encoding gb18030"),
        (
            "a,b\n1,hello there\n".encode("utf-16-le"),
            "it looks like UTF-16-LE; try --encoding utf-16-le",
        ),
        (
            "a,b\n1,hello there\n".encode("utf-16-be"),
            "it looks like UTF-16-BE; try --encoding utf-16-be",
        ),
        ("id,x\n1,อาหารอร่อยมากแต่บริการช้า\n".encode("cp874"), NO_GUESS),
        ("ｺﾝﾆﾁﾊ".encode("shift_jis"), NO_GUESS),
        (b"\x80", NO_GUESS),
    ],
)
def test_the_hint_is_the_next_step(data: bytes, hint: str) -> None:
    with pytest.raises(UsageError) as caught:
        decode(data, "pic", flag="--encoding")
    assert caught.value.hint == hint


def test_an_encoding_that_is_not_needed_is_told() -> None:
    with pytest.raises(UsageError, match="x is not UTF-16 text") as caught:
        decode(b"plain", "x", "utf-16", flag="--encoding")
    assert caught.value.hint == "it is UTF-8: leave --encoding out"


def test_where_no_option_names_the_encoding_iconv_does() -> None:
    with pytest.raises(UsageError) as caught:
        decode("訂單遺失了".encode("big5"), "tools.json")
    assert caught.value.hint == "it looks like BIG5; try iconv -t UTF-8 -f big5"


def test_a_bom_is_no_part_of_a_text() -> None:
    assert decode("\ufeffa\ufeffb".encode(), "x") == "a\ufeffb"
    assert decode("好".encode("utf-16"), "x", "utf-16") == "好"
    assert decode("\ufeff好".encode("utf-16-le"), "x", "utf-16-le") == "好"


@pytest.mark.parametrize(
    ("name", "codec"),
    [
        ("utf8", None),
        ("UTF-8-SIG", None),
        ("GBK", "gb18030"),
        ("shift-jis", "cp932"),
        ("latin1", "iso8859-1"),
        ("UTF-16LE", "utf-16-le"),
    ],
)
def test_a_name_of_an_encoding(name: str, codec: str | None) -> None:
    assert check_encoding(name) == codec


@pytest.mark.parametrize("name", ["", "gb18300", "rot13", "hex", "a\0b", os.sep])
def test_no_name_of_an_encoding(name: str) -> None:
    with pytest.raises(UsageError, match="unknown encoding") as caught:
        check_encoding(name)
    assert name != "gb18300" or "did you mean gb18030?" in str(caught.value)


_LEAVES = st.none() | st.booleans() | st.integers() | st.floats() | st.text()
_VALUES = st.recursive(
    _LEAVES, lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner), max_leaves=20
)


@pytest.mark.parametrize("text", ["NaN", "[Infinity]", '{"a": -Infinity}', "", "[", "01"])
def test_what_is_no_json_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"JSON|Expecting|Extra"):
        parse(text)


@pytest.mark.parametrize(
    ("before", "after", "times"), [("[", "]", 500), ('{"a":', "}", 500), ('[{"a":', "}]", 250)]
)
def test_the_deepest_does_not_depend_on_the_version_of_python(
    before: str, after: str, times: int
) -> None:
    text = before * times + "1" + after * times
    assert json.dumps(parse(text), separators=(",", ":")) == text
    with pytest.raises(TooDeep):
        parse("[" + text + "]")


def test_many_brackets_side_by_side_are_not_deep() -> None:
    assert len(parse("[" + ",".join(["[]"] * 1000) + "]")) == 1000


def test_what_is_written_is_json() -> None:
    value = {"a": [float("inf"), {"b": -float("inf")}], "c": (float("nan"), 1.5)}
    assert parse(compact(value)) == {"a": [None, {"b": None}], "c": [None, 1.5]}


@given(_VALUES, st.booleans())
def test_the_encoder_writes_what_json_writes(value: object, sort_keys: bool) -> None:
    plain = json.dumps(value, ensure_ascii=False, separators=(",", ":"), sort_keys=sort_keys)
    assert encoder(sort_keys=sort_keys)(value) == plain
