"""Numbers as letters and newcomers write them, and how a rule writes the same."""

from __future__ import annotations

import re
from collections.abc import Iterable
from decimal import Decimal
from typing import Final

_SCALES: Final = {
    **dict.fromkeys(("nghìn", "ngàn", "nghin", "thousand"), 3),
    **dict.fromkeys(("triệu", "trieu", "million"), 6),
    **dict.fromkeys(("tỷ", "tỉ", "ty", "billion"), 9),
}
"""Words for powers of ten; from a million on it is money that they count."""

_UNITS: Final = {
    **dict.fromkeys(("đồng", "dong", "đ", "vnđ", "vnd"), "vnd"),
    **dict.fromkeys(("%", "phần trăm"), "%"),
    **dict.fromkeys(("pp", "điểm phần trăm", "điểm %", "điểm"), "pp"),
    **dict.fromkeys(("cases", "việc", "vụ việc"), "cases"),
    **dict.fromkeys(("wdays", "ngày làm việc", "working days", "working day"), "wdays"),
    **dict.fromkeys(("days", "ngày"), "days"),
    **dict.fromkeys(("year", "năm"), "year"),
    **dict.fromkeys(("month", "tháng"), "month"),
}
"""How units are called, and how a rule writes them."""


def _words(known: Iterable[str]) -> str:
    longest_first = sorted(known, key=len, reverse=True)
    return f"(?:{'|'.join(map(re.escape, longest_first))})(?!\\w)"


_NUMBER: Final = re.compile(
    r"(?P<whole>-?(?:[1-9][0-9]{0,2}(?:[.,][0-9]{3})+(?![0-9])|[0-9][0-9_]*))"
    r"(?:[.,](?P<part>[0-9]+))?"
    rf"(?P<scales>(?:[ \t]*{_words(_SCALES)}){{0,2}})"
    rf"(?:[ \t]*(?P<unit>{_words(_UNITS)}))?",
    re.IGNORECASE,
)
_LONGEST: Final = 60


def rewritten(text: str, at: int = 0, *, whole: bool = False) -> tuple[str, str] | None:
    """What stands there and how a rule writes it; None where that is the same.

    A dot before three digits can be either sign. It stands between thousands if the
    number has several, a word of money, or can be nothing but `whole`.

    >>> rewritten("20 tỷ đồng")
    ('20 tỷ đồng', '20_000_000_000 vnd')
    >>> rewritten("52,5 %")
    ('52,5 %', '52.5 %')
    """
    found = _NUMBER.match(text, at)
    if found is None or len(found[0]) > _LONGEST:
        return None
    word = (found["unit"] or "").lower()
    scales = [_SCALES[one] for one in found["scales"].lower().split()]
    unit = "vnd" if max(scales, default=0) > 3 else _UNITS.get(word, "")
    groups, part = re.split("[.,]", found["whole"]), found["part"] or ""
    doubtful = len(groups) == 2 and "." in found["whole"] and not part and not scales
    if doubtful and not whole and unit in ("", "%", "pp"):
        groups, part = groups[:1], groups[1]
    number = Decimal(f"{''.join(groups)}.{part or 0}").scaleb(sum(scales))
    signs = len(groups) > 1 or "," in found[0]
    if not signs and not scales and found["unit"] in (None, unit):
        return None
    plain = f"{number.normalize():,f}".replace(",", "_")
    return found[0], f"{plain} {unit}".rstrip()
