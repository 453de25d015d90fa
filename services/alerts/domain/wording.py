"""What a matter says in words: a rule's message with the figures filled in."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

from services.alerts.domain.vocabulary import Bilingual, Printed

BESIDE = ("unit.name", "period", "due", "members")
"""Places that a message may fill beside the words of what it watches."""

_PLACE = re.compile(r"\{([^{}]*)\}")
_DECIMAL = re.compile(r"-?[0-9]+\.[0-9]+")


def places(template: str) -> Iterator[tuple[str, int]]:
    """Every `{name}` of a template, and where it begins."""
    for found in _PLACE.finditer(template):
        yield found[1], found.start()


def worded(message: Bilingual, values: Mapping[str, Printed]) -> dict[str, str]:
    """The message in both languages; what is not known says so."""
    return {
        "vi": _filled(message.vi, values, unknown="chưa rõ", comma=","),
        "en": _filled(message.en, values, unknown="unknown", comma="."),
    }


def _filled(
    template: str, values: Mapping[str, Printed], *, unknown: str, comma: str
) -> str:
    def place(found: re.Match[str]) -> str:
        value = values.get(found[1])
        if value is None:
            return unknown
        if isinstance(value, list):
            return ", ".join(value)
        text = str(value)
        return text.replace(".", comma) if _DECIMAL.fullmatch(text) else text

    return _PLACE.sub(place, template)
