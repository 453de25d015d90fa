"""Which unit a printed name means on a day: one, or none and the nearest ones."""

from __future__ import annotations

import unicodedata
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import Literal

from libs.common.problems import Text
from services.ingest.domain.names import nearest
from services.ingest.domain.tree import Unit

By = Literal["name", "code", "state_code"]
STATE_CODES = "gso"
LONGEST = 500
"""Letters of a name that is compared; titles, labels and names have at most 300."""

MOST_HINTS = 10
"""Unknown names answered with the nearest: comparing with all takes time."""

_TONES = "\u0300\u0309\u0303\u0301\u0323"
_VOWELS = frozenset("aeiouy\u0306\u0302\u031b")
_HYPHENS = dict.fromkeys(map(ord, "‐‑‒–—−"), "-")


def spelling(name: str) -> str:
    """A name without case, spacing and tone placement; its tones and marks stay.

    >>> spelling("HÒA  BÌNH") == spelling("Hoà Bình") != spelling("Hoa Binh")
    True
    """
    if len(name) > LONGEST:
        return name
    words = unicodedata.normalize("NFD", name.casefold()).translate(_HYPHENS).split()
    return unicodedata.normalize("NFC", "".join(_tone_last(word) for word in words))


def _tone_last(word: str) -> str:
    """The tone of each run of vowels behind it: `hòa` and `hoà` become `hoa` + tone."""
    made, tones = "", ""
    for letter in word:
        if letter in _TONES:
            tones += letter
            continue
        if letter not in _VOWELS:
            made, tones = made + _spaced(tones), ""
        made += letter
    return made + _spaced(tones)


def _spaced(tones: str) -> str:
    # Apart from the letter before it, or NFC would join the two again.
    return f" {tones}" if tones else ""


@dataclass(frozen=True, slots=True)
class Found:
    """The unit's code, or why there is none: a stable code and a message."""

    unit: str | None
    code: str = ""
    message: Text | None = None


@dataclass(slots=True)
class Naming:
    """The units that a key sees, by every name that they have on one day.

    `began` says since when units that others became exist: they may also report
    periods before.
    """

    units: Sequence[Unit]
    day: date
    began: Mapping[str, date]
    labels: Mapping[str, str]
    hints: dict[str, str] = field(default_factory=dict)
    _names: dict[str, dict[int, set[str]]] = field(init=False)
    _state: dict[str, set[str]] = field(init=False)

    def __post_init__(self) -> None:
        self._names = defaultdict(lambda: defaultdict(set))
        self._state = defaultdict(set)
        for unit in self.units:
            nearness = self._nearness(unit)
            for name in (unit.name, *unit.aliases):
                self._names[spelling(name)][nearness].add(unit.code)
            for state in unit.codes:
                if state["scheme"] == STATE_CODES and _holds(state, self.day):
                    self._state[str(state["code"])].add(unit.code)

    def _nearness(self, unit: Unit) -> int:
        """0 in force, 1 reporting about the time before it existed, 2 not standing."""
        if unit.in_force(self.day):
            return 0
        began = self.began.get(unit.code)
        return 1 if began is not None and self.day < began else 2

    def of(self, text: str, by: By, *, digits: bool = False) -> Found:
        """The unit of this name or code; `digits` says a number cell lost its zeros."""
        if by == "state_code":
            codes = self._state.get(text, set())
            if digits and not codes:
                codes = {
                    unit
                    for state, units in self._state.items()
                    if state.lstrip("0") == text
                    for unit in units
                }
            return self._one(text, codes)
        known = {unit.code for unit in self.units}
        if by == "code":
            return self._one(text, {text} & known)
        label = self.labels.get(spelling(text))
        if label is not None:
            return self._one(text, {label} & known)
        by_nearness = self._names.get(spelling(text), {})
        nearest_ones = by_nearness[min(by_nearness)] if by_nearness else set()
        return self._one(text, nearest_ones or ({text} & known))

    def _one(self, text: str, codes: Iterable[str]) -> Found:
        found = sorted(codes)
        if len(found) == 1:
            return Found(found[0])
        if found:
            return Found(None, "ambiguous_unit", _ambiguous(text, self._shown(found)))
        return Found(None, "unknown_unit", _unknown(text, self._like(text)))

    def _like(self, text: str) -> str:
        key = spelling(text)[:80]
        if key not in self.hints and len(self.hints) < MOST_HINTS:
            known = [
                (unit.code, name)
                for unit in self.units
                if self._nearness(unit) < 2
                for name in (unit.name, *unit.aliases)
            ]
            self.hints[key] = self._shown(nearest(text[:80], known))
        return self.hints.get(key, "")

    def _shown(self, codes: Sequence[str]) -> str:
        """Codes with their names: `Đồng Tháp (DT)`."""
        names = {u.code: u.name for u in self.units}
        names |= {u.code: u.name for u in self.units if u.in_force(self.day)}
        more = ", …" if len(codes) > 5 else ""
        return ", ".join(f"{names[code]} ({code})" for code in codes[:5]) + more


def _holds(state: Mapping[str, object], day: date) -> bool:
    """Whether a state code names its unit on a day; its days are written text."""
    first, end = state.get("from"), state.get("to")
    return (first is None or str(first) <= day.isoformat()) and (
        end is None or day.isoformat() < str(end)
    )


def _unknown(text: str, like: str) -> Text:
    shown = text[:80]
    return Text(
        f"Không có đơn vị «{shown}»." + (f" Gần giống: {like}." if like else ""),
        f"There is no unit {shown!r}." + (f" Nearest: {like}." if like else ""),
    )


def _ambiguous(text: str, like: str) -> Text:
    shown = text[:80]
    return Text(
        f"«{shown}» là tên của nhiều đơn vị: {like}; hãy ghi mã đơn vị.",
        f"{shown!r} names several units: {like}; write the unit's code.",
    )
