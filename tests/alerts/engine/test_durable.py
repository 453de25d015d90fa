"""Durable beside native: they agree, and whatever becomes of the worker, rows are decided."""

from __future__ import annotations

import asyncio
import json
import os
import random
import signal
import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import get_args

import pytest

from libs.common.figures import LARGEST_COUNT
from services.alerts import rulebook
from services.alerts.domain.checking import parse
from services.alerts.domain.expressions import (
    All,
    Anniversary,
    Arithmetic,
    Compare,
    Condition,
    Const,
    Either,
    Expression,
    Has,
    In,
    Known,
    Operator,
    Param,
    Ref,
    Term,
)
from services.alerts.domain.rules import (
    Effective,
    Outcome,
    Rule,
    Severity,
    SeverityRow,
    Unknown,
    Verdict,
)
from services.alerts.domain.vocabulary import (
    VOCABULARY,
    Bilingual,
    Facts,
    Kind,
    Name,
    Names,
    Value,
)
from services.alerts.domain.watching import WORDS, Watch
from services.alerts.engine import Decision, Engine, Why
from services.alerts.engine.bulk import Sealing, Status, judge_of
from services.alerts.engine.columns import Columns
from services.alerts.engine.durable import Translation
from services.alerts.engine.native import CompiledRule
from services.alerts.rulebook import load_directory, load_text

pytestmark = pytest.mark.anyio

SHIPPED = Path(rulebook.__file__).parent / "rules"
NAMES: Names = {
    **VOCABULARY,
    **{
        name: Name(name, kind, Bilingual("", ""))
        for name, kind in {
            "claims": Kind.LIST,
            "decided_on": Kind.DATE,
            "due_vnd": Kind.VND,
        }.items()
    },
}
BASE = load_text((SHIPPED / "below-last-year.yaml").read_text("utf-8"))
PROVINCE: Facts = {
    "unit.kind": "province",
    "category": "all",
    "measure": "cases",
    "rate": 4154,
    "last_year.rate": 4500,
    "last_year.points": -346,
    "done": 1,
}


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


def rule_of(condition: Condition | str, rule_id: str = "try") -> Rule:
    when = (
        parse(condition, names=NAMES)
        if isinstance(condition, str)
        else Expression("", condition)
    )
    return replace(
        BASE, id=rule_id, where=None, when=when, unknown=Unknown.IGNORE, examples=()
    )


@asynccontextmanager
async def running(
    rules: Sequence[Rule],
    *,
    names: Names = NAMES,
    command: Sequence[str] | None = None,
    deadline: float = 5.0,
    restarts_a_minute: int = 30,
) -> AsyncIterator[Engine]:
    if command is None:
        engine = Engine(
            deadline=deadline, names=names, restarts_a_minute=restarts_a_minute
        )
    else:
        engine = Engine(
            deadline=deadline,
            names=names,
            command=command,
            restarts_a_minute=restarts_a_minute,
        )
    await engine.start(rules)
    try:
        yield engine
    finally:
        await engine.stop()


def reasons(decided: Sequence[Sequence[Decision]]) -> list[Why | None]:
    return [decision.why for decisions in decided for decision in decisions]


# Agreement


@pytest.mark.parametrize("watch", list(Watch))
async def test_the_letters_are_decided_by_both(watch: Watch) -> None:
    rules = [rule for rule in load_directory(SHIPPED)[0] if rule.watches is watch]
    facts = [example.facts for rule in rules for example in rule.examples]

    async with running(rules, names=WORDS[watch]) as engine:
        decided = await engine.decide(facts)
        assert engine.health().state == "ok"

    assert rules
    assert engine.native_only == {}
    assert {decision.verdict.outcome for each in decided for decision in each} == set(
        Outcome
    ) - ({Outcome.HELD} if watch is Watch.MISSING_REPORT else set())
    assert all(decision.decided_by == "both" for each in decided for decision in each)


def test_all_rules_at_once_are_judged_as_each_alone() -> None:
    seed = random.randrange(2**32)
    print(f"seed {seed}")  # noqa: T201 - shown when the test fails
    chance = random.Random(seed)

    for _ in range(20):
        rules = [some_rule(chance, f"r{n}") for n in range(20)]
        sealing = Sealing(rules, NAMES)
        together, alone = (
            judge_of(rules, sealing),
            [CompiledRule(rule) for rule in rules],
        )
        rows = [some_facts(chance) for _ in range(200)]
        for facts, statuses in zip(
            rows, together(sealing.columns(rows)[1].said.values()), strict=True
        ):
            judged = [rule.judge(facts) for rule in alone]
            assert list(map(known, statuses, judged)) == judged, (seed, facts)


def test_a_value_that_is_amiss_is_unknown_and_no_other_row_notices() -> None:
    rules = [rule_of("rate > 1", "number"), rule_of('category == "tiền"', "text")]
    rows: list[Facts] = [
        {"rate": 101, "category": "tiền"},
        {"rate": True, "category": "tie\u0302\u0300n"},
        {"rate": 100, "category": 5},
    ]
    sealing = Sealing(rules, NAMES)

    said, sealed = sealing.columns(rows)
    sound, same = sealing.columns(rows[:1])

    assert list(judge_of(rules, sealing)(sealed.said.values())) == [
        (Status.MEDIUM, Status.MEDIUM),
        (Status.UNKNOWN, Status.MEDIUM),
        (Status.FALSE, Status.UNKNOWN),
    ]
    assert said.rows is rows
    assert not said.sound
    assert same is sound
    assert sound.sound


def some_rule(chance: random.Random, rule_id: str) -> Rule:
    """Held where unknown, so that all three answers can be told apart."""
    where = Expression("", some_condition(chance, 1))
    when = Expression("", some_condition(chance, 3))
    effective = Effective(date(2021, 1, 1), chance.choice([None, date(2022, 2, 28)]))
    bad = (SeverityRow(Expression("", some_condition(chance, 1)), Severity.CRITICAL),)
    return replace(
        BASE,
        id=rule_id,
        where=where,
        when=when,
        effective=effective,
        severity=bad + BASE.severity,
        examples=(),
    )


def known(status: Status, verdict: Verdict | None) -> Verdict | None:
    """The verdict again if it says what the status says, else something else."""
    if verdict is None:
        return None if status is Status.OUT else Verdict(Outcome.SILENT)
    if verdict.severity is not None:
        return verdict if status.severity is verdict.severity else None
    return verdict if STATUS[verdict.outcome] is status else None


STATUS = {Outcome.SILENT: Status.FALSE, Outcome.HELD: Status.UNKNOWN}


def test_a_rule_of_the_greatest_size_can_be_judged() -> None:
    wide = rule_of(" or ".join(["met"] * 254 + ["illustrative"]), "wide")
    deep = rule_of("(met or rate > 1 and " * 15 + "met" + ")" * 15, "deep")
    judge = judge_of([wide, deep], Sealing([wide, deep], NAMES))

    rows = Sealing([wide, deep], NAMES).columns([{"met": False, "illustrative": True}])

    assert list(judge(rows[1].said.values())) == [(Status.MEDIUM, Status.FALSE)]


async def test_durable_and_native_agree_on_a_random_corpus() -> None:
    seed = random.randrange(2**32)
    print(f"seed {seed}")  # noqa: T201 - shown when the test fails
    chance = random.Random(seed)
    checks = 0

    for _ in range(4):
        rules = [rule_of(some_condition(chance, 3), f"r{n}") for n in range(60)]
        facts = [some_facts(chance) for _ in range(1000)]
        async with running(rules) as engine:
            decided = await engine.decide(facts)
        assert engine.counters.disagreements == 0, seed
        assert engine.counters.restarts == 0, seed
        checks += reasons(decided).count(None)

    assert checks > 100_000


class Texts:
    """Texts that are easily confused, or that need escaping on the way."""

    ALL = (
        "all",
        "tín dụng",
        "Tín dụng",
        'a"b',
        "a\\b",
        "a{b}",
        "1",
        "1.0",
        "true",
        "",
        " ",
    )


def some_condition(chance: random.Random, depth: int) -> Condition:
    if depth and chance.random() < 0.5:
        joint = chance.choice([All, Either])
        count = chance.randint(2, 3)
        return joint(tuple(some_condition(chance, depth - 1) for _ in range(count)))
    return chance.choice([some_comparison] * 5 + [some_question])(chance)


def some_question(chance: random.Random) -> Condition:
    wanted = chance.random() < 0.5
    text = chance.choice(Texts.ALL)
    return chance.choice(
        [
            Known(some_name(chance, chance.choice([Kind.PERCENT, Kind.COUNT])), wanted),
            Compare("eq", Ref("met", Kind.FLAG), Const(wanted, Kind.FLAG)),
            Compare("eq", Ref("met", Kind.FLAG), Ref("illustrative", Kind.FLAG)),
            Has(Ref("claims", Kind.LIST), text, wanted),
            In(Ref("category", Kind.TEXT), (text, "all"), wanted),
            Compare(
                "eq" if wanted else "ne",
                Ref("category", Kind.TEXT),
                Const(text, Kind.TEXT),
            ),
            Compare(
                "eq" if wanted else "ne",
                Ref("category", Kind.TEXT),
                Ref("measure", Kind.TEXT),
            ),
        ]
    )


def some_comparison(chance: random.Random) -> Condition:
    op: Operator = chance.choice(get_args(Operator))
    kind = chance.choice([Kind.PERCENT, Kind.POINTS, Kind.DECIMAL, Kind.COUNT, Kind.VND, Kind.DATE])  # fmt: skip
    if kind is Kind.DATE:
        born = Ref("decided_on", Kind.DATE)
        anniversary = Anniversary(born, chance.randint(0, 2), "year")
        return Compare(op, Ref("at", Kind.DATE), anniversary)
    left, right = some_term(chance, kind, 2), some_term(chance, kind, 2)
    if isinstance(left, Const) and isinstance(right, Const):
        left = some_name(chance, kind)
    return Compare(op, left, right)


def some_name(chance: random.Random, kind: Kind) -> Ref:
    named = [name.name for name in NAMES.values() if name.kind is kind]
    return Ref(chance.choice(named[:4]), kind)


def some_term(chance: random.Random, kind: Kind, depth: int) -> Term:
    drawn = chance.random()
    if drawn < 0.35:
        return Const(chance.choice(NEAR[kind]), kind)
    if drawn < 0.45:
        days = (date(2020, 1, 1).toordinal(), date(2022, 1, 1).toordinal())
        return Param("k", kind, tuple((day, chance.choice(NEAR[kind])) for day in days))
    if depth and drawn < 0.65 and kind is not Kind.VND:
        return some_sum(chance, kind, depth)
    return some_name(chance, kind)


def some_sum(chance: random.Random, kind: Kind, depth: int) -> Term:
    if chance.random() < 0.3:
        return Arithmetic(
            "*",
            Const(chance.choice([-3, 2, 7]), Kind.NUMBER),
            some_name(chance, kind),
            kind,
        )
    left, right = some_term(chance, kind, depth - 1), some_name(chance, kind)
    return Arithmetic(chance.choice("+-"), left, right, kind)


NEAR: dict[Kind, list[int]] = {
    Kind.PERCENT: [0, 1, 4999, 5000, 5001, 8405, 7907, 10000],
    Kind.POINTS: [0, 1, -1, 498, 500, -1000, -999, 1060],
    Kind.DECIMAL: [0, 1, -1, 349, 350, 351, -350],
    Kind.COUNT: [0, 1, 7, 10, 11, 7479, 10**12 - 1, 10**12],
    Kind.VND: [
        0,
        19_999_999_999,
        20_000_000_000,
        20_000_000_001,
        LARGEST_COUNT,
        LARGEST_COUNT - 1,
    ],
}


def some_facts(chance: random.Random) -> Facts:
    facts: dict[str, Value | None] = {}
    for name in NAMES.values():
        if name.kind in NEAR:
            facts[name.name] = chance.choice(NEAR[name.kind])
    for name in ("at", "decided_on", "period.end"):
        facts[name] = date(
            chance.randint(2019, 2023), 2, chance.randint(27, 28)
        ).toordinal()
    facts |= {
        "met": chance.random() < 0.5,
        "illustrative": chance.random() < 0.5,
        "category": chance.choice(Texts.ALL),
        "measure": chance.choice(Texts.ALL),
        "claims": tuple(chance.sample(Texts.ALL, 3)),
    }
    return {name: value for name, value in facts.items() if chance.random() < 0.75}


async def test_memory_stays_flat() -> None:
    async with running([BASE]) as engine:
        facts = [{**PROVINCE, "rate": n} for n in range(5000)]
        await engine.decide(facts)
        before = resident(engine)
        for _ in range(5):
            await engine.decide(facts)
        after = resident(engine)

    assert after - before < 2**20


def resident(engine: Engine) -> int:
    pages = Path(f"/proc/{engine.worker_pid}/statm").read_text().split()[1]
    return int(pages) * os.sysconf("SC_PAGE_SIZE")


# What never reaches the engine


@pytest.mark.parametrize(
    ("condition", "reason"),
    [
        pytest.param(
            " and ".join(f"(rate > {n} or met)" for n in range(5)),
            "branches",
            id="17+ branches",
        ),
        pytest.param(
            " and ".join(f"rate > {n}" for n in range(13)),
            "conditions",
            id="13 conditions",
        ),
        pytest.param(
            "done > enforceable + completed + terminated + reduced + withdrawn",
            "nested",
            id="deep arithmetic",
        ),
        pytest.param("2 * done > 7", "alone", id="a product against a constant"),
        pytest.param(
            "done > 10_000 * enforceable", "exactly", id="a product too large"
        ),
        pytest.param('category == "a\u0007b"', "printable", id="a control character"),
        pytest.param(f'category == "{"x" * 1001}"', "1000", id="a long text"),
    ],
)
def test_a_rule_outside_the_safe_subset_says_why(condition: str, reason: str) -> None:
    rule = rule_of(condition)

    translation = Translation([rule])

    assert reason in translation.native_only["try"].en
    assert translation.shards == ()


@pytest.mark.parametrize("name", ["sid", "id", "kind", "x" * 64, "tỷ_lệ", "$s", "a b"])
def test_a_name_the_engine_keeps_for_itself_is_refused(name: str) -> None:
    rule = rule_of(Compare("gt", Ref(name, Kind.NUMBER), Const(1, Kind.NUMBER)))

    assert "try" in Translation([rule]).native_only


def test_more_than_two_hundred_names_are_refused() -> None:
    rules = [
        rule_of(
            Compare("gt", Ref(f"n{n}", Kind.NUMBER), Const(1, Kind.NUMBER)), f"r{n}"
        )
        for n in range(201)
    ]

    assert set(Translation(rules).native_only) == {"r200"}


@pytest.mark.parametrize(
    ("name", "value"),
    [
        pytest.param("rate", "9", id="a text in a number"),
        pytest.param("rate", True, id="a flag in a number"),
        pytest.param("rate", 50.0, id="a float"),
        pytest.param("rate", float("nan"), id="NaN"),
        pytest.param("rate", 2**53, id="beyond 2^53 - 1"),
        pytest.param("done", 10**12 + 1, id="too large to add"),
        pytest.param("category", 5, id="a number in a text"),
        pytest.param("category", "a\x00", id="NUL"),
        pytest.param("category", "\ud800", id="half a character"),
        pytest.param("category", "x" * 1001, id="a long text"),
        pytest.param("category", "tie\u0302\u0300n", id="not composed"),
        pytest.param("met", 1, id="a number in a flag"),
    ],
)
def test_a_value_of_the_wrong_sort_never_reaches_the_engine(
    name: str, value: Value
) -> None:
    translation = Translation(
        [rule_of('rate > 1 and enforceable > done + 1 and category == "a" and met')]
    )

    rows = Columns.of([{name: value}, {"rate": 2}], translation.names)

    assert translation.lines(rows, 1) == [None, '{"id":"2","rate":2.0}']


def test_numbers_travel_as_doubles_and_never_with_an_exponent() -> None:
    translation = Translation([rule_of("due_vnd > 1 and met")])

    row = {"due_vnd": LARGEST_COUNT, "met": True, "rate": 1}
    [line] = translation.lines(Columns.of([row], translation.names), 7)

    assert line == '{"id":"7","due_vnd":9007199254740991.0,"met":1.0}'


def test_every_branch_begins_with_the_guards_and_shards_hold_thirty_two() -> None:
    rules = [rule_of("met or rate > 1", f"r{n}") for n in range(33)]

    shards = [json.loads(shard) for shard in Translation(rules).shards]

    assert [len(shard) for shard in shards] == [32, 32, 2]
    for shard in shards:
        for branch in shard.values():
            conditions = branch["all"][0]["m"]["$and"]
            assert conditions[:2] == [{"$ex": {"id": 1}}, {"$nex": {"$s": 1}}]


async def test_what_durable_cannot_be_asked_is_decided_by_native() -> None:
    rules = [rule_of("2 * done > 1", "alone"), rule_of("done > 0", "both")]

    async with running(rules) as engine:
        [[alone, both]] = await engine.decide([PROVINCE])

    assert (alone.decided_by, alone.why) == ("native", Why.OUTSIDE_SAFE_SUBSET)
    assert (both.decided_by, both.why) == ("both", None)
    assert alone.verdict.outcome is Outcome.FIRED


async def test_a_value_of_the_wrong_type_is_unknown_and_never_sent() -> None:
    async with running([rule_of("rate > 1 or done > 0")]) as engine:
        [[decision]] = await engine.decide([{"rate": "9", "done": 1}])

    assert decision.verdict.outcome is Outcome.FIRED
    assert decision.why is Why.OUTSIDE_SAFE_SUBSET


async def test_money_too_large_to_add_is_native_s() -> None:
    async with running([rule_of("enforceable > done + 1")]) as engine:
        decided = await engine.decide(
            [{"enforceable": LARGEST_COUNT, "done": 10**12 + 1}]
        )

    assert reasons(decided) == [Why.OUTSIDE_SAFE_SUBSET]
    assert engine.counters.refused == 1


# When the worker fails


def worker(
    tmp_path: Path, trick: str, library: str = "durable_rules_engine"
) -> list[str]:
    """The real worker, with something done before each fact is matched."""
    script = tmp_path / "worker.py"
    worker = str(Path(rulebook.__file__).parent / "engine" / "worker.py")
    lines = "\n        ".join(trick.splitlines())
    script.write_text(
        f"""
import os, sys, time
from importlib.util import module_from_spec, spec_from_file_location

spec = spec_from_file_location("worker", {worker!r})
worker = module_from_spec(spec)
spec.loader.exec_module(worker)

real = worker.matcher

def matcher(shards):
    import {library} as library
    match = real(shards)
    def tricked(fact):
        {lines}
        return match(fact)
    return tricked

worker.matcher = matcher
sys.exit(worker.main())
""",
        "utf-8",
    )
    return [sys.executable, str(script)]


async def test_nothing_of_a_fact_stays_behind(tmp_path: Path) -> None:
    """One that stayed would have the same one refused when it comes again."""
    twice = worker(tmp_path, "match(fact)")

    async with running([RULE], command=twice) as engine:
        decided = await engine.decide([dict(PROVINCE), dict(POISON)])

    assert reasons(decided) == [None, None]
    assert engine.counters.restarts == 0


POISON = {**PROVINCE, "done": 666}
RULE = rule_of('rate < last_year.rate and done > 0 and unit.kind == "province"')
DIVISION = """if '"done":666.0' in fact:
    rules = '{"r":{"all":[{"m":{"$lt":{"a":{"$div":{"$l":{"$m":"a"},"$r":{"$m":"b"}}}}}}]}}'
    library.assert_fact(library.create_ruleset("x", rules), '{"id":"1","a":1,"b":0}')"""
ENDLESS_REGEX = """if '"done":666.0' in fact:
    rules = '{"r":{"all":[{"m":{"$mt":{"a":"(a*)*(a*)*(a*)*"}}}]}}'
    library.assert_fact(library.create_ruleset("x", rules), '{"id":"1","a":"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaab"}')
    time.sleep(60)"""
ABORTS = """if '"done":666.0' in fact:
    os.abort()"""


@pytest.mark.parametrize(
    ("trick", "deadline"),
    [
        pytest.param(DIVISION, 5.0, id="the library crashes"),
        pytest.param(ABORTS, 5.0, id="the process aborts"),
        pytest.param(ENDLESS_REGEX, 0.4, id="the library hangs"),
    ],
)
async def test_poison_is_isolated(tmp_path: Path, trick: str, deadline: float) -> None:
    facts = [dict(PROVINCE) for _ in range(40)]
    facts[23] = dict(POISON)

    async with running(
        [RULE], command=worker(tmp_path, trick), deadline=deadline
    ) as engine:
        decided = await engine.decide(facts)
        again = await engine.decide([PROVINCE])

    whys = reasons(decided)
    assert whys[23] is Why.POISON
    assert whys.count(None) == 39
    assert all(each[0].verdict.outcome is Outcome.FIRED for each in decided)
    assert engine.counters.poison == 1
    assert reasons(again) == [None]


async def test_a_worker_killed_from_outside_is_replaced(tmp_path: Path) -> None:
    slow = worker(tmp_path, "time.sleep(0.01)")

    async with running([RULE], command=slow) as engine:
        first = engine.worker_pid
        deciding = asyncio.create_task(engine.decide([PROVINCE] * 30))
        await asyncio.sleep(0.1)
        assert first is not None
        os.kill(first, signal.SIGKILL)
        decided = await deciding

    assert set(reasons(decided)) == {None}
    assert engine.counters.restarts >= 1
    assert engine.counters.poison == 0


async def test_too_many_restarts_leave_it_to_native(tmp_path: Path) -> None:
    dying = worker(tmp_path, "os.abort()")

    async with running([RULE], command=dying, restarts_a_minute=2) as engine:
        decided = await engine.decide([PROVINCE] * 20)
        health = engine.health()

    assert set(reasons(decided)) == {Why.WORKER_DOWN}
    assert all(each[0].verdict.outcome is Outcome.FIRED for each in decided)
    assert engine.counters.restarts == 2
    assert (health.state, "down" in health.text) == ("warn", True)


async def test_a_worker_that_cannot_start_leaves_it_to_native() -> None:
    async with running([RULE], command=["/no/such/program"]) as engine:
        decided = await engine.decide([PROVINCE])

    assert reasons(decided) == [Why.WORKER_DOWN]


async def test_a_worker_that_talks_nonsense_is_replaced() -> None:
    async with running([RULE], command=["/bin/cat"], restarts_a_minute=1) as engine:
        decided = await engine.decide([PROVINCE])

    assert reasons(decided) == [Why.WORKER_DOWN]


async def test_a_missing_build_leaves_it_to_native(tmp_path: Path) -> None:
    missing = worker(tmp_path, "", library="no_such_module")

    async with running([RULE], command=missing) as engine:
        decided = await engine.decide([PROVINCE])
        health = engine.health()

    assert reasons(decided) == [Why.ENGINE_MISSING]
    assert decided[0][0].decided_by == "native"
    assert health.state == "warn"
    assert "no_such_module" in health.text


async def test_native_mode_starts_no_process() -> None:
    engine = Engine(mode="native")
    await engine.start([BASE])

    decided = await engine.decide([PROVINCE])

    assert engine.worker_pid is None
    assert reasons(decided) == [Why.TURNED_OFF]
    assert engine.health().state == "ok"


@pytest.mark.parametrize(
    ("trick", "facts"),
    [
        pytest.param("return ''", PROVINCE, id="durable misses a match"),
        pytest.param(
            "return '0'", {**PROVINCE, "rate": 4600}, id="durable invents a match"
        ),
    ],
)
async def test_a_broken_reading_is_counted_and_native_s_stands(
    tmp_path: Path, trick: str, facts: Facts
) -> None:
    async with running([BASE], command=worker(tmp_path, trick)) as engine:
        [[decision]] = await engine.decide([facts])
        health = engine.health()

    expected = Outcome.FIRED if facts is PROVINCE else Outcome.SILENT
    assert decision.verdict.outcome is expected
    assert (decision.decided_by, decision.why) == ("native", Why.DISAGREED)
    assert engine.counters.disagreements == 1
    assert health.state == "warn"


async def test_giving_up_in_the_middle_leaves_the_engine_usable(tmp_path: Path) -> None:
    slow = worker(tmp_path, """if '"done":666.0' in fact:\n    time.sleep(1)""")

    async with running([RULE], command=slow) as engine:
        deciding = asyncio.create_task(engine.decide([POISON]))
        await asyncio.sleep(0.2)
        deciding.cancel()
        with pytest.raises(asyncio.CancelledError):
            await deciding
        decided = await engine.decide([PROVINCE])

    assert reasons(decided) == [None]


async def test_rules_can_be_replaced() -> None:
    async with running([RULE]) as engine:
        first = engine.worker_pid
        await engine.start([rule_of("done > 5")])
        [[decision]] = await engine.decide([PROVINCE])

    assert engine.worker_pid is None
    assert first is not None
    assert decision.verdict.outcome is Outcome.SILENT
    assert decision.decided_by == "both"


async def test_no_process_is_left_behind(tmp_path: Path) -> None:
    pids: list[int | None] = []

    async with running([RULE], command=worker(tmp_path, ABORTS)) as engine:
        pids.append(engine.worker_pid)
        await engine.decide([POISON])
        pids.append(engine.worker_pid)

    for pid in pids:
        assert pid is not None
        with pytest.raises(ProcessLookupError):
            os.kill(pid, 0)


async def test_nothing_to_decide() -> None:
    async with running([]) as engine:
        assert await engine.decide([]) == []
        assert await engine.decide([PROVINCE]) == [()]
        assert engine.health().state == "ok"


async def test_the_trace_may_be_left_out() -> None:
    async with running([BASE]) as engine:
        [[with_trace]] = await engine.decide([PROVINCE])
        [[without]] = await engine.decide([PROVINCE], traced=False)

    assert len(with_trace.verdict.trace) == 4
    assert without.verdict == replace(with_trace.verdict, trace=())


async def test_one_fact_can_be_explained() -> None:
    async with running([BASE]) as engine:
        verdict = engine.explain(BASE.id, PROVINCE)

    assert verdict is not None
    assert [leaf.verdict for leaf in verdict.trace] == [True, True, True, True]
    with pytest.raises(KeyError):
        engine.explain("no-such-rule", PROVINCE)
