"""Faults of a rule that no part has by itself: parts that do not fit together."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TypeGuard

from yaml import Node

from services.alerts.domain.expressions import (
    All,
    Arithmetic,
    Compare,
    Condition,
    Const,
    Either,
    In,
    Leaf,
    Param,
    Ref,
    Term,
    leaves,
)
from services.alerts.domain.meant import nearest
from services.alerts.domain.reaching import follows, possible
from services.alerts.domain.rules import (
    Closes,
    Deadline,
    Every,
    OnDay,
    Owes,
    Rule,
    Within,
)
from services.alerts.domain.vocabulary import Kind, Names
from services.alerts.domain.watching import Watch
from services.alerts.domain.wording import BESIDE, places, stray_brace
from services.alerts.rule_nodes import is_null, items_of, pairs_of
from services.alerts.rule_places import place_within
from services.alerts.rule_problems import Refused, absent


def misfits(
    rule: Rule, root: Node, fields: Mapping[str, Node], names: Names
) -> Iterator[Refused]:
    """Every reason why the parts of a rule do not make one."""
    yield from _of_scope(fields)
    yield from _of_due(rule, root, fields)
    yield from _of_groups(rule, fields)
    yield from _of_params(rule, fields)
    yield from _of_measure(rule, fields)
    yield from _of_severities(rule, fields)
    yield from _of_message(rule, fields, names)
    for number, one in enumerate(rule.inhibits):
        if rule.id in one.rules:
            yield Refused(
                fields["inhibits"],
                f"inhibits[{number}].rules",
                "Quy tắc không thể tự chặn mình.",
                "A rule cannot inhibit itself.",
            )


def _of_scope(fields: Mapping[str, Node]) -> Iterator[Refused]:
    """A scope that was left open would be everyone; only `null` says that."""
    where = fields.get("where")
    if where is not None and is_null(where) and not where.value:
        yield Refused(
            where,
            "where",
            "where để trống; nếu quy tắc về mọi đơn vị thì bỏ hẳn khóa này.",
            "`where` is empty; leave the key out if the rule is about everyone.",
        )


def _of_due(rule: Rule, root: Node, fields: Mapping[str, Node]) -> Iterator[Refused]:
    if rule.owes is Owes.NOTHING:
        yield from _owing_nothing(rule, fields)
    elif rule.due is None:
        yield absent(root, "due")
    if rule.due is None and rule.escalate:
        yield Refused(
            fields["escalate"],
            "escalate",
            "Không có hạn thì không có bước nào sau hạn.",
            "Without a due date there are no steps after it.",
        )
    if rule.watches is Watch.CASE and _by_period(rule.due):
        yield Refused(
            fields["due"],
            "due",
            "Việc thi hành án không thuộc kỳ nào; dùng within hoặc every.",
            "A case has no period; use `within` or `every`.",
            _of_cases(rule.due),
        )
    if rule.watches is not Watch.CASE and isinstance(rule.due, Every):
        yield Refused(
            fields["due"],
            "due.every",
            "Chỉ quy tắc về việc (watches: case) có báo cáo định kỳ.",
            "Only rules of cases have standing reports: a row has one period.",
            f"{{{_way(rule.due.due)}}}",
        )


def _by_period(due: Deadline | None) -> TypeGuard[OnDay | Within]:
    return isinstance(due, OnDay) or (isinstance(due, Within) and due.from_period_end)


def _of_cases(due: OnDay | Within) -> str:
    """The nearest that a rule of cases can say: so many days, or a day each month."""
    if isinstance(due, Within):
        return f"{{within: {due.working_days}}}"
    return f"{{every: month, {_way(due)}}}"


def _way(due: OnDay | Within) -> str:
    """A deadline of a period, as a rule writes it."""
    if isinstance(due, Within):
        return f"within: {due.working_days}, from: period_end"
    way = "by" if due.inclusive else "before"
    return f"{way}: {{day: {due.day}, month: after_period}}"


def _owing_nothing(rule: Rule, fields: Mapping[str, Node]) -> Iterator[Refused]:
    if rule.due is not None:
        yield Refused(
            fields["due"],
            "due",
            "Không phải nộp gì thì không có hạn.",
            "Where nothing is owed, nothing is due.",
        )
    if rule.closes is Closes.ACCEPTED:
        yield Refused(
            fields["closes"],
            "closes",
            "Không phải nộp gì thì không có gì để chấp nhận.",
            "Where nothing is owed, there is nothing to accept.",
            "data",
        )


def _of_groups(rule: Rule, fields: Mapping[str, Node]) -> Iterator[Refused]:
    if rule.watches is not Watch.CASE and rule.group_by:
        yield Refused(
            fields["group_by"],
            "group_by",
            "Chỉ quy tắc về việc (watches: case) gom theo đơn vị.",
            "Only rules of cases are grouped: every other row is a matter of its own.",
        )
    if rule.watches is Watch.CASE and not rule.group_by:
        yield Refused(
            fields["watches"],
            "watches",
            "Quy tắc về việc gom các việc của một đơn vị thành một vụ.",
            "A rule of cases makes one matter of all cases of a unit.",
            "group_by: [unit]",
        )


def _of_params(rule: Rule, fields: Mapping[str, Node]) -> Iterator[Refused]:
    """A parameter that nothing asks for: a threshold that only seems to be one."""
    if "params" not in fields:
        return
    used = {
        term.name
        for _, condition in _asked(rule)
        for leaf in leaves(condition)
        if isinstance(leaf, Compare)
        for term in (*_terms(leaf.left), *_terms(leaf.right))
        if isinstance(term, Param)
    }
    for name, (key, _) in pairs_of(fields["params"], "params").items():
        if name not in used:
            yield Refused(
                key,
                f"params.{name}",
                f"Không điều kiện nào dùng tham số {name!r}.",
                f"No condition asks for the parameter {name!r}.",
                f'param("{name}")',
            )


def _of_measure(rule: Rule, fields: Mapping[str, Node]) -> Iterator[Refused]:
    """Counts of a row of money are đồng, those of all other rows are cases."""
    measures = {text for leaf in _always_asked(rule) for text in _measures(leaf)}
    if not measures or ("money" in measures and len(measures) > 1):
        return
    wrong, right = (Kind.CASES, "vnd") if "money" in measures else (Kind.VND, "cases")
    for key, condition in _asked(rule):
        for leaf in leaves(condition):
            if not isinstance(leaf, Compare):
                continue
            terms = [*_terms(leaf.left), *_terms(leaf.right)]
            kinds = {t.kind for t in terms if isinstance(t, (Const, Param))}
            counts = [t for t in terms if isinstance(t, Ref) and t.kind is Kind.COUNT]
            for count in counts[:1] if wrong in kinds else ():
                yield Refused(
                    fields[key],
                    key,
                    f"Ở dòng {min(measures)}, {count.name} tính bằng {right}, không"
                    f" phải {wrong.value}; mỗi dòng chỉ thấy số của mình.",
                    f"On rows of {min(measures)}, {count.name} is in {right} and not in"
                    f" {wrong.value}; a row sees its own counts only.",
                    right,
                )


def _asked(rule: Rule) -> Iterator[tuple[str, Condition]]:
    """Every condition of a rule, and under which key it stands."""
    yield "when", rule.condition
    for row in rule.severity:
        if row.condition is not None:
            yield "severity", row.condition.condition


def _measures(leaf: Leaf) -> tuple[str, ...]:
    """To which measures it keeps a rule; none where it does not ask for any."""
    if isinstance(leaf, In) and leaf.wanted and leaf.ref.name == "measure":
        return leaf.texts
    if isinstance(leaf, Compare) and leaf.operator == "eq":
        left, right = leaf.left, leaf.right
        if (
            isinstance(left, Ref)
            and left.name == "measure"
            and isinstance(right, Const)
        ):
            return (str(right.value),)
    return ()


def _always_asked(rule: Rule) -> Iterator[Leaf]:
    """What every row on which the rule fires satisfies, as far as that is plain."""
    parts = [rule.condition]
    while parts:
        part = parts.pop()
        if isinstance(part, All):
            parts += part.parts
        elif not isinstance(part, Either):
            yield part


def _terms(term: Term) -> Iterator[Term]:
    """A term and those that it is made of."""
    yield term
    if isinstance(term, Arithmetic):
        yield from _terms(term.left)
        yield from _terms(term.right)


def _of_severities(rule: Rule, fields: Mapping[str, Node]) -> Iterator[Refused]:
    if not possible(rule.condition):
        yield Refused(
            fields["when"],
            "when",
            "Điều kiện này không bao giờ đúng (cùng với where).",
            "This is never true (together with `where`).",
        )
        return
    rows = [
        (number, row.condition.condition)
        for number, row in enumerate(rule.severity)
        if row.condition is not None
    ]
    nodes = items_of(fields["severity"], "severity")
    for place, (number, condition) in enumerate(rows):
        earlier = [before for _, before in rows[:place]]
        if not possible(rule.condition, condition):
            yield Refused(
                nodes[number],
                f"severity[{number}]",
                "Dòng này không bao giờ đúng khi quy tắc xảy ra.",
                "This row is never true when the rule fires.",
            )
        elif any(follows(one, rule.condition, condition) for one in earlier):
            yield Refused(
                nodes[number],
                f"severity[{number}]",
                "Dòng này không bao giờ tới lượt: một dòng trước đã bao trùm nó.",
                "This row is never reached: one before it holds whenever it does.",
            )
    last = len(rule.severity) - 1
    if any(follows(condition, rule.condition) for _, condition in rows):
        yield Refused(
            nodes[last],
            f"severity[{last}]",
            "Dòng cuối không bao giờ tới lượt: một dòng trước luôn đúng.",
            "The last row is never reached: one before it always holds.",
        )


def _of_message(
    rule: Rule, fields: Mapping[str, Node], names: Names
) -> Iterator[Refused]:
    if rule.message is None:
        return
    for language, (_, node) in pairs_of(fields["message"], "message").items():
        if (stray := stray_brace(node.value)) is not None:
            yield Refused(
                node,
                f"message.{language}",
                f"Dấu {node.value[stray]} này không có đôi; tên viết là {{tên}}.",
                f"This {node.value[stray]} has no partner; a name stands in {{…}}.",
                place=place_within(node, stray),
            )
        for name, at in places(node.value):
            if name == "members" and rule.watches is not Watch.CASE:
                yield Refused(
                    node,
                    f"message.{language}",
                    "Chỉ quy tắc về việc (watches: case) có {members}.",
                    "Only rules of cases have {members}.",
                    place=place_within(node, at),
                )
            if name not in names and name not in BESIDE:
                yield Refused(
                    node,
                    f"message.{language}",
                    f"Không có tên {name!r}.",
                    f"There is no name {name!r}.",
                    nearest(name, (*BESIDE, *names)),
                    place=place_within(node, at),
                )
