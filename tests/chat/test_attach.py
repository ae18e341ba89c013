from __future__ import annotations

import base64
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ocx.chat.attach import content, read_attachments, sniff
from ocx.errors import UsageError

PNG = b"\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR"
JPEG = b"\xff\xd8\xff\xe0\x00\x10JFIF"
WEBP = b"RIFF\x1a\x00\x00\x00WEBPVP8L"
PDF = b"%PDF-1.7\n%\xe2\xe3"


def no_stdin() -> bytes:
    raise AssertionError("stdin was read")


def data_url(media_type: str, data: bytes) -> str:
    return f"data:{media_type};base64,{base64.b64encode(data).decode()}"


@pytest.mark.parametrize(
    ("data", "media_type"),
    [
        (PNG, "image/png"),
        (JPEG, "image/jpeg"),
        (b"GIF87a..", "image/gif"),
        (b"GIF89a..", "image/gif"),
        (WEBP, "image/webp"),
        (PDF, "application/pdf"),
        (b"RIFF\x1a\x00\x00\x00WAVEfmt \xff", None),
        (b"hello", "text/plain"),
        ("héllo 你好".encode(), "text/plain"),
        (b"<svg/>", "text/plain"),
        (b"\x89PNG", None),
        (b"a\x00b", None),
        (b"\xff\xfeh\x00", None),
    ],
)
def test_the_first_bytes_say_what_it_is(data: bytes, media_type: str | None) -> None:
    assert sniff(data) == media_type


@pytest.mark.parametrize("name", ["a.png", "a.jpg", "a.txt", "noname"])
def test_the_name_does_not_matter(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    path.write_bytes(JPEG)
    (part,) = read_attachments([str(path)], (), no_stdin)
    assert part == {"type": "image_url", "image_url": {"url": data_url("image/jpeg", JPEG)}}


def test_pdf_is_a_file_part(tmp_path: Path) -> None:
    path = tmp_path / "paper.pdf"
    path.write_bytes(PDF)
    file = {"filename": "paper.pdf", "file_data": data_url("application/pdf", PDF)}
    assert read_attachments([str(path)], (), no_stdin) == [{"type": "file", "file": file}]
    (part,) = read_attachments(["-"], (), lambda: PDF)
    assert part["file"]["filename"] == "document.pdf"


def test_stdin_and_text() -> None:
    assert read_attachments(["-"], (), lambda: b"x = 1\n") == [{"type": "text", "text": "x = 1\n"}]
    (part,) = read_attachments(["-"], (), lambda: PNG)
    assert part["image_url"]["url"] == data_url("image/png", PNG)


@pytest.mark.parametrize("url", ["https://example.com/a.png", "HTTPS://example.com/a?b=c"])
def test_an_https_url_goes_to_the_model_as_it_is(url: str) -> None:
    assert read_attachments([url], (), no_stdin) == [
        {"type": "image_url", "image_url": {"url": url}}
    ]
    assert read_attachments([url], ["image/png"], no_stdin)


@pytest.mark.parametrize(
    ("data", "given", "expected"),
    [
        (b"\x00\x01", "image/avif", {"type": "image_url"}),
        (b"<svg/>", "image/svg+xml", {"type": "image_url"}),
        (PNG, "image/x-own", {"type": "image_url"}),
        (b"{}", "application/json", {"type": "text", "text": "{}"}),
        (b"{}", "application/ld+json", {"type": "text", "text": "{}"}),
        (b"a\x00b", "text/plain", {"type": "text", "text": "a\x00b"}),
    ],
)
def test_attach_type_decides(
    tmp_path: Path, data: bytes, given: str, expected: dict[str, Any]
) -> None:
    path = tmp_path / "file"
    path.write_bytes(data)
    (part,) = read_attachments([str(path)], [given], no_stdin)
    assert part.items() >= expected.items()
    if part["type"] == "image_url":
        assert part["image_url"]["url"] == data_url(given, data)


def test_one_type_for_all_or_one_for_each(tmp_path: Path) -> None:
    for name in "ab":
        (tmp_path / name).write_bytes(b"x")
    files = [str(tmp_path / name) for name in "ab"]
    both = read_attachments(files, ["image/png"], no_stdin)
    assert [part["type"] for part in both] == ["image_url", "image_url"]
    each = read_attachments(files, ["image/png", "text/plain"], no_stdin)
    assert [part["type"] for part in each] == ["image_url", "text"]


@pytest.mark.parametrize(
    ("sources", "types", "message"),
    [
        ([], ["image/png"], "without -a"),
        (["-"], ["image/png", "image/png"], "2 --attach-type for 1 -a"),
        (["http://example.com/a.png"], [], "only an https:// URL"),
        (["https://example.com/a.pdf"], ["application/pdf"], "can only be an image"),
        (["-"], ["audio/wav"], "cannot be sent as audio/wav"),
        (["/no/such/file"], [], "No such file"),
        (["nul\0byte"], [], "cannot read the attachment"),
        (["/"], [], "Is a directory"),
    ],
)
def test_mistakes(sources: list[str], types: list[str], message: str) -> None:
    with pytest.raises(UsageError) as caught:
        read_attachments(sources, types, lambda: b"x")
    assert message in caught.value.message


@pytest.mark.parametrize(
    ("data", "message"),
    [(b"", "is empty"), (b"\x00\x01", "not PNG"), (b"x" * 11, "larger than")],
)
def test_what_cannot_be_sent(tmp_path: Path, data: bytes, message: str) -> None:
    path = tmp_path / "file"
    path.write_bytes(data)
    for source in (str(path), "-"):
        with pytest.raises(UsageError) as caught:
            read_attachments([source], (), lambda: data, limit=10)
        assert message in caught.value.message
        assert caught.value.hint or not data


def test_a_device_without_end_stops_at_the_limit() -> None:
    with pytest.raises(UsageError, match=r"larger than 0\.5 MiB"):
        read_attachments(["/dev/zero"], (), no_stdin, limit=2**19)


def test_invalid_text_names_the_offset() -> None:
    with pytest.raises(UsageError, match="offset 2"):
        read_attachments(["-"], ["text/plain"], lambda: b"ab\xff")


TEXT = {"type": "text", "text": "body\n"}
IMAGE = {"type": "image_url", "image_url": {"url": "https://example.com/a"}}


@pytest.mark.parametrize(
    ("prompt", "parts", "expected"),
    [
        ("ask", [], "ask"),
        ("ask", [TEXT], "ask\n\nbody\n"),
        ("", [TEXT], "body\n"),
        ("ask", [IMAGE], [{"type": "text", "text": "ask"}, IMAGE]),
        ("", [IMAGE], [IMAGE]),
        ("ask", [TEXT, IMAGE], [{"type": "text", "text": "ask"}, TEXT, IMAGE]),
    ],
)
def test_content_is_a_text_where_it_can_be(prompt: str, parts: list[Any], expected: Any) -> None:
    """Not every OpenAI-compatible server takes a list of parts."""
    assert content(prompt, parts) == expected


@settings(max_examples=50)
@given(st.binary(min_size=1, max_size=40))
def test_an_image_arrives_byte_for_byte(data: bytes) -> None:
    (part,) = read_attachments(["-"], ["image/png"], lambda: data)
    assert base64.b64decode(part["image_url"]["url"].split(",", 1)[1]) == data
