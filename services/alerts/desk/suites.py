"""Test files of rules: what is given, what must come out, and what follows later.

rules: [below-last-year@2]          # beside the file, under --rules, or shipped
tree: tree-2022.yaml                # units, as PUT /v1/units takes them; or in place
tests:
  - name: A falls behind
    rates:                          # unit/measure/working year: months 1, 2, …
      A/cases/2021: '10 18 _ 33 45'       # _ is a month that was not reported
      A/cases/2022: '11 19 26 34 41.5'
    targets: {A/cases/2022: '84.05'}
    facts: {A/cases/2022M05: {enforceable_over_1y: 3}}     # what rates do not say
    # of cases: A: {case.status: enforceable, …}, or a list of them
    at: 2022-03-08
    expect:
      - {rule: below-last-year, unit: A, period: 2022M05, fires: true}
    expect_events: []               # at once: of what opens after its deadline
    allow_others: false             # what is not listed fails the test
  - then: {fast_forward: 6 wdays}
    expect_events: [{type: escalation.overdue, unit: A}]
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from yaml import Node, ScalarNode, SequenceNode

from libs.common.periods import InvalidPeriod, Period
from services.alerts.desk.steps import (
    Expected,
    ExpectedEvent,
    Given,
    Key,
    Suite,
    Then,
    Words,
)
from services.alerts.domain.numerals import rewritten
from services.alerts.domain.rules import Severity
from services.alerts.domain.vocabulary import Kind, NotAValue, read
from services.alerts.domain.watching import EVERY_WORD
from services.alerts.rule_examples import fact_of
from services.alerts.rule_nodes import (
    choice_of,
    composed,
    day_of,
    fields_of,
    flag_of,
    items_of,
    pairs_of,
    text_of,
    whole_of,
)
from services.alerts.rule_parts import id_of
from services.alerts.rule_problems import (
    Refused,
    not_a_period,
    not_a_value,
    unknown_key,
)

MISSING: Final = "_"
_SERIES: Final = re.compile(r"([A-Za-z0-9._-]{1,40})/([a-z]+)/([0-9]{4})")
_AHEAD: Final = re.compile(r"([0-9]{1,3}) (wdays?|days?)")


def read_suite(text: str, place: Path) -> Suite:
    """A test file from its text; `place` is the folder it stands in. Raises Refused."""
    fields = fields_of(
        composed(text), "", required=("rules", "tests"), optional=("tree",)
    )
    return Suite(
        tuple(_rule(node) for node in items_of(fields["rules"], "rules")),
        _kinds(fields["tree"], place) if "tree" in fields else {},
        tuple(
            _step(node, f"tests[{n}]")
            for n, node in enumerate(items_of(fields["tests"], "tests"))
        ),
    )


def _rule(node: Node) -> tuple[str, int | None]:
    name, at, version = text_of(node, "rules").partition("@")
    if at and not re.fullmatch(r"[1-9][0-9]{0,8}", version):
        raise Refused(
            node,
            "rules",
            "Sau @ là số của bản.",
            "A version's number stands after the @.",
            f"{name}@…",
        )
    return name, int(version) if at else None


def _kinds(node: Node, place: Path) -> dict[str, str]:
    """Each unit's kind, from a list in place or from a file of units."""
    if isinstance(node, ScalarNode):
        file = place / text_of(node, "tree")
        try:
            node = composed(file.read_text("utf-8"))
        except (OSError, UnicodeDecodeError) as fault:
            raise Refused(
                node,
                "tree",
                f"Không đọc được {file}.",
                f"{file} cannot be read: {fault}",
            ) from None
    kinds = {}
    units = fields_of(node, "tree", required=("units",))["units"]
    for n, each in enumerate(items_of(units, "tree.units")):
        unit = pairs_of(each, f"tree.units[{n}]")
        code, kind = (
            text_of(unit[key][1], f"tree.units[{n}].{key}") if key in unit else ""
            for key in ("code", "kind")
        )
        kinds[code] = kind
    return kinds


def _step(node: Node, key: str) -> Given | Then:
    if "then" in pairs_of(node, key):
        return _then(node, key)
    fields = fields_of(
        node,
        key,
        required=("name", "at", "expect"),
        optional=("rates", "targets", "facts", "expect_events", "allow_others"),
    )
    facts = _facts(fields["facts"], f"{key}.facts") if "facts" in fields else {}
    return Given(
        _line(node),
        text_of(fields["name"], f"{key}.name"),
        day_of(fields["at"], f"{key}.at"),
        dict(_rates(fields["rates"], f"{key}.rates")) if "rates" in fields else {},
        _targets(fields["targets"], f"{key}.targets") if "targets" in fields else {},
        {row: words[0] for row, words in facts.items() if row.period},
        {row.unit: words for row, words in facts.items() if not row.period},
        tuple(
            _expected(each, f"{key}.expect[{n}]")
            for n, each in enumerate(
                items_of(fields["expect"], f"{key}.expect", least=0)
            )
        ),
        _events(fields["expect_events"], f"{key}.expect_events")
        if "expect_events" in fields
        else (),
        "allow_others" in fields
        and flag_of(fields["allow_others"], f"{key}.allow_others"),
    )


def _line(node: Node) -> int:
    return node.start_mark.line + 1


def _series(node: Node, key: str) -> tuple[str, str, int]:
    match = _SERIES.fullmatch(text_of(node, key))
    if match is None:
        raise Refused(
            node,
            key,
            "Khóa viết là đơn vị/chỉ tiêu/năm công tác, ví dụ A/cases/2022.",
            "A key is unit/measure/working year, for example A/cases/2022.",
        )
    return match[1], match[2], int(match[3])


def _rates(node: Node, key: str) -> Iterator[tuple[Key, int | None]]:
    for name, (name_node, value) in pairs_of(node, key).items():
        unit, measure, year = _series(name_node, key)
        months = text_of(value, f"{key}.{name}").split()
        if len(months) > 12:
            raise Refused(
                value,
                f"{key}.{name}",
                "Một năm công tác có nhiều nhất 12 tháng.",
                "A working year has at most 12 months.",
            )
        for month, text in enumerate(months, start=1):
            period = Period.parse(f"{year:04d}M{month:02d}")
            rate = None if text == MISSING else _percent(value, f"{key}.{name}", text)
            yield Key(unit, measure, period), rate


def _percent(node: Node, key: str, text: str) -> int:
    try:
        return int(read(text, Kind.PERCENT))
    except NotAValue:
        refused = not_a_value(node, key, text, Kind.PERCENT)
        if refused.hint and text != str(node.value):  # one month of several
            refused.hint = refused.hint.strip('"')
        raise refused from None


def _targets(node: Node, key: str) -> dict[tuple[str, str, int], int]:
    return {
        _series(name_node, key): _percent(value, key, text_of(value, key))
        for name_node, value in pairs_of(node, key).values()
    }


def _facts(node: Node, key: str) -> dict[Key, list[Words]]:
    """What is given of each row; of a unit's cases, one or a list of them."""
    found = {}
    for name, (name_node, value) in pairs_of(node, key).items():
        row, place = _row(name_node, key), f"{key}.{name}"
        several = row.period is None and isinstance(value, SequenceNode)
        each = items_of(value, place) if several else [value]
        found[row] = [_words(one, place) for one in each]
    return found


def _row(node: Node, key: str) -> Key:
    """`A/cases/2022M05`, `A/2022M05` for a report, or `A` for its cases."""
    unit, *others = text_of(node, key).split("/")
    try:
        if len(others) <= 2:
            period = Period.parse(others[-1]) if others else None
            return Key(unit, others[0] if len(others) == 2 else None, period)
    except InvalidPeriod:
        pass
    raise Refused(
        node,
        key,
        "Khóa viết là đơn vị/chỉ tiêu/kỳ, đơn vị/kỳ hoặc đơn vị; ví dụ:"
        " A/cases/2022M05.",
        "The key is written unit/measure/period, unit/period or unit; for example:"
        " A/cases/2022M05.",
    )


def _words(node: Node, key: str) -> Words:
    words = {}
    for name, (name_node, value) in pairs_of(node, key).items():
        if name not in EVERY_WORD:
            raise unknown_key(name_node, key, name, EVERY_WORD)
        words[name] = fact_of(value, EVERY_WORD[name], f"{key}.{name}")
    return words


def _expected(node: Node, key: str) -> Expected:
    fields = fields_of(
        node,
        key,
        required=("rule", "unit"),
        optional=(
            *("period", "measure", "fires", "held", "severity", "due"),
            *("members", "facts"),
        ),
    )
    return Expected(
        _line(node),
        id_of(fields["rule"], f"{key}.rule"),
        text_of(fields["unit"], f"{key}.unit"),
        _period(fields["period"], f"{key}.period") if "period" in fields else None,
        text_of(fields["measure"], f"{key}.measure") if "measure" in fields else None,
        flag_of(fields["fires"], f"{key}.fires") if "fires" in fields else None,
        _held(fields["held"], f"{key}.held") if "held" in fields else None,
        choice_of(fields["severity"], f"{key}.severity", Severity)
        if "severity" in fields
        else None,
        day_of(fields["due"], f"{key}.due") if "due" in fields else None,
        whole_of(fields["members"], f"{key}.members") if "members" in fields else None,
        _words(fields["facts"], f"{key}.facts") if "facts" in fields else {},
    )


def _held(node: Node, key: str) -> tuple[str, ...]:
    """`held: true`, or the names that are missing."""
    if isinstance(node, ScalarNode) and flag_of(node, key):
        return ()
    return tuple(text_of(each, key) for each in items_of(node, key))


def _period(node: Node, key: str) -> Period:
    text = text_of(node, key)
    try:
        return Period.parse(text)
    except InvalidPeriod:
        raise not_a_period(node, key, text) from None


def _then(node: Node, key: str) -> Then:
    fields = fields_of(node, key, required=("then", "expect_events"))
    ahead = fields_of(fields["then"], f"{key}.then", required=("fast_forward",))
    text = text_of(ahead["fast_forward"], f"{key}.then.fast_forward")
    match = _AHEAD.fullmatch(text)
    if match is None:
        meant = rewritten(text)
        raise Refused(
            ahead["fast_forward"],
            f"{key}.then.fast_forward",
            "Viết số ngày làm việc hoặc số ngày; ví dụ: 6 wdays, 10 days.",
            "Write a number of working days or of days; for example: 6 wdays, 10 days.",
            meant[1] if meant and _AHEAD.fullmatch(meant[1]) else None,
        )
    return Then(
        _line(node),
        int(match[1]),
        match[2].startswith("w"),
        _events(fields["expect_events"], f"{key}.expect_events"),
    )


def _events(node: Node, key: str) -> tuple[ExpectedEvent, ...]:
    events = enumerate(items_of(node, key, least=0))
    return tuple(_event(each, f"{key}[{n}]") for n, each in events)


def _event(node: Node, key: str) -> ExpectedEvent:
    fields = fields_of(node, key, required=("type", "unit"), optional=("to", "rule"))
    type = text_of(fields["type"], f"{key}.type")
    if type not in ("escalation.overdue", "escalation.escalated"):
        raise Refused(
            fields["type"],
            f"{key}.type",
            "Chỉ thử được escalation.overdue và escalation.escalated.",
            "Only escalation.overdue and escalation.escalated come with time.",
        )
    return ExpectedEvent(
        type,  # type: ignore[arg-type]
        text_of(fields["unit"], f"{key}.unit"),
        text_of(fields["to"], f"{key}.to") if "to" in fields else None,
        id_of(fields["rule"], f"{key}.rule") if "rule" in fields else None,
    )
