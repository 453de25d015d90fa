"""Rules and facts in the words of durable-rules, within what it answers correctly.

Inside these bounds it agrees with exact arithmetic; outside them it crashes, hangs
or is wrong, so whatever does not fit stays with the native reading and says why.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from itertools import product, repeat
from math import prod
from typing import Final

from libs.common.figures import LARGEST_COUNT
from services.alerts.domain.expressions import (
    ARITHMETIC,
    TURNED,
    All,
    Anniversary,
    Arithmetic,
    Compare,
    Condition,
    Const,
    Either,
    Has,
    In,
    Known,
    Leaf,
    Operator,
    Param,
    Ref,
    Term,
)
from services.alerts.domain.rules import Rule
from services.alerts.domain.vocabulary import (
    NUMERIC,
    Bilingual,
    Kind,
    Value,
)
from services.alerts.engine.columns import Columns
from services.alerts.engine.native import Measure, Reading, measure, reading
from services.alerts.engine.saying import (
    Attribute,
    FactRefused,
    Written,
    flag,
    number,
    text,
    writer_of,
)

Json = str | float | int | dict[str, "Json"] | list["Json"]
Branch = tuple[Leaf, ...]

MAX_BRANCHES: Final = 16
MAX_CONDITIONS: Final = 12
MAX_ARITHMETIC: Final = 3
MAX_ATTRIBUTES: Final = 200
SHARD: Final = 32

_ATTRIBUTE: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,62}")
_RESERVED: Final = frozenset({"sid", "id", "kind"})

# Beyond these an attribute is only compared, so that no sum or product can leave
# the whole numbers that a double holds exactly.
_MONEY: Final = 10**12
_SMALL: Final = 10**7
_CALCULABLE: Final[Mapping[Kind, int]] = {
    kind: _MONEY if kind in (Kind.COUNT, Kind.CASES, Kind.VND) else _SMALL
    for kind in NUMERIC
}

# It would match its own state records without these two.
_GUARDS: Final[tuple[Json, ...]] = ({"$ex": {"id": 1}}, {"$nex": {"$s": 1}})


class OutsideSafeSubset(Exception):
    """The rule stays with the native reading; `reason` says why."""

    def __init__(self, vi: str, en: str) -> None:
        super().__init__(en)
        self.reason = Bilingual(vi, en)


class Translation:
    """A set of rules in the engine's words, and the way to say facts to it."""

    def __init__(self, rules: Sequence[Rule]) -> None:
        self.native_only: dict[str, Bilingual] = {}
        self._fields: dict[str, Attribute] = {}
        self._derived: dict[Term | Leaf, str] = {}
        branches: list[tuple[str, Json]] = []
        for index, rule in enumerate(rules):
            branches.extend(self._rule(index, rule))
        self.shards = tuple(_sharded(branches))
        self._written = [Written(field) for field in self._fields.values()]

    @property
    def names(self) -> Sequence[str]:
        """What it reads of a row to say it."""
        return [each.name for each in self._fields.values() if each.name is not None]

    def lines(self, columns: Columns, first: int) -> list[str | None]:
        """Rows as the engine reads them, numbered from `first`; None for a row of which
        a value must not reach it: native judges that one alone."""
        ids = [f'{{"id":"{first + place}"' for place in range(len(columns.rows))]
        try:
            texts = [written.column(columns) for written in self._written]
        except FactRefused:
            some = [written.where_it_may(columns) for written in self._written]
            rows = zip(ids, *some, repeat("}"))
            return [None if None in row else "".join(row) for row in rows]
        return list(map("".join, zip(ids, *texts, repeat("}"))))

    def _rule(self, index: int, rule: Rule) -> list[tuple[str, Json]]:
        kept = dict(self._fields), dict(self._derived)
        try:
            return [
                (f"r{index}_{number}", self._branch(branch))
                for number, branch in enumerate(branches(rule.condition))
            ]
        except OutsideSafeSubset as refusal:
            self._fields, self._derived = kept
            self.native_only[rule.id] = refusal.reason
            return []

    def _branch(self, branch: Branch) -> Json:
        conditions = [*_GUARDS]
        for leaf in branch:
            conditions.extend(
                each for each in self._leaf(leaf) if each not in conditions
            )
        return {"all": [{"m": {"$and": conditions}}]}

    def _leaf(self, leaf: Leaf) -> list[Json]:
        if isinstance(leaf, Known):
            exists = "$ex" if leaf.wanted else "$nex"
            return [{exists: {self._named(leaf.ref): 1}}]
        if isinstance(leaf, Has):
            return [{self._flagged(Has(leaf.ref, leaf.text, True)): float(leaf.wanted)}]
        if isinstance(leaf, In):
            return [{self._flagged(In(leaf.ref, leaf.texts, True)): float(leaf.wanted)}]
        return self._compared(leaf)

    def _compared(self, leaf: Compare) -> list[Json]:
        op, alone, right = isolated(leaf)
        left = self._attribute(alone)
        if isinstance(right, Const):
            return [_comparison(op, left, _constant(right))]
        if _depth(right) > MAX_ARITHMETIC:
            raise OutsideSafeSubset(
                f"Phép tính lồng quá {MAX_ARITHMETIC} tầng.",
                f"Its arithmetic is nested more than {MAX_ARITHMETIC} deep.",
            )
        _stays_exact(right)
        needed = [left, *dict.fromkeys(self._attributes(right))]
        guards: list[Json] = [{"$ex": {name: 1}} for name in needed]
        return [*guards, _comparison(op, left, self._right(right))]

    def _right(self, term: Term) -> Json:
        if isinstance(term, Const):
            return _constant(term)
        if isinstance(term, Arithmetic):
            left, right = self._right(term.left), self._right(term.right)
            return {_ARITHMETIC[term.operator]: {"$l": left, "$r": right}}
        return {"$m": self._attribute(term)}

    def _attributes(self, term: Term) -> Iterable[str]:
        """The attributes on a right-hand side; those in arithmetic get bounded."""
        if isinstance(term, Arithmetic):
            for side in (term.left, term.right):
                yield from self._attributes(side)
                if not isinstance(side, (Const, Arithmetic)):
                    self._bound(side)
        elif not isinstance(term, Const):
            yield self._attribute(term)

    def _bound(self, term: Ref | Param | Anniversary) -> None:
        attribute = self._attribute(term)
        bound = _calculable(term)
        self._fields[attribute] = replace(self._fields[attribute], write=number(bound))

    def _attribute(self, term: Term) -> str:
        if isinstance(term, Ref):
            return self._named(term)
        if isinstance(term, (Param, Anniversary)):
            return self._computed(term, measure(term), writer_of(_kind(term)))
        raise OutsideSafeSubset(
            "Vế trái chỉ là phép tính, không có tên nào đứng riêng được.",
            "No name in the comparison can stand alone on one side.",
        )

    def _named(self, ref: Ref) -> str:
        attribute = ref.name.replace(".", "__")
        if not _ATTRIBUTE.fullmatch(attribute) or attribute in _RESERVED:
            raise OutsideSafeSubset(
                f"Bộ máy không nhận tên {ref.name!r}.",
                f"The engine does not take the name {ref.name!r}.",
            )
        if attribute not in self._fields:
            self._add(
                Attribute(
                    attribute,
                    measure(ref),
                    writer_of(ref.kind),
                    ref.name,
                    lasting=ref.kind is not Kind.LIST,
                )
            )
        return attribute

    def _flagged(self, leaf: Has | In) -> str:
        return self._computed(leaf, _as_measure(reading(leaf)), flag)

    def _computed(
        self, source: Term | Leaf, value: Measure, write: Callable[[Value], str]
    ) -> str:
        """An attribute that is worked out while the fact is made."""
        attribute = self._derived.get(source)
        if attribute is None:
            attribute = f"derived__{len(self._derived)}"
            self._derived[source] = attribute
            self._add(Attribute(attribute, value, write))
        return attribute

    def _add(self, field: Attribute) -> None:
        if len(self._fields) >= MAX_ATTRIBUTES:
            raise OutsideSafeSubset(
                f"Các quy tắc dùng quá {MAX_ATTRIBUTES} tên.",
                f"The rules use more than {MAX_ATTRIBUTES} names.",
            )
        self._fields[field.spelled] = field


_ARITHMETIC: Final[Mapping[str, str]] = {"+": "$add", "-": "$sub", "*": "$mul"}
_COMPARISONS: Final[Mapping[Operator, str]] = {
    "lt": "$lt",
    "le": "$lte",
    "gt": "$gt",
    "ge": "$gte",
    "ne": "$neq",
}


def branches(condition: Condition) -> tuple[Branch, ...]:
    """The condition as alternatives of plain conjunctions. Raises OutsideSafeSubset."""
    if _count(condition) > MAX_BRANCHES:
        raise OutsideSafeSubset(
            f"Điều kiện tách ra hơn {MAX_BRANCHES} nhánh.",
            f"Its condition spreads into more than {MAX_BRANCHES} branches.",
        )
    spread = tuple(tuple(dict.fromkeys(branch)) for branch in _spread(condition))
    if max(map(len, spread)) > MAX_CONDITIONS:
        raise OutsideSafeSubset(
            f"Một nhánh có hơn {MAX_CONDITIONS} điều kiện.",
            f"A branch has more than {MAX_CONDITIONS} conditions.",
        )
    return spread


def _count(condition: Condition) -> int:
    """How many branches it has, found without making them."""
    if isinstance(condition, All):
        return prod(_count(part) for part in condition.parts)
    if isinstance(condition, Either):
        return sum(_count(part) for part in condition.parts)
    return 1


def _spread(condition: Condition) -> list[Branch]:
    if isinstance(condition, Either):
        return [branch for part in condition.parts for branch in _spread(part)]
    if isinstance(condition, All):
        choices = product(*(_spread(part) for part in condition.parts))
        return [tuple(leaf for part in choice for leaf in part) for choice in choices]
    return [(condition,)]


def isolated(leaf: Compare) -> tuple[Operator, Term, Term]:
    """The same comparison with one name alone on the left: the engine needs that.

    Moving a term across is exact, for every number is whole.
    """
    for op, left, right in (
        (leaf.operator, leaf.left, leaf.right),
        (TURNED[leaf.operator], leaf.right, leaf.left),
    ):
        found = _alone(op, left, right)
        if found is not None:
            return found
    raise OutsideSafeSubset(
        "Không tên nào đứng riêng một vế được.",
        "No name in the comparison can stand alone on one side.",
    )


def _alone(op: Operator, left: Term, right: Term) -> tuple[Operator, Term, Term] | None:
    if isinstance(left, Const):
        return None
    if not isinstance(left, Arithmetic):
        return op, left, right
    a, b, kind = left.left, left.right, left.kind
    if left.operator == "+":
        moves = [
            (op, a, _folded("-", right, b, kind)),
            (op, b, _folded("-", right, a, kind)),
        ]
    elif left.operator == "-":
        moves = [
            (op, a, _folded("+", right, b, kind)),
            (TURNED[op], b, _folded("-", a, right, kind)),
        ]
    else:
        return None
    found = (_alone(*move) for move in moves)
    return next((each for each in found if each is not None), None)


def _folded(sign: str, left: Term, right: Term, kind: Kind) -> Term:
    """The engine gets constant arithmetic wrong, so none is left to it."""
    if isinstance(left, Const) and isinstance(right, Const):
        value = ARITHMETIC[sign](int(left.value), int(right.value))
        return Const(value, kind)
    return Arithmetic(sign, left, right, kind)


def _depth(term: Term) -> int:
    if not isinstance(term, Arithmetic):
        return 0
    return 1 + max(_depth(term.left), _depth(term.right))


def _stays_exact(term: Term) -> int:
    """The largest absolute value that a term can take; refuse what a double rounds."""
    if isinstance(term, Const):
        return 0 if isinstance(term.value, str) else abs(int(term.value))
    if not isinstance(term, Arithmetic):
        return 0 if _kind(term) not in NUMERIC else _calculable(term)
    left, right = _stays_exact(term.left), _stays_exact(term.right)
    largest = left * right if term.operator == "*" else left + right
    if largest > LARGEST_COUNT:
        raise OutsideSafeSubset(
            "Kết quả phép tính có thể vượt số mà bộ máy tính đúng.",
            "Its arithmetic can leave the numbers that the engine computes exactly.",
        )
    return largest


def _kind(term: Ref | Param | Anniversary) -> Kind:
    return Kind.DATE if isinstance(term, Anniversary) else term.kind


def _calculable(term: Ref | Param | Anniversary) -> int:
    return _CALCULABLE[_kind(term)]


def _comparison(op: Operator, attribute: str, right: Json) -> Json:
    if op == "eq":
        return {attribute: right}
    return {_COMPARISONS[op]: {attribute: right}}


def _constant(const: Const) -> Json:
    if not isinstance(const.value, str):
        if abs(const.value) > LARGEST_COUNT:
            raise OutsideSafeSubset("Hằng số quá lớn.", "A constant is too large.")
        return float(const.value)
    try:
        text(const.value)
    except FactRefused as refusal:
        raise OutsideSafeSubset(
            f"Bộ máy không nhận văn bản {const.value!r}.", str(refusal)
        ) from None
    return const.value


def _sharded(branches: Sequence[tuple[str, Json]]) -> Iterable[str]:
    for start in range(0, len(branches), SHARD):
        shard = dict(branches[start : start + SHARD])
        # Texts are compared as they are spelled: rules and facts must both be
        # written without escapes for letters beyond ASCII.
        yield json.dumps(shard, ensure_ascii=False)


def _as_measure(judge: Reading) -> Measure:
    return lambda facts: judge(facts)
