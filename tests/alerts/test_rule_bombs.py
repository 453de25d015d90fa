"""Rules made to stall, to exhaust or to break out are refused before they do."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from services.alerts import rulebook
from services.alerts.domain.watching import Watch
from services.alerts.engine import Engine
from services.alerts.rulebook import RuleErrors, load_directory, load_text

pytestmark = pytest.mark.anyio

SHIPPED = Path(rulebook.__file__).parent / "rules"
RULE = (SHIPPED / "below-last-year.yaml").read_text("utf-8")
WHEN = "rate < last_year.rate"
HIGH = "  - {if: last_year.points <= -10 pp, is: high}\n"


def when(condition: str) -> str:
    return RULE.replace(f"when: {WHEN}", f"when: '{condition}'")


def severities(rows: Iterator[str]) -> str:
    return RULE.replace(HIGH, "".join(rows))


def rising(count: int) -> Iterator[str]:
    for n in range(count):
        yield f"  - {{if: last_year.points <= -{100 - n / 100:.2f} pp, is: high}}\n"


EITHER = " and ".join(f"(done < {n} or enforceable > {n})" for n in range(300))

BOMBS = {
    "a megabyte": (when(" or ".join([WHEN] * 50_000)), "65536 bytes"),
    "a hundred thousand terms": (when("1+" * 30_000 + "1 < rate"), "4000 characters"),
    "a thousand nots": (when("not " * 900 + WHEN), "32 deep"),
    "a well of brackets": (when("(" * 1500 + WHEN + ")" * 1500), "32 deep"),
    "a tower of powers": (when("9**9**9 < rate"), "not expected here"),
    "a number of a thousand digits": (when("rate < " + "9" * 1000 + " %"), "too long"),
    "a sum beyond eight bytes": (
        when("9007199254740991 vnd + 1 vnd < done"),
        "too large",
    ),
    "what multiplies when it is multiplied out": (when(EITHER), "4000 characters"),
    "nine hundred severities": (severities(rising(900)), "more than 20 items"),
    "a thousand examples": (
        RULE + "  - {given: {rate: 1}, expect: {held: true}}\n" * 1000,
        "more than 200 items",
    ),
    "a billion laughs": ("a: &a [x]\n" + "b: [*a, *a, *a]\n" * 9, "Anchors"),
    "a class": (when("rate.__class__.__mro__ == 1 %"), "no name"),
    "an import": (when("__import__(1) == 1"), "no function"),
    "the engine's own names": (when("sid == 3 or id == 3 or kind == 3"), "no name"),
}


@pytest.mark.parametrize("bomb", BOMBS)
def test_is_refused_and_says_why(bomb: str) -> None:
    text, why = BOMBS[bomb]

    with pytest.raises(RuleErrors) as caught:
        load_text(text)

    assert why in caught.value.problems[0].message.en
    assert len(str(caught.value)) < 5_000


def test_twenty_severities_are_enough() -> None:
    rule = load_text(severities(rising(19)))

    assert len(rule.severity) == 20


@pytest.mark.parametrize("name", ["sid", "id", "kind"])
async def test_a_parameter_may_have_a_name_that_the_engine_keeps(name: str) -> None:
    rule = load_text(
        RULE.replace(WHEN, f'last_year.points < param("{name}")')
        + f"params: {{{name}: [{{from: 2020-01-05, value: -1 pp}}]}}\n"
    )
    engine = Engine("durable")

    await engine.start([rule])
    [[decision]] = await engine.decide([rule.examples[0].facts])
    await engine.stop()

    assert decision.decided_by == "both"


async def test_a_thousand_rules_at_once_are_decided_by_both() -> None:
    shipped = [r for r in load_directory(SHIPPED)[0] if r.watches is Watch.SCORECARD]
    rules = [replace(shipped[n % len(shipped)], id=f"r{n}") for n in range(1000)]
    facts = [rule.examples[0].facts for rule in shipped]
    engine = Engine("durable")

    await engine.start(rules)
    decided = await engine.decide(facts)
    await engine.stop()

    assert {one.decided_by for row in decided for one in row} == {"both"}
    assert sum(len(row) for row in decided) >= 1000
