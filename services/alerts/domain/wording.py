"""What a matter says in words: a rule's message with the figures filled in."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from functools import lru_cache

from services.alerts.domain.vocabulary import Bilingual, Printed

BESIDE = ("unit.name", "period", "due", "members")
"""Places that a message may fill beside the words of what it watches."""

_PLACE = re.compile(r"\{([^{}]*)\}")
_DECIMAL = re.compile(r"-?[0-9]+\.[0-9]+")


def places(template: str) -> Iterator[tuple[str, int]]:
    """Every `{name}` of a template, and where it begins."""
    for found in _PLACE.finditer(template):
        yield found[1], found.start()


def stray_brace(template: str) -> int | None:
    """Where a `{` stands that nothing closes, or a `}` that nothing opens."""
    places = [found.span() for found in _PLACE.finditer(template)]
    for found in re.finditer("[{}]", template):
        if not any(start <= found.start() < end for start, end in places):
            return found.start()
    return None


@lru_cache(maxsize=1000)
def mentioned(message: Bilingual) -> frozenset[str]:
    """Every name that a message fills in, in either language."""
    templates = (message.vi, message.en)
    return frozenset(name for each in templates for name, _ in places(each))


def worded(message: Bilingual, values: Mapping[str, Printed]) -> dict[str, str]:
    """The message in both languages; what is not known says so."""
    return {
        "vi": _filled(message.vi, values, unknown="chưa rõ", comma=","),
        "en": _filled(message.en, values, unknown="unknown", comma="."),
    }


def _filled(
    template: str, values: Mapping[str, Printed], *, unknown: str, comma: str
) -> str:
    texts, names = _parts(template)
    filled = [texts[0]]
    for name, text in zip(names, texts[1:], strict=True):
        value = values.get(name)
        if value is None:
            filled.append(unknown)
        elif isinstance(value, list):
            filled.append(", ".join(value))
        else:
            filled.append(_written(str(value), comma))
        filled.append(text)
    return "".join(filled)


def _written(value: str, comma: str) -> str:
    return value.replace(".", comma) if _DECIMAL.fullmatch(value) else value


@lru_cache(maxsize=1000)
def _parts(template: str) -> tuple[list[str], list[str]]:
    """The texts around the places, one more than there are places, and their names."""
    parts = _PLACE.split(template)
    return parts[::2], parts[1::2]
