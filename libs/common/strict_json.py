"""JSON read strictly: what two readers could understand differently is refused."""

from __future__ import annotations

import json
from json import JSONDecodeError

DEEPEST = 32
"""Nesting beyond this is refused, so no body can exhaust a reader's stack."""


def loads(body: bytes) -> object:
    """Parse UTF-8 JSON without NaN, duplicate keys, lone surrogates or deep nesting.

    Raises json.JSONDecodeError, whose message says what to send instead.
    """
    try:
        text = body.decode("utf-8")
    except UnicodeDecodeError as error:
        raise JSONDecodeError("not UTF-8", "", error.start) from None
    try:
        value = json.loads(text, object_pairs_hook=_unique, parse_constant=_refuse)
    except RecursionError:
        raise JSONDecodeError("nested too deeply", "", 0) from None
    except JSONDecodeError:
        raise
    except ValueError as error:  # digits beyond the interpreter's limit, and ours
        raise JSONDecodeError(str(error), "", 0) from None
    _check(value, depth=1)
    return value


def _unique(pairs: list[tuple[str, object]]) -> dict[str, object]:
    found = dict(pairs)
    if len(found) != len(pairs):
        seen: set[str] = set()
        double = next(k for k, _ in pairs if k in seen or seen.add(k))  # type: ignore[func-returns-value]
        raise ValueError(f"the key {double!r} stands twice in one object")
    return found


def _refuse(constant: str) -> object:
    raise ValueError(f"{constant} is not a JSON number")


def _check(value: object, depth: int) -> None:
    if depth > DEEPEST and isinstance(value, dict | list):
        raise JSONDecodeError(f"nested deeper than {DEEPEST} levels", "", 0)
    match value:
        case str():
            if any("\ud800" <= letter <= "\udfff" for letter in value):
                raise JSONDecodeError("a lone surrogate in a string", "", 0)
        case float() if value in (float("inf"), float("-inf")):
            raise JSONDecodeError("a number out of range", "", 0)
        case dict():
            for key, member in value.items():
                _check(key, depth)
                _check(member, depth + 1)
        case list():
            for member in value:
                _check(member, depth + 1)
        case _:
            pass
