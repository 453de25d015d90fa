"""What rows say, by column: one look at a column tells of all its values."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from operator import itemgetter

from services.alerts.domain.vocabulary import Facts, Value

Column = Sequence[Value | None]
"""What each row says of one name; None where it is not known."""


@dataclass(frozen=True, slots=True)
class Columns:
    """Rows, and what each of them says of some names."""

    rows: Sequence[Facts]
    said: Mapping[str, Column]
    sound: bool = False
    """Whether every value is known to be of its own type, and every text composed."""

    @classmethod
    def of(cls, rows: Sequence[Facts], names: Iterable[str]) -> Columns:
        """What these rows say of these names, right or wrong."""
        wanted = list(names)
        return cls(rows, dict(zip(wanted, _columns(rows, wanted), strict=True)))

    def only(self, places: Sequence[int]) -> Columns:
        """The rows in these places."""
        said = {
            name: [column[place] for place in places]
            for name, column in self.said.items()
        }
        return Columns([self.rows[place] for place in places], said, self.sound)


def _columns(rows: Sequence[Facts], names: Sequence[str]) -> Sequence[Column]:
    if rows and len(names) > 1:
        with suppress(KeyError):
            return list(zip(*map(itemgetter(*names), rows), strict=True))
    return [[row.get(name) for row in rows] for name in names]


def is_sound(column: Column, wanted: type) -> bool:
    """Whether all that is known is of this very type, and texts are composed."""
    if not set(map(type, column)) <= {wanted, type(None)}:
        return False
    return wanted is not str or all(map(is_composed, set(column)))


def is_composed(text: Value | None) -> bool:
    """Whether a text is as it is compared; what is no text is."""
    if not isinstance(text, str) or text.isascii():
        return True
    return unicodedata.is_normalized("NFC", text)
