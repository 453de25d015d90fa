"""What to see to in a rule that loads; none of it is a reason to refuse it."""

from __future__ import annotations

from collections.abc import Collection, Iterator

from yaml import Node

from services.alerts.domain.meant import nearest
from services.alerts.domain.rules import Rule
from services.alerts.rule_nodes import composed, is_null, items_of, pairs_of
from services.alerts.rule_problems import Problem, Refused


def notes(
    rule: Rule, text: str, source: str, known: Collection[str]
) -> Iterator[Problem]:
    """All of them, of a rule and its text; `known` are the ids of all rules."""
    yield from inhibits_nobody(text, source, known)
    node = _value(text, "examples")
    firing = {bool(one.expect.fires or one.expect.severity) for one in rule.examples}
    for fires, vi, en in (
        (True, "xảy ra", "fires"),
        (False, "không xảy ra", "does not fire"),
    ):
        if fires not in firing:
            yield Refused(
                node,
                "examples",
                f"Chưa có ví dụ nào mà quy tắc {vi}.",
                f"There is no example on which the rule {en}.",
                f"{{given: {{…}}, expect: {{fires: {str(fires).lower()}}}}}",
            ).problem(source)


def inhibits_nobody(
    text: str, source: str, known: Collection[str]
) -> Iterator[Problem]:
    """Ids under `inhibits` that no rule has, or none yet."""
    node = _value(text, "inhibits")
    if node is None:
        return
    for n, one in enumerate(items_of(node, "inhibits", least=0)):
        key = f"inhibits[{n}].rules"
        for m, id in enumerate(items_of(pairs_of(one, key)["rules"][1], key)):
            if id.value not in known:
                yield Refused(
                    id,
                    f"{key}[{m}]",
                    f"Không có quy tắc {id.value!r}, hoặc chưa có: không chặn gì cả.",
                    f"There is no rule {id.value!r}, or none yet: none is inhibited.",
                    nearest(id.value, known),
                ).problem(source)


def _value(text: str, key: str) -> Node | None:
    """What the text of a rule that loads says under a key."""
    node = pairs_of(composed(text), "").get(key, (None, None))[1]
    return None if node is None or is_null(node) else node
