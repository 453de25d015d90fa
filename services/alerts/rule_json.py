"""A rule as the API gives it."""

from __future__ import annotations

from collections.abc import Mapping

from services.alerts.domain.expressions import ParamTable
from services.alerts.domain.rules import (
    Deadline,
    Every,
    Example,
    OnDay,
    Rule,
    SeverityRow,
    Source,
    Step,
)
from services.alerts.domain.vocabulary import Bilingual
from services.alerts.rule_problems import Json


def dump(rule: Rule) -> dict[str, Json]:
    """A rule part by part, its expressions as they were written."""
    return {
        "id": rule.id,
        "version": rule.version,
        "title": _both(rule.title),
        "basis": [_dump_source(source) for source in rule.basis],
        "effective": _without_none(
            {
                "from": rule.effective.start.isoformat(),
                "to": rule.effective.end.isoformat() if rule.effective.end else None,
            }
        ),
        "watches": rule.watches.value,
        "where": rule.where.text if rule.where else None,
        "when": rule.when.text,
        "unknown": rule.unknown.value,
        "severity": [_dump_severity(row) for row in rule.severity],
        "owes": rule.owes.value,
        "due": _dump_due(rule.due),
        "escalate": [_dump_step(step) for step in rule.escalate],
        "closes": rule.closes.value,
        "message": _both(rule.message) if rule.message else None,
        "group_by": list(rule.group_by) or None,
        "inhibits": [
            {"rules": list(one.rules), "same": list(one.same)} for one in rule.inhibits
        ],
        "visibility": rule.visibility.value,
        "params": {name: _dump_param(table) for name, table in rule.params.items()},
        "examples": [_dump_example(example) for example in rule.examples],
    }


def _both(words: Bilingual) -> dict[str, Json]:
    return {"vi": words.vi, "en": words.en}


def _without_none(fields: Mapping[str, Json]) -> dict[str, Json]:
    return {key: value for key, value in fields.items() if value is not None}


def _dump_source(source: Source) -> dict[str, Json]:
    return _without_none(
        {
            "document": source.document,
            "date": source.date.isoformat(),
            "at": source.at,
        }
    )


def _dump_severity(row: SeverityRow) -> dict[str, Json]:
    text = row.condition.text if row.condition else None
    return _without_none({"if": text, "is": row.severity.value})


def _dump_due(due: Deadline | None) -> Json:
    if due is None:
        return None
    if isinstance(due, Every):
        every = "month" if due.months == 1 else "quarter"
        one = _dump_due(due.due)
        return {"every": every} | (one if isinstance(one, dict) else {})
    if isinstance(due, OnDay):
        on_day: Json = {"day": due.day, "month": "after_period"}
        return {"by" if due.inclusive else "before": on_day}
    within: dict[str, Json] = {"within": due.working_days}
    return within | ({"from": "period_end"} if due.from_period_end else {})


def _dump_step(step: Step) -> dict[str, Json]:
    days = step.working_days
    after: Json = "due" if days is None else {"working_days": days}
    return {"after": after, "to": ".".join(["parent"] * step.levels)}


def _dump_param(table: ParamTable) -> Json:
    return [
        {"from": first_day.isoformat(), "value": value.text}
        for first_day, value in table
    ]


def _dump_example(example: Example) -> dict[str, Json]:
    expect = example.expect
    given: dict[str, Json] = {}
    for name, value in example.given.items():
        given[name] = list(value) if isinstance(value, list) else value
    return {
        "given": given,
        "expect": _without_none(
            {
                "fires": expect.fires,
                "held": expect.held,
                "severity": expect.severity.value if expect.severity else None,
                "due": expect.due.isoformat() if expect.due else None,
            }
        ),
    }
