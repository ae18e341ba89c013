"""How text stands on a line: how wide a character is, where a line may break, what is CJK.

A terminal's line is measured in cells; a wide character takes two. Words are parted at spaces.
Beside a wide character a line may also break without one, unless the characters forbid it, by the
classes CL, CP, EX, IS, IN, NS, CJ, PO, HY and QU (not at the start of a line) and OP, PR and QU
(not at its end) of Unicode Standard Annex #14. Korean is written with spaces, so its syllables are
letters here (section 8.1 of the annex). Python has no table of these classes; the general
categories Pe and Pf, Ps and Pi, Sc stand for CL and CP, OP, PR.
"""

from __future__ import annotations

from functools import lru_cache
from itertools import pairwise
from unicodedata import category, east_asian_width

_ZERO_WIDTH_JOINER = "\u200d"
WIDENER = "\ufe0f"  # shows the character before it as an emoji: two cells
# A no-break space is a letter, and one of no width a space.
SPACES = " \t\v\f\r\x85\u2028\u2029\u205f\u3000\u200b" + "".join(
    map(chr, (*range(0x2000, 0x2007), *range(0x2008, 0x200B)))
)
_CJK = (
    *(_HANGUL := ((0x1100, 0x11FF), (0x3130, 0x318F), (0xA960, 0xA97F), (0xAC00, 0xD7FF))),
    (0x2E80, 0x2FFF), (0x3001, 0xA4CF), (0xF900, 0xFAFF), (0xFE10, 0xFE1F), (0xFE30, 0xFE6F),
    (0xFF01, 0xFFEE), (0x1AFF0, 0x1B16F), (0x20000, 0x3FFFF),
)  # fmt: skip

# What never begins a line: of IN, NS, CJ, PO, IS and EX, and by custom dashes and middle dots.
_CLINGS = frozenset(
    ".,:;!?-/|~%'\"…‥․⋯–—―‐‑‧·・･、。，．､｡：；！？﹐﹑﹒﹔﹕﹖﹗‼‽⁇⁈⁉～〜／°‰‱′″‴℃℉％﹪¢￠"
    "々〻ゝゞヽヾ゠゛゜ﾞﾟーｰぁぃぅぇぉっゃゅょゎゕゖァィゥェォッャュョヮヵヶ"
    "ㇰㇱㇲㇳㇴㇵㇶㇷㇸㇹㇺㇻㇼㇽㇾㇿｧｨｩｪｫｬｭｮｯ"
)
_HOLDS = frozenset("'\"\\+±№＋")
# These may begin a line after a space: `.profile`, `--flag`.
_FREE_AT_SPACE = frozenset("'\"-/.,:;%|~·°‐")
_POSTFIX_MONEY = "¢￠"


@lru_cache(4096)
def _width(character: str) -> int:
    code = ord(character)
    kind = category(character)
    if kind == "Cn":  # newer than Python's table: an emoji, or a Han character
        return 2 if 0x1F300 <= code <= 0x1FAFF or 0x20000 <= code <= 0x3FFFD else 1
    if kind[0] == "M" or 0x1160 <= code <= 0x11FF or 0xD7B0 <= code <= 0xD7FF:
        return 0
    if kind in {"Cf", "Cc"}:
        return 1 if code == 0xAD or 0x600 <= code <= 0x8FF else 0
    return 2 if east_asian_width(character) in "WF" else 1


def cells(text: str) -> int:
    """The cells that `text` takes; rather too many than too few where terminals differ.

    They do where a joiner makes one emoji of several: each is counted.
    """
    if text.isascii():
        return len(text)
    count = sum(map(_width, text))
    if WIDENER in text:
        count += sum(is_widened(a) for a, b in pairwise(text) if b == WIDENER)
    return count


def is_widened(character: str) -> bool:
    """Whether it takes two cells before `WIDENER`, and one elsewhere.

    Of the letters none does; beyond them also those symbols that no emoji is made of, which nobody
    writes so. Source: emoji-variation-sequences.txt of Unicode.
    """
    return _width(character) == 1 and (character >= "\u203c" or character in "#*0123456789©®")


def is_wide(character: str) -> bool:
    return _width(character) == 2


@lru_cache(4096)
def is_cjk(character: str) -> bool:
    """Whether it is Chinese, Japanese or Korean: a character, a mark or a full-width form."""
    return any(first <= ord(character) <= last for first, last in _CJK)


CLINGS, HOLDS, WIDE, JOINED, FLAG, JOINER, SPACE = 1, 2, 4, 8, 16, 32, 64
"""What `traits` says of a character: it never begins a line; it never ends one; a line may break
beside it without a space; it belongs to the character before; it is a half of a flag; it joins the
next character; it is a space."""
STAYS = CLINGS | JOINED
"""Stands on the line of the character before it."""
KEEPS = HOLDS | JOINER
"""Keeps the next character on its line."""


@lru_cache(8192)
def traits(character: str) -> int:
    """All that decides on the line breaks beside a character, as a sum; it is asked for often."""
    kind, width = category(character), _width(character)
    found = 0
    if character in _CLINGS or kind in {"Pe", "Pf"}:
        found |= CLINGS
    if (character in _HOLDS or kind in {"Ps", "Pi", "Sc"}) and character not in _POSTFIX_MONEY:
        found |= HOLDS
    if "\U0001f1e6" <= character <= "\U0001f1ff":
        found |= FLAG
    if character >= "\u0300" and (width == 0 or "\U0001f3fb" <= character <= "\U0001f3ff"):
        found |= JOINED  # a mark, or the colour of a skin
    if character == _ZERO_WIDTH_JOINER:
        found |= JOINER
    if character in SPACES:
        found |= SPACE
    hangul = any(first <= ord(character) <= last for first, last in _HANGUL)
    if not hangul and (width == 2 or "\uff61" <= character <= "\uff9f"):  # half-width kana
        found |= WIDE
    return found


def are_one(before: str, after: str) -> bool:
    """Whether they are parts of one character: an emoji, a flag, a letter with its marks."""
    if after < "\u0300":
        return False
    its, last = traits(after), traits(before)
    return bool(its & JOINED or last & JOINER or its & last & FLAG)


def may_part_at_space(before: str, after: str) -> bool:
    """Whether a line may break at the spaces between them."""
    if (
        traits(after) & CLINGS
        and after not in _FREE_AT_SPACE
        and (after not in "”’" or is_cjk(before))
    ):
        return False
    opens = traits(before) & HOLDS and (before in "￥＄￡￦" or category(before) in {"Ps", "Pi"})
    return not opens or (before in "“‘" and not is_cjk(after))


def _stick(before: str, after: str) -> bool:
    """Whether they stay on one line even in what has no place to break, if that is possible."""
    ascii_only = before < "\x7f" and after < "\x7f"
    return not ascii_only and bool(traits(after) & CLINGS or traits(before) & HOLDS)


def is_break_dropped(before: str, after: str) -> bool:
    """Whether a line break in the source between them is no space: Chinese and Japanese have none.

    Source: CSS Text 3, section 4.1.3, which also leaves it between a quotation mark and them.
    """
    sides = [(traits(each) & WIDE and is_cjk(each), each) for each in (before, after)]
    return any(wide for wide, _ in sides) and all(wide or each in "“”‘’…—·" for wide, each in sides)


def folds(text: str, width: int, *, prose: bool = True) -> list[int]:
    """Where `text`, which has no better place to break, is to be parted to fit into `width`.

    A character with its marks stays whole, if need be alone on a line that is too narrow for it.

    Args:
        prose: what must not begin or end a line does not, if anything else is possible.
    """
    if text.isascii():
        return list(range(width, len(text), width))
    places: list[int] = []
    used = flags = 0
    # Where the line begins, the character, and the last good place; each with the cells before it.
    start = start_used = one = one_used = good = good_used = 0
    before = ""
    for place, after in enumerate(text):
        flag = "\U0001f1e6" <= after <= "\U0001f1ff"
        joined = place > 0 and are_one(before, after)
        if joined and flag and before != _ZERO_WIDTH_JOINER:
            joined = flags % 2 == 1
        flags = flags + 1 if flag else 0
        if not joined:
            one, one_used = place, used
            if not (prose and place and _stick(before, after)):
                good, good_used = place, used
        used += is_widened(before) if after == WIDENER and before else _width(after)
        while used - start_used > width and one > start:
            if good <= start:
                good, good_used = one, one_used
            places.append(good)
            start, start_used = good, good_used
        before = after
    return places


def shortened(text: str, width: int) -> str:
    """`text` in at most `width` cells, with `…` for what is left out."""
    if cells(text) <= width:
        return text
    kept = cut(text, width - 1)
    return f"{kept.rstrip() if cells(kept) < width else ''}…"


def cut(text: str, width: int) -> str:
    """What of `text` fits into `width` cells, at least one character of it."""
    return text[: next(iter(folds(text, max(width, 1), prose=False)), len(text))]
