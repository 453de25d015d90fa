"""Vietnamese names: their order, and which known ones an unknown name resembles."""

from __future__ import annotations

import difflib
import unicodedata
from collections.abc import Iterable

_LETTERS = "aăâbcdđeêfghijklmnoôơpqrstuưvwxyz"
_CLOSE = 0.6
_TONES = "\u0300\u0309\u0303\u0301\u0323"  # huyền, hỏi, ngã, sắc, nặng


def sort_key(text: str) -> str:
    """A key whose byte order is Vietnamese order, on every PostgreSQL.

    >>> sorted(["Đà Nẵng", "Dak", "An Giang", "Ăn"], key=sort_key)
    ['An Giang', 'Ăn', 'Dak', 'Đà Nẵng']
    """
    base, tone = [], []
    for letter in unicodedata.normalize("NFC", text).lower():
        parts = unicodedata.normalize("NFD", letter)
        mark = next((part for part in parts if part in _TONES), "")
        bare = unicodedata.normalize("NFC", parts.replace(mark, "")) if mark else letter
        base.append(chr(0x100 + _LETTERS.index(bare)) if bare in _LETTERS else bare)
        tone.append(str(_TONES.index(mark) + 1) if mark else "0")
    return "".join(base) + "\x01" + "".join(tone)


def folded(text: str) -> str:
    """A name without case, spacing, punctuation, tones or marks, for likeness only.

    >>> folded("Hoà  Bình") == folded("HÒA BÌNH")
    True
    """
    plain = unicodedata.normalize("NFD", text.casefold().replace("đ", "d"))
    return "".join(letter for letter in plain if letter.isalnum())


def nearest(name: str, known: Iterable[tuple[str, str]], most: int = 3) -> list[str]:
    """The codes whose (code, name) pair is most like what was written; never a guess.

    >>> nearest("Tra Vihn", [("TV", "Trà Vinh"), ("HN", "Hà Nội")])
    ['TV']
    """
    matcher = difflib.SequenceMatcher(None, b=folded(name))
    likeness: dict[str, float] = {}
    for code, spelling in known:
        for form in (folded(code), folded(spelling)):
            matcher.set_seq1(form)
            # The quick ones are upper bounds: most names need no closer look.
            if min(matcher.real_quick_ratio(), matcher.quick_ratio()) >= _CLOSE:
                likeness[code] = max(matcher.ratio(), likeness.get(code, 0))
    close = [code for code in likeness if likeness[code] >= _CLOSE]
    return sorted(close, key=lambda code: (-likeness[code], code))[:most]
