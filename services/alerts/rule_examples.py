"""Examples of a rule file, which its rule must bear out."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date

from yaml import Node, SequenceNode

from libs.common.periods import InvalidPeriod, Period
from libs.common.working_days import working_days
from services.alerts.domain.deadlines import due_of
from services.alerts.domain.rules import (
    Every,
    Example,
    Expectation,
    Outcome,
    Rule,
    Severity,
    Within,
)
from services.alerts.domain.vocabulary import (
    Kind,
    Name,
    Names,
    NotAValue,
    Printed,
    Value,
    read,
)
from services.alerts.domain.watching import CLOSED
from services.alerts.engine.native import CompiledRule
from services.alerts.rule_nodes import (
    choice_of,
    day_of,
    fields_of,
    flag_of,
    is_null,
    items_of,
    pairs_of,
    text_of,
)
from services.alerts.rule_problems import (
    Refused,
    not_a_period,
    not_a_value,
    not_among,
    unknown_key,
)


def example_of(node: Node, key: str, names: Names) -> Example:
    """One example, with what follows from its facts."""
    fields = fields_of(node, key, required=("given", "expect"))
    given = pairs_of(fields["given"], f"{key}.given")
    period = _period(given, key)
    facts: dict[str, Value | None] = {}
    for name, (name_node, value) in given.items():
        if name != "period":
            word = _word(name_node, name, f"{key}.given", names)
            facts[name] = fact_of(value, word, f"{key}.given.{name}")
    at = facts.get("at")
    return Example(
        given={name: _as_given(value) for name, (_, value) in given.items()},
        facts=completed(facts, period),
        period_end=period.end if period else None,
        at=date.fromordinal(at) if isinstance(at, int) else None,
        expect=_expectation(fields["expect"], f"{key}.expect"),
    )


def hold(compiled: CompiledRule, example: Example, key: str, node: Node) -> None:
    """Refuse an example that the rule does not bear out."""
    verdict = compiled.judge(example.facts)
    if verdict is None:
        _hold_in_force(compiled.rule, example, key, node)
    elif "days_left" in verdict.missing and example.at is None:
        _hold_on_a_day(example, key, node)
    outcome = verdict.outcome if verdict else None
    severity = verdict.severity if verdict else None
    expect = example.expect
    missing = ", ".join(verdict.missing) if verdict else ""
    came = f"{outcome or 'out of scope'}{f' (missing: {missing})' if missing else ''}"
    if expect.fires is not None and expect.fires is not (outcome is Outcome.FIRED):
        raise _fails(node, key, f"fires: {_said(expect.fires)}", came)
    if expect.fires is False and expect.held is None and outcome is Outcome.HELD:
        raise _fails(node, key, "fires: false", came, "held: true")
    if expect.held is not None and expect.held is not (outcome is Outcome.HELD):
        raise _fails(node, key, f"held: {_said(expect.held)}", came)
    if expect.severity is not None and expect.severity is not severity:
        raise _fails(node, key, f"severity: {expect.severity}", str(severity or came))
    if expect.due is not None:
        _hold_due(compiled.rule, example, node, key)


def _hold_in_force(rule: Rule, example: Example, key: str, node: Node) -> None:
    """An example of a day on which the rule is not in force says so, if it expects."""
    end, expect = example.facts.get("period.end"), example.expect
    if not isinstance(end, int) or not (expect.fires or expect.held or expect.severity):
        return
    day = date.fromordinal(end)
    if rule.effective.covers(day):
        return
    first, last = rule.effective.start, rule.effective.end
    raise Refused(
        node,
        key,
        f"Ví dụ không đúng: {day} nằm ngoài hiệu lực của quy tắc, từ {first}"
        + (f" đến trước {last}." if last else "."),
        f"The example does not hold: {day} is outside the rule's `effective`, from"
        f" {first}" + (f" to before {last}." if last else "."),
    )


def _hold_on_a_day(example: Example, key: str, node: Node) -> None:
    """Days that are left count from a day, which a period does not say."""
    expect = example.expect
    if not expect.held and (expect.fires is not None or expect.severity is not None):
        raise Refused(
            node,
            f"{key}.given",
            "Ví dụ không đúng: held vì thiếu days_left, là số ngày tính từ ngày đánh"
            " giá; hãy cho ngày đó (at).",
            "The example does not hold: it is held, for days_left is missing, which"
            " counts from the day of the evaluation; give `at`.",
            "at: …",
        )


def _hold_due(rule: Rule, example: Example, node: Node, key: str) -> None:
    opening = isinstance(rule.due, Every) or (
        isinstance(rule.due, Within) and not rule.due.from_period_end
    )
    if example.at is None if opening else example.period_end is None:
        raise Refused(
            node,
            f"{key}.given",
            "Để tính hạn, given phải có kỳ (period) hoặc ngày (at).",
            "To know the due date, `given` must say the period or the day (at).",
            "at: …" if opening else "period: …",
        )
    due = due_of(
        rule.due,
        period_end=example.period_end or date.min,
        opened_on=example.at or date.min,
        is_working=working_days(),
    )
    came = due.on if due else None
    if came != example.expect.due:
        raise _fails(node, key, f"due: {example.expect.due}", str(came))


def _period(given: Mapping[str, tuple[Node, Node]], key: str) -> Period | None:
    if "period" not in given:
        return None
    node = given["period"][1]
    try:
        return Period.parse(text_of(node, f"{key}.given.period"))
    except InvalidPeriod:
        raise not_a_period(node, f"{key}.given.period", str(node.value)) from None


def _word(node: Node, name: str, key: str, names: Names) -> Name:
    known = names.get(name)
    if known is None:
        raise unknown_key(node, key, name, ("period", *names))
    return known


def fact_of(node: Node, word: Name, key: str) -> Value | None:
    """A value as it is written for a name; null is unknown."""
    if is_null(node):
        return None
    if word.kind is Kind.LIST:
        texts = [text_of(each, key) for each in items_of(node, key, least=0)]
        return tuple(texts)
    text = text_of(node, key)
    if text not in CLOSED.get(word.name, (text,)):
        raise not_among(node, key, text, list(CLOSED[word.name]))
    try:
        return read(text, word.kind)
    except NotAValue:
        raise not_a_value(node, key, text, word.kind) from None


def _as_given(node: Node) -> Printed:
    if isinstance(node, SequenceNode):
        return [str(each.value) for each in node.value]
    return None if is_null(node) else str(node.value)


def completed(
    facts: Mapping[str, Value | None], period: Period | None
) -> dict[str, Value | None]:
    """What is given, and what follows from it: differences, days left, `met`."""
    rate, target = _number(facts, "rate"), _number(facts, "target.rate")
    follows: dict[str, Value | None] = {
        "last_year.points": _difference(rate, _number(facts, "last_year.rate")),
        "above_national": _difference(rate, _number(facts, "national.rate")),
    }
    if rate is not None and target is not None:
        more_than = facts.get("target.operator") == "more_than"
        met = rate > target if more_than else rate >= target
        follows |= {"met": met, "shortfall.points": 0 if met else target - rate}
    at = _number(facts, "at")
    if period is not None:
        follows |= {"period.months": period.months, "period.end": _end(period)}
        if at is not None:
            follows["days_left"] = max(period.year_end.toordinal() - at, 0)
    elif at is not None:
        # Rules of cases are in force, and read their parameters, on the day itself.
        follows["period.end"] = at
    return follows | dict(facts)


def _end(period: Period) -> int:
    return period.end.toordinal()


def _number(facts: Mapping[str, Value | None], name: str) -> int | None:
    value = facts.get(name)
    return value if isinstance(value, int) else None


def _difference(left: int | None, right: int | None) -> int | None:
    return None if left is None or right is None else left - right


def _expectation(node: Node, key: str) -> Expectation:
    fields = fields_of(node, key, optional=("fires", "held", "severity", "due"))
    if not fields:
        raise Refused(
            node,
            key,
            "Ví dụ phải nói kết quả chờ đợi.",
            "An example must say what it expects.",
            "{fires: …}",
        )
    return Expectation(
        fires=flag_of(fields["fires"], f"{key}.fires") if "fires" in fields else None,
        held=flag_of(fields["held"], f"{key}.held") if "held" in fields else None,
        severity=choice_of(fields["severity"], f"{key}.severity", Severity)
        if "severity" in fields
        else None,
        due=day_of(fields["due"], f"{key}.due") if "due" in fields else None,
    )


def _fails(
    node: Node, key: str, expected: str, came: str, hint: str | None = None
) -> Refused:
    return Refused(
        node,
        key,
        f"Ví dụ không đúng: chờ {expected}, nhưng được {came}.",
        f"The example does not hold: it expects {expected}, and gets {came}.",
        hint,
    )


def _said(value: bool) -> str:
    return "true" if value else "false"
