"""The likeliest encoding of bytes that are not UTF-8.

Of the encodings in which the bytes are valid, the one whose text holds the largest share of the
language's common characters. `charset-normalizer` was weighed: it is right less often on the
few sentences that a prompt or a column holds, and takes a hundred times as long.
"""

from __future__ import annotations

from collections import Counter

ENCODINGS = ("gb18030", "big5", "shift_jis", "euc-jp", "euc-kr", "cp1252")
_SAMPLE = 64 * 1024
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
