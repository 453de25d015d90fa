"""docs/rules.md and docs/duties.md say what is so."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from services.alerts import rulebook
from services.alerts.domain.checking import parse
from services.alerts.domain.rules import Severity
from services.alerts.domain.vocabulary import Kind
from services.alerts.engine.durable import Translation
from services.alerts.rule_nodes import MAX_BYTES, MAX_ITEMS
from services.alerts.rulebook import (
    MAX_SEVERITIES,
    OPTIONAL,
    REQUIRED,
    RuleErrors,
    load_directory,
    load_text,
)
from tests.support import handbook

DOCS = Path(__file__).parents[1] / "docs"
RULES = (DOCS / "rules.md").read_text("utf-8")
DUTIES = (DOCS / "duties.md").read_text("utf-8")
WRITTEN = re.findall(r"```yaml\n(.*?)```", RULES, re.DOTALL)
SHIPPED, _ = load_directory(Path(rulebook.__file__).parent / "rules")


def test_the_vocabulary_of_the_page_is_that_of_the_code() -> None:
    same = handbook.written() == RULES

    assert same, "run python -m tests.support.handbook"


@pytest.mark.parametrize("text", WRITTEN, ids=lambda text: text.splitlines()[0])
def test_a_rule_of_the_page_loads_with_its_examples(text: str) -> None:
    rule = load_text(text)

    assert rule.examples
    assert Translation([rule]).native_only == {}


def test_the_page_s_mistake_is_said_as_it_says() -> None:
    (said,) = re.findall(r"```text\n(far-below-national.yaml:.*)\n```", RULES)
    wrong = WRITTEN[0].replace("when: above_national <= -10 pp", "when: above_national <= -10 %")  # fmt: skip

    with pytest.raises(RuleErrors) as caught:
        load_text(wrong, source="far-below-national.yaml")

    assert said in str(caught.value)


def rows(first: str) -> list[list[str]]:
    """The cells of the table whose first line begins so, without its head."""
    table = RULES[RULES.index(f"\n{first}") + 1 :].split("\n\n")[0]
    return [line.split("|")[1:-1] for line in table.splitlines()[2:]]


def test_every_key_is_on_the_page_and_no_other() -> None:
    keys = {cell[0].strip().strip("`") for cell in rows("| key |")}

    assert keys == {*REQUIRED, *OPTIONAL}


def test_every_kind_is_on_the_page() -> None:
    kinds = [kind.strip() for cell in rows("| kind |") for kind in cell[0].split(",")]

    assert sorted(kinds) == sorted(Kind)


@pytest.mark.parametrize(
    "condition",
    [
        condition
        for cells in rows("| write |")
        for condition in re.findall(r"`([^`]+)`", cells[0])
        if not re.match(r"[ab2<>]|param", condition)
    ],
)
def test_what_the_page_writes_can_be_read(condition: str) -> None:
    watch = "case" if "case." in condition else "scorecard"

    assert parse(condition, names=handbook.WORDS[handbook.Watch(watch)])


def test_limits_and_severities_are_those_of_the_code() -> None:
    assert MAX_BYTES == 64 * 1024
    assert f"{MAX_SEVERITIES} severities; {MAX_ITEMS} items" in RULES
    assert ", ".join(f"`{one}`" for one in Severity) in RULES


def test_every_duty_has_its_line() -> None:
    duties = re.findall(r"^\| (D[0-9]{2}) \|", DUTIES, re.MULTILINE)

    assert duties == [f"D{n:02d}" for n in range(1, 30)]


def test_every_rule_keeps_a_duty_and_every_duty_s_rule_exists() -> None:
    tables = "\n".join(line for line in DUTIES.splitlines() if line.startswith("|"))
    named = set(re.findall(r"`([a-z0-9]+(?:-[a-z0-9]+)+)`", tables))

    assert named == {rule.id for rule in SHIPPED}


def test_what_has_no_rule_says_why() -> None:
    for line in DUTIES.splitlines():
        cells = line.split("|")
        if re.match(r"\| D[0-9]", line) and "`" not in cells[3]:
            assert re.match(r" None", cells[3]), line
            assert len(cells[3]) > 50, line
