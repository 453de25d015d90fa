"""Parts of a rule file that are read by themselves, whatever the others say."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final

from yaml import MappingNode, Node, ScalarNode

from services.alerts.domain import meant
from services.alerts.domain.checking import param_value
from services.alerts.domain.deadlines import MOST_STANDING
from services.alerts.domain.expressions import ParamTable
from services.alerts.domain.rules import (
    Deadline,
    Effective,
    Every,
    Inhibition,
    OnDay,
    Source,
    Step,
    Within,
)
from services.alerts.domain.vocabulary import NotAValue
from services.alerts.domain.watching import Watch
from services.alerts.rule_nodes import (
    choice_of,
    day_of,
    fields_of,
    is_null,
    items_of,
    pairs_of,
    text_of,
    whole_of,
)
from services.alerts.rule_problems import Refused, not_a_value, not_among

_ID: Final = re.compile(r"[a-z0-9]+(?:-[a-z0-9]+)*")
_PARENTS: Final = re.compile(r"parent(?:\.parent){0,4}")


def id_of(node: Node, key: str = "id") -> str:
    text = text_of(node, key)
    if not _ID.fullmatch(text) or len(text) > 64:
        raise Refused(
            node,
            key,
            "id gồm chữ thường, số và dấu gạch nối, tối đa 64 ký tự.",
            "An id is of small letters, digits and hyphens, at most 64.",
            meant.id(text),
        )
    return text


def version_of(node: Node) -> int:
    return whole_of(node, "version", least=1)


def watches_of(node: Node) -> Watch:
    return choice_of(node, "watches", Watch)


def group_by_of(node: Node) -> tuple[str, ...]:
    texts = [text_of(each, "group_by") for each in items_of(node, "group_by")]
    if texts != ["unit"]:
        raise not_among(node, "group_by", ", ".join(texts), ["[unit]"])
    return tuple(texts)


_SAME: Final = ("unit", "period", "measure", "category")


def inhibits_of(node: Node) -> tuple[Inhibition, ...]:
    return tuple(
        _inhibition(each, f"inhibits[{number}]")
        for number, each in enumerate(items_of(node, "inhibits", least=0))
    )


def _inhibition(node: Node, key: str) -> Inhibition:
    fields = fields_of(node, key, required=("rules", "same"))
    rules = [
        id_of(each, f"{key}.rules[{number}]")
        for number, each in enumerate(items_of(fields["rules"], f"{key}.rules"))
    ]
    same = []
    for each in items_of(fields["same"], f"{key}.same"):
        text = text_of(each, f"{key}.same")
        if text not in _SAME:
            raise not_among(each, f"{key}.same", text, list(_SAME))
        same.append(text)
    return Inhibition(tuple(rules), tuple(same))


def basis_of(node: Node) -> tuple[Source, ...]:
    return tuple(
        _source(each, f"basis[{number}]")
        for number, each in enumerate(items_of(node, "basis"))
    )


def _source(node: Node, key: str) -> Source:
    fields = fields_of(node, key, required=("document", "date"), optional=("at",))
    return Source(
        text_of(fields["document"], f"{key}.document"),
        day_of(fields["date"], f"{key}.date"),
        text_of(fields["at"], f"{key}.at") if "at" in fields else None,
    )


def effective_of(node: Node) -> Effective:
    fields = fields_of(node, "effective", required=("from",), optional=("to",))
    start = day_of(fields["from"], "effective.from")
    if "to" not in fields or is_null(fields["to"]):
        return Effective(start)
    end = day_of(fields["to"], "effective.to")
    if end <= start:
        raise Refused(
            fields["to"],
            "effective.to",
            "Ngày hết hiệu lực (không tính ngày đó) phải sau ngày bắt đầu.",
            "The first day out must come after the first day in.",
        )
    return Effective(start, end)


_FORMS: Final = (
    "{by: {day: 15, month: after_period}}",
    "{before: {day: 15, month: after_period}}",
    "{within: 5}",
    "{within: 4, from: period_end}",
    "{every: month, within: 2, from: period_end}",
    "{every: month, by: {day: 20, month: after_period}}",
)
"""What can stand after `due`; the last two in rules of cases."""
_WAYS: Final = ("by", "before", "within")


def deadline_of(node: Node) -> Deadline:
    if not isinstance(node, MappingNode):
        raise _formless(node)
    if "every" in pairs_of(node, "due"):
        return _every(node)
    fields = fields_of(node, "due", optional=(*_WAYS, "from"))
    return _one_way(node, fields)


def _formless(node: Node) -> Refused:
    """A bare number is most likely meant as working days."""
    forms = ", ".join(_FORMS)
    days = isinstance(node, ScalarNode) and re.fullmatch("[0-9]{1,3}", node.value)
    return Refused(
        node,
        "due",
        f"Hạn viết theo một trong các dạng, ví dụ: {forms}.",
        f"A due date has one of these forms, for example: {forms}.",
        f"{{within: {node.value}}}" if days else None,
    )


def _one_way(node: Node, fields: Mapping[str, Node]) -> OnDay | Within:
    ways = [way for way in _WAYS if way in fields]
    if len(ways) != 1 or ("from" in fields and ways != ["within"]):
        example = _FORMS[0]
        if "every" in fields:
            example = _FORMS[5].replace("month,", f"{fields['every'].value},", 1)
        raise Refused(
            node,
            "due",
            "Hạn là một trong by, before, within (within có thể kèm from); ví dụ:"
            f" {example}.",
            "A due date is one of by, before, within (which may take from); for"
            f" example: {example}.",
        )
    if ways == ["within"]:
        return _within(fields)
    return _on_day(fields[ways[0]], f"due.{ways[0]}", inclusive=ways == ["by"])


_MONTHS: Final = {"month": 1, "quarter": 3}


def _every(node: Node) -> Every:
    """A standing report counts from the end of its month, whether `from` says so or
    not, and is due in the month after it."""
    fields = fields_of(node, "due", required=("every",), optional=(*_WAYS, "from"))
    every = text_of(fields["every"], "due.every")
    if every not in _MONTHS:
        raise not_among(fields["every"], "due.every", every, list(_MONTHS))
    if "from" in fields and text_of(fields["from"], "due.from") != "period_end":
        given = text_of(fields["from"], "due.from")
        raise not_among(fields["from"], "due.from", given, ["period_end"])
    if "within" in fields:
        whole_of(fields["within"], "due.within", most=MOST_STANDING)
    due = _one_way(node, fields)
    if isinstance(due, Within):
        due = Within(due.working_days, from_period_end=True)
    return Every(_MONTHS[every], due)


def _on_day(node: Node, key: str, *, inclusive: bool) -> OnDay:
    fields = fields_of(node, key, required=("day", "month"))
    month = text_of(fields["month"], f"{key}.month")
    if month != "after_period":
        raise not_among(fields["month"], f"{key}.month", month, ["after_period"])
    number = whole_of(fields["day"], f"{key}.day", least=1, most=31)
    return OnDay(number, inclusive)


def _within(fields: Mapping[str, Node]) -> Within:
    days = whole_of(fields["within"], "due.within", least=0, most=366)
    if "from" not in fields:
        return Within(days)
    start = text_of(fields["from"], "due.from")
    if start not in ("period_end", "opening"):
        raise not_among(fields["from"], "due.from", start, ["period_end", "opening"])
    return Within(days, from_period_end=start == "period_end")


def steps_of(node: Node) -> tuple[Step, ...]:
    return tuple(
        _step(each, f"escalate[{number}]")
        for number, each in enumerate(items_of(node, "escalate", least=0))
    )


def _step(node: Node, key: str) -> Step:
    fields = fields_of(node, key, required=("after", "to"))
    to = text_of(fields["to"], f"{key}.to")
    if not _PARENTS.fullmatch(to):
        raise not_among(fields["to"], f"{key}.to", to, ["parent", "parent.parent"])
    return Step(_after(fields["after"], f"{key}.after"), to.count("parent"))


def _after(node: Node, key: str) -> int | None:
    if isinstance(node, MappingNode):
        fields = fields_of(node, key, required=("working_days",))
        return whole_of(fields["working_days"], f"{key}.working_days", most=366)
    text = text_of(node, key)
    if text != "due":
        raise not_among(node, key, text, ["due", "{working_days: 3}"])
    return None


def param_table_of(node: Node, key: str) -> ParamTable:
    rows = []
    for number, each in enumerate(items_of(node, key)):
        place = f"{key}[{number}]"
        fields = fields_of(
            each, place, required=("from", "value"), optional=("document", "at")
        )
        text = text_of(fields["value"], f"{place}.value")
        try:
            value = param_value(text)
        except NotAValue:
            raise not_a_value(fields["value"], f"{place}.value", text) from None
        rows.append((day_of(fields["from"], f"{place}.from"), value))
    days = [first_day for first_day, _ in rows]
    if days != sorted(set(days)):
        raise Refused(
            node,
            key,
            "Các giá trị phải theo thứ tự ngày, mỗi ngày một giá trị.",
            "The values must stand in the order of their days, one for each.",
        )
    return tuple(rows)
