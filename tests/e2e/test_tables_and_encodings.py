"""Tables as people have them, and texts in other encodings, through the real program."""

from __future__ import annotations

import gzip
from unicodedata import normalize

import pytest

from tests.support.program import KEY, Ocx
from tests.support.row_server import RowServer


@pytest.mark.parametrize(
    ("file", "data", "prompt", "asked"),
    [
        ("意见.csv", "编号,意见\n1,太贵\n2,好吃\n", "语气？${意见}", ["语气？太贵", "语气？好吃"]),
        ("意见.csv", "编号,意见\n1,太贵\n2,好吃\n", "$意见的语气", ["太贵的语气", "好吃的语气"]),
        ("a.csv", "id,Ulasan pelanggan\n1,sedap\n", "${Ulasan pelanggan}!", ["sedap!"]),
        ("a.csv", "\ufeffnr;bericht\r\n1;sehr, gut\r\n", "<$bericht>", ["<sehr, gut>"]),
        ("a.csv", "nr\tmax-score\n1\tten\n", "<${max-score}>", ["<ten>"]),
        ("a.jsonl", '{"후기": "별로"}\n', "$후기의 감정", ["별로의 감정"]),
        ("a.csv", "note\nok\n", "$note好", ["ok好"]),
        ("a.csv", "id,ที่อยู่\n1,กรุงเทพ\n", "$ที่อยู่ครับ", ["กรุงเทพครับ"]),
        ("a.csv", normalize("NFD", "id,질문 ガ\n") + "1,z\n", "${질문 ガ}!", ["z!"]),
        ("a.csv", "id,café\n1,z\n", normalize("NFD", "$café!"), ["z!"]),
    ],
)
def test_any_column_is_filled(
    ocx: Ocx, rows: RowServer, file: str, data: str, prompt: str, asked: list[str]
) -> None:
    (ocx.work / file).write_bytes(data.encode())
    ocx("batch", file, prompt).has(0)
    assert sorted(rows.asked) == sorted(asked)


def test_a_parameter_has_any_name(ocx: Ocx, rows: RowServer) -> None:
    (ocx.work / "a.csv").write_text("句子\n早安\n")
    ocx("batch", "a.csv", "译成${目标 语}：${句子}", "-p", "目标 语=Bahasa Melayu").has(0)
    assert list(rows.asked) == ["译成Bahasa Melayu：早安"]
    decomposed = normalize("NFD", "ガ=早く")
    ocx("chat", "--save-template", "k", "${ガ}!").has(0)
    assert "早く!" in ocx("chat", "-t", "k", "-p", decomposed, "--dry-run").has(0).text
    ocx("chat", "--save-template", "tr", "写一首关于$主题的诗", "-p", "主题=海").has(0)
    assert "写一首关于雨的诗" in ocx("chat", "-t", "tr", "-p", "主题=雨", "--dry-run").has(0).text


@pytest.mark.parametrize(
    ("args", "told"),
    [
        (("t.csv", "Rate: $setz"), ("t.csv has no column setz; its columns: nr, satz", "$satz?")),
        (("t.csv", "${语气}: $satz"), ("t.csv has no column 语气; its columns: nr, satz",)),
        (("t.csv", "Hello!"), ("the prompt names no column of t.csv",)),
        (("t.csv",), ("t.csv has no column prompt", "its columns: nr, satz")),
        (("-", "Rate: $setz", "--input-format", "csv"), ("stdin has no column setz", "$satz?")),
        (("t.csv", "$satz", "--keep-going", "--id-column", "no"), ("has no column no;",)),
        (("t.csv", "$satz", "--delimiter", ";"), ("has no column satz; its columns: nr,satz",)),
        (("t.csv", "$satz", "--delimiter", ";;"), ("--delimiter takes one character",)),
        (("t.csv", "$satz", "--encoding", "gb1830"), ("did you mean gb18030?",)),
    ],
)
@pytest.mark.unmeasured
def test_a_fault_of_the_prompt_is_told_once_and_nothing_sent(
    ocx: Ocx, rows: RowServer, args: tuple[str, ...], told: tuple[str, ...]
) -> None:
    table = b"nr,satz\n" + b"1,x\n" * 30
    (ocx.work / "t.csv").write_bytes(table)
    run = ocx("batch", *args, input=table).has(2)
    assert all(run.stderr.count(part) == 1 for part in told), run.stderr
    assert not rows.requests


@pytest.mark.parametrize(
    ("data", "end"),
    [
        ("\ufeffnr;satz\r\n1;gut\r\n2;weg\r\n", "\r\n"),
        ("nr\tsatz\n1\tgut\n2\tweg\n", "\n"),
        ("\ufeffnr,satz\n1,gut\n2,weg\n", "\n"),
    ],
)
def test_a_merged_table_opens_where_its_input_did(
    ocx: Ocx, rows: RowServer, data: str, end: str
) -> None:
    (ocx.work / "in.csv").write_bytes(data.encode())
    args = ("batch", "in.csv", "=$satz", "--merge", "--ordered", "-o", "out.csv")
    ocx(*args).has(0)
    head, first, second, _ = data.split(end)
    sign = head.removeprefix("\ufeff")[2]
    assert (ocx.work / "out.csv").read_bytes().decode() == end.join(
        [
            f"{head}{sign}answer{sign}answer_error",
            f"{first}{sign}=GUT{sign}",
            f"{second}{sign}=WEG{sign}",
            "",
        ]
    )


@pytest.mark.parametrize(
    ("text", "encoding"),
    [("nr,内容\n1,服务很差\n2,还可以\n", "gb18030"), ("nr,本文\n1,残念でした\n", "shift_jis"),
     ("nr,內容\n1,品質不好\n", "utf-16"), ("nr,내용\n1,별로예요\n", "euc-kr")],
)  # fmt: skip
def test_a_table_in_another_encoding(ocx: Ocx, rows: RowServer, text: str, encoding: str) -> None:
    (ocx.work / "in.csv.gz").write_bytes(gzip.compress(text.encode(encoding)))
    column = text.split("\n", maxsplit=1)[0][3:]
    run = ocx("batch", "in.csv.gz", f"${column}", "--merge", "-o", "out.csv").has(2)
    assert f"it looks like {encoding.upper()}; try --encoding {encoding}" in run.stderr
    assert len(run.stderr) < 300
    assert not rows.requests
    args = ("batch", "in.csv.gz", f"${column}", "--merge", "-o", "out.csv")
    ocx(*args, "--encoding", encoding).has(0)
    assert sorted(rows.asked) == sorted(line[2:] for line in text.splitlines()[1:])
    assert (ocx.work / "out.csv").read_bytes().startswith(f"\ufeffnr,{column},answer".encode())


@pytest.mark.parametrize("way", ["-f", "stdin", "-a"])
def test_chat_reads_another_encoding_where_it_is_named(ocx: Ocx, rows: RowServer, way: str) -> None:
    data = "会议改到周四下午\n".encode("gbk")
    (ocx.work / "n.txt").write_bytes(data)
    given = () if way == "stdin" else (way, "n.txt")
    piped = {"input": data} if way == "stdin" else {}
    run = ocx("chat", "Sum up", *given, **piped).has(2)  # type: ignore[arg-type]
    assert "it looks like GB18030; try --encoding gb18030" in run.stderr
    ocx("chat", "Sum up", *given, "--encoding", "gb18030", **piped).has(0)  # type: ignore[arg-type]
    assert list(rows.asked) == ["Sum up\n\n会议改到周四下午\n"]


@pytest.mark.parametrize(
    ("data", "kind"),
    [
        (b"\xff\xd8\xff\xe0\x00", "an image"),
        (b"GIF89a\x80", "an image"),
        (b"%PDF-1.4\xe2", "a PDF"),
    ],
)
def test_an_image_is_no_text(ocx: Ocx, data: bytes, kind: str) -> None:
    ocx.env["OCX_API_KEY"] = KEY
    (ocx.work / "cat.bin").write_bytes(data)
    run = ocx("chat", "What is it?", "-f", "cat.bin").has(2)
    assert f"hint: it is {kind}: -a cat.bin\n" in run.stderr
    run = ocx("chat", "What is it?", input=data).has(2)
    assert f"hint: it is {kind}: -a -\n" in run.stderr


def test_no_text_that_is_read_has_a_bom(ocx: Ocx, rows: RowServer) -> None:
    bom = "\ufeff"
    for name, text in {
        "a.txt": "one",
        "system.txt": "Be brief.",
        "schema.json": '{"type": "object"}',
        "messages.json": '[{"role": "user", "content": "hi"}]',
        "tools.json": '{"name": "t", "parameters": {"type": "object"}}',
        "key": KEY,
        "rows.jsonl": '{"prompt": "row"}\n',
    }.items():
        (ocx.work / name).write_text(bom + text)
    folder = ocx.config
    (folder / "templates").mkdir(parents=True, mode=0o700)
    (folder / "templates" / "t.toml").write_text(f'{bom}prompt = "Say $stdin"\n')
    (folder / "config.toml").write_text(
        f'{bom}default_profile = "p"\n[profiles.p]\ntemperature = 0.5\n'
    )

    def body(*args: str, piped: str | None = None) -> str:
        run = ocx("chat", "--dry-run", "--key-file", "key", *args, input=(piped or "").encode())
        return run.has(0).text

    assert bom not in body("-f", "a.txt", "--system-file", "system.txt", "hi")
    assert bom not in body("--messages", "messages.json", "--tools", "tools.json")
    assert bom not in body("-a", "a.txt", "-O", "user=@a.txt", "hi", "--schema", "schema.json")
    assert "Say in" in body("-t", "t", piped=bom + "in")
    assert "0.5" in body("hi")
    ocx("batch", "rows.jsonl").has(0)
    assert list(rows.asked) == ["row"]


def test_a_schema_as_a_chinese_keyboard_types_it(ocx: Ocx) -> None:
    ocx.env["OCX_SANDBOX"] = "1"
    run = ocx("chat", "--schema", "语气 好｜坏，分数 int、备注？：可选", "Invent one.").has(0)
    assert run.json["语气"] in {"好", "坏"}
    assert isinstance(run.json["分数"], int)
