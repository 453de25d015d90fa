"""Rules as the API gives them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, Literal, NotRequired, cast

from typing_extensions import TypedDict

from libs.common.clock import written
from libs.common.database import Row
from libs.common.paging import page
from services.alerts import rule_json
from services.alerts.domain.expressions import names_in
from services.alerts.domain.rules import Rule
from services.alerts.domain.vocabulary import Bilingual, Name
from services.alerts.domain.watching import WORDS
from services.alerts.engine.durable import Translation
from services.alerts.rule_problems import Problem
from services.alerts.rulebook import RuleErrors
from services.alerts.rulebooks.texts import pointer_of, understood
from services.alerts.shown import RuleVersion, Word


class Words(TypedDict):
    """The same words in both languages."""

    vi: str
    en: str


class RuleParts(TypedDict):
    """A rule part by part, its expressions as they were written."""

    id: str
    version: int
    title: Words
    basis: list[dict[str, str]]
    effective: dict[str, str]
    watches: str
    where: str | None
    when: str
    unknown: str
    severity: list[dict[str, str]]
    owes: str
    due: dict[str, Any] | None
    escalate: list[dict[str, Any]]
    closes: str
    message: Words | None
    group_by: list[str] | None
    inhibits: list[dict[str, list[str]]]
    visibility: str
    params: dict[str, list[dict[str, str]]]
    examples: list[dict[str, Any]]


class RuleEvent(TypedDict):
    """One line of a version's history: who moved it, when, and why."""

    change: str
    at: str | None
    actor: str
    reason: str | None


class RuleShown(RuleParts):
    """A version of a rule, where it stands, and its text word for word."""

    state: str
    origin: str
    created_at: str | None
    activated_at: str | None
    source: str


class RuleWhole(RuleShown):
    """A version with its history."""

    history: list[RuleEvent]


class Drafted(RuleShown):
    """What became of a text that was sent: a new draft, or what was there already."""

    unchanged: bool


class RuleProblem(TypedDict):
    """One fault of a text: where it stands and what to write instead."""

    pointer: str
    line: int
    column: int
    message: Words
    hint: str | None


class ReadingShown(TypedDict):
    """Which readings decide it: both, or native alone and why."""

    decided_by: str
    why: Words | None


class RuleChecked(TypedDict):
    """What a text would be as a rule; nothing is stored. Problems keep it out, and
    warnings do not."""

    ok: bool
    problems: list[RuleProblem]
    warnings: list[RuleProblem]
    rule: RuleParts | None
    reading: ReadingShown | None
    names: list[Word]


Differs = Literal["would_open", "would_not", "same"]
"""How a version in shadow differs from the active one on a row."""


class ShadowRow(TypedDict):
    """What the shadow says of one row; `active` is null where the active version says
    nothing of it. Rules of cases count those of a unit on which they fire."""

    unit: str
    measure: str | None
    category: str | None
    verdict: str
    severity: str | None
    missing: list[str]
    active: str | None
    difference: Differs
    cases: NotRequired[int]
    active_cases: NotRequired[int | None]


class ShadowCounts(TypedDict):
    """Of all rows that the key sees."""

    fired: int
    held: int
    silent: int
    would_open: int
    would_not: int
    same: int


class Shadow(TypedDict):
    """What a version in shadow would have done, and how it differs; nothing was opened.

    `at` is null while nothing was judged since it went into shadow.
    """

    rule: RuleVersion
    period: str | None
    at: str | None
    counts: ShadowCounts
    items: list[ShadowRow]
    next: str | None


class KeyDifference(TypedDict):
    """What two versions say under one key; null where a text leaves it out."""

    key: str
    before: str | None
    after: str | None


class RuleDifference(TypedDict):
    """How one version differs from another; texts may differ in form alone."""

    id: str
    before: int
    after: int
    same_text: bool
    keys: list[KeyDifference]


def parts(rule: Rule) -> RuleParts:
    """A rule's parts as they were read."""
    return cast(RuleParts, rule_json.dump(rule))


def rule(row: Row) -> RuleShown:
    """A version of a rule as it is kept."""
    return RuleShown(
        **parts(understood(row["source"])),
        state=row["state"],
        origin=row["origin"],
        created_at=written(row["created_at"]),
        activated_at=written(row["activated_at"]),
        source=row["source"],
    )


def event(row: Row) -> RuleEvent:
    """One line of a history."""
    return RuleEvent(
        change=row["change"],
        at=written(row["at"]),
        actor=row["actor"],
        reason=row["reason"],
    )


def whole(row: Row, events: Sequence[Row]) -> RuleWhole:
    """A version with its history, the oldest first."""
    return RuleWhole(**rule(row), history=[event(one) for one in events])


def shadow(
    rule: Row, period: str | None, counts: Row, rows: Sequence[Row], limit: int
) -> Shadow:
    """A page of what a version in shadow says."""
    found = page(
        rows, limit, lambda r: [r["unit"], r["measure"], r["category"]], _shadow_row
    )
    return Shadow(
        rule=RuleVersion(id=rule["id"], version=rule["version"]),
        period=period,
        at=counts["at"] and counts["at"].isoformat(),
        counts=ShadowCounts(
            fired=counts["fired"],
            held=counts["held"],
            silent=counts["silent"],
            would_open=counts["would_open"],
            would_not=counts["would_not"],
            same=counts["same"],
        ),
        items=found["items"],
        next=found["next"],
    )


def _shadow_row(row: Row) -> ShadowRow:
    shown = ShadowRow(
        unit=row["unit"],
        measure=row["measure"] or None,
        category=row["category"] or None,
        verdict=row["verdict"],
        severity=row["severity"],
        missing=row["missing"],
        active=row["active_verdict"],
        difference=row["difference"],
    )
    if row["cases"] is not None:
        shown["cases"] = row["cases"]
        shown["active_cases"] = row["active_cases"]
    return shown


def checked(rule: Rule, notes: Iterable[Problem]) -> RuleChecked:
    """What a text that loads would be: its parts, its readings and its names."""
    reason = Translation([rule]).native_only.get(rule.id)
    used = set(names_in(rule.condition))
    for row in rule.severity:
        if row.condition is not None:
            used |= names_in(row.condition.condition)
    words = WORDS[rule.watches]
    return RuleChecked(
        ok=True,
        problems=[],
        warnings=list(map(_problem, notes)),
        rule=parts(rule),
        reading=ReadingShown(
            decided_by="native" if reason else "both", why=_both(reason)
        ),
        names=[word(words[name]) for name in sorted(used)],
    )


def word(one: Name) -> Word:
    """A name of the vocabulary, and the watches that have it."""
    return Word(
        name=one.name,
        kind=one.kind,
        vi=one.says.vi,
        en=one.says.en,
        watches=[watch for watch, names in WORDS.items() if one.name in names],
    )


def faulty(errors: RuleErrors) -> RuleChecked:
    """What is wrong with a text that does not load."""
    return RuleChecked(
        ok=False,
        problems=list(map(_problem, errors.problems)),
        warnings=[],
        rule=None,
        reading=None,
        names=[],
    )


def _problem(one: Problem) -> RuleProblem:
    return RuleProblem(
        pointer=pointer_of(one.key),
        line=one.line,
        column=one.column,
        message=Words(vi=one.message.vi, en=one.message.en),
        hint=one.hint,
    )


def _both(words: Bilingual | None) -> Words | None:
    return None if words is None else Words(vi=words.vi, en=words.en)
