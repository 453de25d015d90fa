"""Where in a rule file something stands: line and column, both from 1."""

from __future__ import annotations

import re
from typing import Final

from yaml import Node

_SOLID: Final = {
    '"': re.compile(r"\\[nrt]|(\\.|\S)"),
    "'": re.compile(r"(''|\S)"),
}
"""What stands for one character that is no blank: an escaped one is two."""
_AS_WRITTEN: Final = re.compile(r"(\S)")
_HEADER: Final = re.compile(r"[|>].*")


def place_of(node: Node | None) -> tuple[int, int]:
    """Where a value begins; the beginning of the file where there is none."""
    if node is None:
        return 1, 1
    return node.start_mark.line + 1, node.start_mark.column + 1


def place_within(node: Node, at: int) -> tuple[int, int]:
    """Where in the file a place within a scalar's text is.

    YAML folds lines and drops margins, so whatever is no blank is counted.
    """
    file, start, end = _inside(node)
    style = _SOLID.get(getattr(node, "style", None) or "", _AS_WRITTEN)
    solid = [each.span(1) for each in style.finditer(file, start, end) if each[1]]
    if not solid:
        return place_of(node)
    before = sum(not char.isspace() for char in node.value[:at])
    place = solid[before][0] if before < len(solid) else solid[-1][1]
    return file.count("\n", 0, place) + 1, place - file.rfind("\n", 0, place)


def _inside(node: Node) -> tuple[str, int, int]:
    """The whole file, and between which places of it the scalar's text stands."""
    file, start = node.start_mark.buffer or "", node.start_mark.pointer or 0
    end = node.end_mark.pointer or 0
    style = getattr(node, "style", None)
    if style in ("'", '"'):
        return file, start + 1, end - 1
    header = _HEADER.match(file, start) if style in ("|", ">") else None
    return file, header.end() if header else start, end
