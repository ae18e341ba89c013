"""The bytes of an answer: unpacked, counted, recognised."""

from __future__ import annotations

import gzip
import zlib
from collections.abc import Callable, Iterator
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ocx.api.http import MIB, capped, sniff, unpack
from ocx.errors import ServerError


def raw_deflate(data: bytes) -> bytes:
    packer = zlib.compressobj(wbits=-zlib.MAX_WBITS)
    return packer.compress(data) + packer.flush()


ENCODINGS: dict[str, Callable[[bytes], bytes]] = {
    "": bytes, "identity": bytes, "gzip": gzip.compress, " X-GZIP": gzip.compress,
    "deflate": zlib.compress, "Deflate ": raw_deflate,
}  # fmt: skip


@given(st.binary(max_size=2000), st.lists(st.integers(0, 2000), max_size=5))
@pytest.mark.parametrize("encoding", ENCODINGS)
def test_any_cut_of_any_encoding(encoding: str, data: bytes, cuts: list[int]) -> None:
    packed = ENCODINGS[encoding](data)
    edges = [0, *sorted(cut % (len(packed) + 1) for cut in cuts), len(packed)]
    pieces = [packed[a:b] for a, b in pairwise(edges)]
    assert b"".join(unpack(pieces, encoding)) == data


@pytest.mark.parametrize("name", ["br", "zstd", "gzip, gzip", "compress", "x" * 500])
def test_what_was_not_offered_is_not_unpacked(name: str) -> None:
    with pytest.raises(ServerError, match="not offered") as caught:
        unpack([b"x"], name)
    assert len(caught.value.message) < 120


@pytest.mark.parametrize("encoding", ["gzip", "deflate"])
def test_broken_data(encoding: str) -> None:
    whole = ENCODINGS[encoding](b"hello" * 100)
    with pytest.raises(ServerError, match="broken"):
        list(unpack([b"\xff\xff\xff\xff garbage"], encoding))
    with pytest.raises(ServerError, match=r"broken|too early"):
        list(unpack([whole[:4], b"\xff" * 40], encoding))
    with pytest.raises(ServerError, match="ends too early"):
        list(unpack([whole[:-8]], encoding))


def test_nothing_is_left_inside() -> None:
    """A part that is full to the byte, with its input used up, may not be the last."""
    for size in range(64 * 1024 - 300, 64 * 1024 + 300, 7):
        data = bytes(size)
        assert b"".join(unpack([raw_deflate(data)], "deflate")) == data


@pytest.mark.parametrize("encoding", ["gzip", "deflate"])
def test_nothing_stays_nothing(encoding: str) -> None:
    """An answer without a body names an encoding all the same."""
    assert list(unpack([], encoding)) == list(unpack([b""], encoding)) == []


def test_a_bomb_is_never_whole_in_memory() -> None:
    """100 MiB in 100 KB: unpacked in pieces, given up at the cap."""
    packed = gzip.compress(bytes(100 * MIB), 9)
    assert len(packed) < 200_000
    sizes = []

    def seen(pieces: Iterator[bytes]) -> Iterator[bytes]:
        for piece in pieces:
            sizes.append(len(piece))
            yield piece

    with pytest.raises(ServerError, match="larger than 1024 KiB"):
        capped(seen(unpack([packed], "gzip")), MIB)
    assert max(sizes) <= 64 * 1024
    assert sum(sizes) <= MIB + 64 * 1024


def test_the_cap_is_the_size_that_still_passes() -> None:
    assert capped([b"ab", b"cd"], 4) == b"abcd"
    with pytest.raises(ServerError):
        capped([b"ab", b"cde"], 4)


@pytest.mark.parametrize(
    ("head", "kind"),
    [
        (b"", None), (b" \r\n\t", None), (b"\xef", None), (b"\xef\xbb", None),
        (b"\xef\xbb\xbf", None), (b"\xef\xbb\xbf ", None),
        (b'{"a"', "json"), (b"\n [", "json"), (b"\xef\xbb\xbf\n{", "json"),
        (b"<html>", "html"), (b"  <!doctype", "html"),
        (b"data: x", "events"), (b"\xef\xbb\xbfdata:", "events"), (b": ping", "events"),
        (b"event: x", "events"), (b"id:1", "events"), (b"retry: 1", "events"),
        (b"data\n", "events"), (b"Internal error", "other"), (b"null", "other"), (b"d", "other"),
    ],
)  # fmt: skip
def test_what_a_body_is(head: bytes, kind: str | None) -> None:
    assert sniff(head) == kind
