"""The JSON Schema of a rule file, made of the words that the loader takes."""

from __future__ import annotations

from enum import StrEnum
from typing import Any, Final

from services.alerts.domain.deadlines import MOST_STANDING
from services.alerts.domain.rules import Closes, Owes, Severity, Unknown, Visibility
from services.alerts.domain.syntax import MAX_CHARACTERS
from services.alerts.domain.watching import Watch
from services.alerts.rule_nodes import MAX_TEXT
from services.alerts.rulebook import OPTIONAL, REQUIRED

Schema = dict[str, Any]


def _object(
    required: dict[str, Schema] | None = None,
    optional: dict[str, Schema] | None = None,
    **more: Any,
) -> Schema:
    required, optional = required or {}, optional or {}
    return {
        "type": "object",
        "properties": required | optional,
        "required": list(required),
        "additionalProperties": False,
        **more,
    }


def _list(items: Schema, least: int = 1) -> Schema:
    return {"type": "array", "items": items, "minItems": least}


def _choice(words: type[StrEnum]) -> Schema:
    return {"enum": [word.value for word in words]}


def _whole(least: int, most: int) -> Schema:
    return {"type": "integer", "minimum": least, "maximum": most}


def _or_null(schema: Schema) -> Schema:
    return {"anyOf": [schema, {"type": "null"}]}


def _between(*schemas: Schema) -> Schema:
    return {"oneOf": list(schemas)}


_TEXT: Schema = {"type": "string", "pattern": r"\S", "maxLength": MAX_TEXT}
_EXPRESSION: Schema = {"type": "string", "pattern": r"\S", "maxLength": MAX_CHARACTERS}
_DAY: Schema = {"type": "string", "pattern": r"^\d{4}-\d{2}-\d{2}$"}
_ID: Schema = {
    "type": "string",
    "pattern": r"^[a-z0-9]+(-[a-z0-9]+)*$",
    "maxLength": 64,
}
_BOTH = _object({"vi": _TEXT, "en": _TEXT})
_ON_DAY = _object({"day": _whole(1, 31), "month": {"const": "after_period"}})
_VALUE: Schema = {"type": ["string", "number", "boolean"]}
_GIVEN: Schema = {
    "type": "object",
    "additionalProperties": _or_null({"anyOf": [_VALUE, _list({"type": "string"}, 0)]}),
}

_DUE = _between(
    _object({"by": _ON_DAY}),
    _object({"before": _ON_DAY}),
    _object({"within": _whole(0, 366)}, {"from": {"enum": ["period_end", "opening"]}}),
    _object(
        {"every": {"enum": ["month", "quarter"]}, "within": _whole(0, MOST_STANDING)},
        {"from": {"const": "period_end"}},
    ),
    _object({"every": {"enum": ["month", "quarter"]}, "by": _ON_DAY}),
    _object({"every": {"enum": ["month", "quarter"]}, "before": _ON_DAY}),
)
_AFTER: Schema = {
    "anyOf": [{"const": "due"}, _object({"working_days": _whole(0, 366)})]
}
_TO: Schema = {"type": "string", "pattern": r"^parent(\.parent){0,4}$"}
_SAME: Schema = {"enum": ["unit", "period", "measure", "category"]}
_EXPECT = _object(
    optional={
        "fires": {"type": "boolean"},
        "held": {"type": "boolean"},
        "severity": _choice(Severity),
        "due": _DAY,
    },
    minProperties=1,
)

_PARTS: Final[dict[str, Schema]] = {
    "id": _ID,
    "version": _whole(1, 10**9 - 1),
    "title": _BOTH,
    "basis": _list(_object({"document": _TEXT, "date": _DAY}, {"at": _TEXT})),
    "effective": _object({"from": _DAY}, {"to": _or_null(_DAY)}),
    "watches": _choice(Watch),
    "where": _EXPRESSION,
    "when": _EXPRESSION,
    "unknown": _choice(Unknown),
    "severity": _list(_object({"is": _choice(Severity)}, {"if": _EXPRESSION})),
    "owes": _choice(Owes),
    "due": _DUE,
    "escalate": _list(_object({"after": _AFTER, "to": _TO}), 0),
    "closes": _choice(Closes),
    "message": _BOTH,
    "group_by": {"const": ["unit"]},
    "inhibits": _list(_object({"rules": _list(_ID), "same": _list(_SAME)}), 0),
    "visibility": _choice(Visibility),
    "params": {
        "type": "object",
        "propertyNames": {"pattern": "^[a-z_][a-z0-9_]*$"},
        "additionalProperties": _list(
            _object(
                {"from": _DAY, "value": {"type": ["string", "number"]}},
                {"document": _TEXT, "at": _TEXT},
            )
        ),
    },
    "examples": _list(_object({"given": _GIVEN, "expect": _EXPECT}), 0),
}

_DUE_BY_PERIOD: Final[Schema] = {
    "type": "object",
    "not": {"required": ["every"]},
    "anyOf": [
        {"required": ["by"]},
        {"required": ["before"]},
        {
            "required": ["within", "from"],
            "properties": {"from": {"const": "period_end"}},
        },
    ],
}
_OF_CASES: Final[Schema] = {"properties": {"watches": {"const": Watch.CASE.value}}}
_OWING_NOTHING: Final[Schema] = {"properties": {"owes": {"const": Owes.NOTHING.value}}}

FILE_SCHEMA: Final[Schema] = {
    "$schema": "https://json-schema.org/draft/2020-12/schema",
    "title": "A rule of dondoc",
    **_object(
        {key: _PARTS[key] for key in REQUIRED},
        {key: _or_null(_PARTS[key]) for key in OPTIONAL},
    ),
    "allOf": [
        {
            "if": _OF_CASES,
            "then": {
                "required": ["group_by"],
                "properties": {"due": {"not": _DUE_BY_PERIOD}},
            },
            "else": {
                "properties": {
                    "group_by": {"type": "null"},
                    "due": {"not": {"type": "object", "required": ["every"]}},
                }
            },
        },
        {
            "if": _OWING_NOTHING,
            "then": {
                "properties": {
                    "due": {"type": "null"},
                    "closes": {"const": Closes.DATA.value},
                }
            },
            "else": {"required": ["due"]},
        },
    ],
}
"""What an editor can know of a rule file: keys, shapes and words."""
