"""Signs and words that no expression has, and what was most likely meant by them."""

from __future__ import annotations

import re
import unicodedata
from typing import Final

from services.alerts.domain.faults import Misread

_SIGNS: Final = {
    "=<": "<=",
    "=>": ">=",
    "<>": "!=",
    "=": "==",
    "&": "and",
    "|": "or",
    "!": "not",
    "'": '"…"',
    "–": "-",
    "−": "-",
    "≤": "<=",
    "≥": ">=",
    "≠": "!=",
    "“": '"…"',
    "”": '"…"',
}
_TURNED: Final = ("=<", "=>", "<>")
_DOUBLE: Final = ("&&", "||")

_WORDS: Final = {
    "và": "and",
    "hoặc": "or",
    "không": "not",
    "đúng": "true",
    "trong": "in",
    "có": "has",
}
_COMPARED: Final = {"không": "false", "sai": "false", "có": "true", "đúng": "true"}
"""What a word says behind == or !=."""
_MEASURES: Final = {"tiền": '"money"', "việc": '"cases"'}

_WORD: Final = re.compile(r"[^\W\d_][\w.]*")
_BEHIND_EQUALS: Final = re.compile(r"[=!]=\s*$")
_BEHIND_MEASURE: Final = re.compile(r"\bmeasure\s*[=!]=\s*$")


def foreign(text: str, at: int) -> bool:
    """Whether a turned sign begins here, or a word that is not of plain letters."""
    if text.startswith(_TURNED, at):
        return True
    word = _WORD.match(text, at)
    return word is not None and not word[0].isascii()


def unreadable(text: str, at: int) -> Misread:
    """What begins here cannot be read; why, and what to write instead."""
    word = _WORD.match(text, at)
    if word is not None:
        return _no_word(word[0], text, at)
    sign = text[at : at + 2] if text.startswith((*_TURNED, *_DOUBLE), at) else text[at]
    if sign == "/":
        return Misread(
            at,
            "Không có phép chia; hãy nhân vế bên kia.",
            "There is no division; multiply the other side instead.",
        )
    if sign == '"':
        return Misread(at, 'Thiếu dấu " đóng.', 'The closing " is missing.')
    if unicodedata.category(sign[0]) == "Zs":
        name = unicodedata.name(sign).lower().replace("no-break", "non-breaking")
        return Misread(
            at,
            f"Chỗ này là một dấu cách đặc biệt ({name}); hãy gõ dấu cách thường.",
            f"There is a {name} here; write a plain one.",
        )
    return Misread(
        at,
        f"Không đọc được ký tự {sign!r}.",
        f"The character {sign!r} cannot be read here.",
        _SIGNS.get(sign) or _SIGNS.get(sign[0]),
    )


def _no_word(word: str, text: str, at: int) -> Misread:
    before, small = text[:at], word.lower()
    instead = _WORDS.get(small)
    if _BEHIND_MEASURE.search(before):
        instead = _MEASURES.get(small)
    elif _BEHIND_EQUALS.search(before):
        instead = _COMPARED.get(small)
    return Misread(
        at,
        f"Biểu thức không có từ {word!r}; chữ thì đặt trong ngoặc kép.",
        f"An expression has no word {word!r}; a text stands in quotes.",
        instead,
    )
