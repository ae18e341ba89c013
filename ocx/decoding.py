"""How bytes become text: UTF-8 without its BOM, or the encoding that was named.

What a file is, its first bytes tell: a name can lie, and stdin has none. Bytes that are not UTF-8
are refused with the likeliest encoding: of those in which they are valid, the one whose text holds
the largest share of the language's common characters. `charset-normalizer` was weighed: it is right
less often on the few sentences of a prompt or a column, and takes a hundred times as long.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path

from ocx.errors import UsageError, os_errors_as

BOM = "\ufeff"
FLAG = "--encoding"
STDIN = "-"
_SAMPLE = 64 * 1024


def decode(data: bytes, name: str, encoding: str | None = None, *, flag: str | None = None) -> str:
    """`data` as text; a BOM at its beginning is dropped.

    Args:
        name: what the data is called in an error.
        encoding: as `check_encoding` gives it; None is UTF-8.
        flag: what names the encoding of this text, if anything does.

    Raises:
        UsageError: names the offset of the first invalid byte, and what the bytes look like.
    """
    # ASCII text as UTF-16 is valid UTF-8, with a zero behind each letter.
    if encoding is None and b"\0" in data and utf_16(data[:_SAMPLE]):
        problem = f"a zero at offset {data.index(0)}"
    else:
        try:
            return data.decode(encoding or "utf-8").removeprefix(BOM)
        except UnicodeDecodeError as error:
            problem = f"invalid byte at offset {error.start}"
    what = f"{name} is not {(encoding or 'utf-8').upper()} text"
    raise UsageError(f"{what}: {problem}", hint=_advice(data, name, flag))


def read_file(
    path: str,
    read_stdin: Callable[[], bytes],
    encoding: str | None = None,
    *,
    flag: str | None = None,
) -> str:
    """The text of `path`, `-` being stdin; `encoding` and `flag` as `decode` takes them.

    Raises:
        UsageError: it cannot be read.
    """
    if path == STDIN:
        return decode(read_stdin(), "stdin", encoding, flag=flag)
    with os_errors_as(UsageError, f"cannot read {path}"):
        data = Path(path).read_bytes()
    return decode(data, path, encoding, flag=flag)


def check_claims(claims: Sequence[str]) -> None:
    """Check that only one of the options takes stdin: it can be read once.

    Raises:
        UsageError: two do.
    """
    if len(claims) > 1:
        raise UsageError(
            f"stdin can be read once, but {' and '.join(claims)} both take it",
            hint="put one of them into a file",
        )


def looks_like(data: bytes, flag: str = FLAG, *, whole: bool = False) -> str | None:
    """`it looks like GB18030; try --encoding gb18030`; None if the bytes look like no text."""
    found = guess(data, whole=whole)
    return f"it looks like {found.upper()}; try {flag} {found}" if found else None


def check_encoding(name: str | None) -> str | None:
    """The codec for `--encoding NAME`; None for UTF-8.

    Raises:
        UsageError: there is no such encoding of texts.
    """
    if name is None:
        return None
    import codecs  # noqa: PLC0415 - only for --encoding

    from ocx.text import did_you_mean  # noqa: PLC0415

    try:
        codec = codecs.lookup(name).name
        "".encode(codec)  # rot13, hex and others are no encodings of texts
    except (LookupError, ValueError):
        known = ("utf-16", *ENCODINGS)
        raise UsageError(
            f"{FLAG}: unknown encoding {name!r}{did_you_mean(name.lower(), known)}",
            hint=f"for example {', '.join(known)}",
        ) from None
    return None if codec in {"utf-8", "utf-8-sig"} else SUPERSETS.get(codec, codec)


def _advice(data: bytes, name: str, flag: str | None) -> str:
    media_type = sniff(data)
    if media_type == "text/plain" and b"\0" not in data:
        return f"it is UTF-8: leave {flag} out"
    if media_type is not None:
        kind = "a PDF" if media_type == PDF else "an image"
        return f"it is {kind}: -a {'-' if name == 'stdin' else name}"
    iconv = "iconv -t UTF-8 -f"
    return looks_like(data, flag or iconv, whole=True) or f"convert it first: {iconv} ENCODING"


PDF = "application/pdf"
_MAGIC: tuple[tuple[bytes, str], ...] = (
    (b"\x89PNG\r\n\x1a\n", "image/png"),
    (b"\xff\xd8\xff", "image/jpeg"),
    (b"GIF87a", "image/gif"),
    (b"GIF89a", "image/gif"),
    (b"%PDF-", PDF),
)


def sniff(data: bytes) -> str | None:
    """The media type that the first bytes show; text/plain for UTF-8 text, None for neither."""
    for magic, media_type in _MAGIC:
        if data.startswith(magic):
            return media_type
    if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        return "image/webp"
    try:
        return None if "\0" in data.decode("utf-8") else "text/plain"
    except UnicodeDecodeError:
        return None


ENCODINGS = ("gb18030", "big5", "shift_jis", "euc-jp", "euc-kr", "cp1252")
_LEAST = 0.1

# The commonest characters of running text, and the punctuation of the language.
_SIMPLIFIED = (
    "的一是不了在人有我他这个们中来上大为和国地到以说时要就出会可也你对生能而子那得于着下自之年过发后作里用道"
    "行所然家种事成方多经么去法学如都同现当没动面起看定天分还进好小部其些主样理心她本前开但因只从想实日很"
    "请问价格质量快服务非常东西送货差太给再买错店客满意喜欢便宜包装商品，。、！？：；“”（）《》"
)
_TRADITIONAL = (
    "的一是不了在人有我他這個們中來上大為和國地到以說時要就出會可也你對生能而子那得於著下自之年過發後作裡用道"
    "行所然家種事成方多經麼去法學如都同現當沒動面起看定天分還進好小部其些主樣理心她本前開但因只從想實日很"
    "請問價格質量快服務非常東西送貨差太給再買錯店客滿意喜歡便宜包裝商品，。、！？：；「」（）《》"
)
_HANGUL = (
    "이다는을의에가고하지한도은로사를어기서자인해나리일들니그것수있게정아만전라면시대보안스오습상원"
    "부장요구주여무적제당성과경소비좋없너았었했음빠배송물품건합입년월말조거생각모두와관선내가격비싸"
)
_KANA = "".join(map(chr, range(0x3041, 0x30FD))) + "、。「」！？"
_WESTERN = "äöüßÄÖÜéèêàçñáíóúâîôûëïìòùãõåæøœÉÀÇÑÅØ’‘“”„–—…€«»°§"
_COMMON = {
    "gb18030": frozenset(_SIMPLIFIED),
    "big5": frozenset(_TRADITIONAL),
    "shift_jis": frozenset(_KANA),
    "euc-jp": frozenset(_KANA),
    "euc-kr": frozenset(_HANGUL),
    "cp1252": frozenset(_WESTERN),
}
_LEVEL_ONE = {
    "gb18030": range(0xB0, 0xD8),
    "big5": range(0xA4, 0xC7),
    "shift_jis": range(0x88, 0x98),
    "euc-jp": range(0xB0, 0xD0),
    "euc-kr": range(0xB0, 0xC9),
}
"""First bytes of the ideographs and syllables that the standard holds for common ones."""
SUPERSETS = {
    "gb2312": "gb18030",
    "gbk": "gb18030",
    "big5": "cp950",
    "shift_jis": "cp932",
    "euc_kr": "cp949",
}
"""By codec of Python: what is written under these names has more characters than they define."""


def guess(data: bytes, *, whole: bool = False) -> str | None:
    """An encoding in which `data` reads like a text, as `--encoding` takes it; None if none.

    Args:
        whole: nothing follows, so that the end cuts no character.
    """
    sample = data[:_SAMPLE]
    if wide := utf_16(sample):
        return wide
    cut = not whole or len(data) > _SAMPLE
    scores = {name: _likeness(sample, name, cut=cut) for name in ENCODINGS}
    best = max(ENCODINGS, key=lambda name: scores[name])
    return best if scores[best] >= _LEAST else None


def utf_16(data: bytes) -> str | None:
    """Its name where data begins with its BOM, or has the zeros of ASCII text and line ends."""
    if data.startswith((b"\xff\xfe", b"\xfe\xff")):
        return "utf-16"
    # Every second byte of ASCII text; in any other text those of spaces and line ends.
    even, odd = data[::2].count(0), data[1::2].count(0)
    if max(even, odd) < max(3, len(data) // 50) or min(even, odd):
        return None
    codec = "utf-16-be" if even > odd else "utf-16-le"
    return codec if _decoded(data, codec, cut=True) else None


def _likeness(data: bytes, encoding: str, *, cut: bool) -> float:
    """How common its characters beyond ASCII are, 0 to 1 on average; -1 if it is not valid."""
    codec = SUPERSETS.get(encoding.replace("-", "_"), encoding)
    text = _decoded(data, codec, cut=cut)
    wide = [char for char in text or "" if char > "\x7f"]
    if text is None or not wide:
        return -1.0
    if encoding == "cp1252" and len(wide) * 4 > len(text):
        return -1.0  # any bytes are valid, but Western texts are ASCII for the most part
    counts = Counter(wide)
    total = sum(count * _commonness(char, encoding, codec) for char, count in counts.items())
    return total / len(wide)


def _commonness(char: str, encoding: str, codec: str) -> float:
    if char in _COMMON[encoding]:
        return 1.0
    if char.encode(codec)[0] not in _LEVEL_ONE.get(encoding, ()):
        return 0.0
    # Read as Korean, Chinese has ideographs too, which score nothing; Korean text has none.
    return 0.65 if encoding == "euc-kr" else 0.5


def _decoded(data: bytes, codec: str, *, cut: bool) -> str | None:
    """The text; the end of a sample may `cut` a character of up to four bytes."""
    try:
        return data.decode(codec)
    except UnicodeDecodeError as error:
        whole = data[: error.start]
        return whole.decode(codec) if cut and len(data) - len(whole) < 4 else None
