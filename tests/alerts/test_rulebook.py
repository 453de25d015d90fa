"""Rule files load strictly: every mistake is named, with what to write instead."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import get_args, get_type_hints

import pytest

from services.alerts import rulebook
from services.alerts.domain.checking import parse
from services.alerts.domain.expressions import Compare, Const, In, Ref, leaves
from services.alerts.domain.rules import (
    Closes,
    Every,
    OnDay,
    Owes,
    Rule,
    Severity,
    Step,
    Unknown,
)
from services.alerts.domain.vocabulary import VOCABULARY
from services.alerts.domain.watching import CLOSED, EVERY_WORD, WORDS, Watch
from services.alerts.rule_json import dump
from services.alerts.rulebook import RuleErrors, load_directory, load_text
from services.ingest.cases.schemas import CaseIn
from services.ingest.domain import tree
from services.ingest.domain.reports import COLUMNS_OF
from services.scoring.schemas import TargetIn

SHIPPED = Path(rulebook.__file__).parent / "rules"
BAD = Path(__file__).parents[1] / "bad_rules"


def shipped(rule_id: str) -> Rule:
    return load_text((SHIPPED / f"{rule_id}.yaml").read_text("utf-8"))


def test_every_shipped_rule_loads_with_its_examples() -> None:
    rules, problems = load_directory(SHIPPED)

    assert problems == []
    assert {rule.id for rule in rules} >= {
        "below-last-year",
        "over-one-year-in-figures",
        "short-of-target-at-year-end",
    }
    assert all(rule.examples for rule in rules)


def test_the_rule_of_letter_679() -> None:
    rule = shipped("below-last-year")

    assert rule.version == 2
    assert rule.title.vi == "Kết quả thấp hơn cùng kỳ năm trước"
    assert rule.basis[0].document == "679/TCTHADS-TKDLCN"
    assert rule.basis[0].date == date(2022, 3, 8)
    assert rule.effective.start == date(2020, 1, 5)
    assert rule.unknown is Unknown.HOLD
    assert [row.severity for row in rule.severity] == [Severity.HIGH, Severity.MEDIUM]
    assert rule.owes is Owes.EXPLANATION
    assert rule.due == OnDay(15, inclusive=True)
    assert rule.escalate == (Step(None, 1), Step(3, 2))
    assert rule.closes is Closes.ACCEPTED


def test_before_is_one_word_and_one_day_s_difference() -> None:
    text = (SHIPPED / "below-last-year.yaml").read_text("utf-8")

    rule = load_text(text.replace("{by: {day", "{before: {day"))

    assert rule.due == OnDay(15, inclusive=False)


@pytest.mark.parametrize("way", ["by", "before"])
def test_a_standing_report_may_be_due_on_a_day_of_the_month(way: str) -> None:
    text = (SHIPPED / "enforceable-over-one-year.yaml").read_text("utf-8")
    due = f"{{every: month, {way}: {{day: 20, month: after_period}}}}"
    text = text.replace("{every: month, within: 2, from: period_end}", due)

    rule = load_text(text.replace("due: 2022-04-04", "due: 2022-04-20"))

    assert rule.due == Every(1, OnDay(20, inclusive=way == "by"))
    assert load_text(json.dumps(dump(rule), ensure_ascii=False)) == rule


def test_from_a_year_on_is_one_parameter_and_one_day_s_difference() -> None:
    text = (SHIPPED / "enforceable-over-one-year.yaml").read_text("utf-8")
    inclusive = text.replace("value: quá 01 năm", "value: từ 01 năm")

    with pytest.raises(RuleErrors, match="expects fires: false, and gets fired"):
        load_text(inclusive)


def test_every_rule_speaks_both_languages_and_cites_what_it_rests_on() -> None:
    for file in SHIPPED.glob("*.yaml"):
        rule = load_text(file.read_text("utf-8"))
        assert rule.message is not None, rule.id
        assert "{members}" in rule.message.vi or not rule.group_by
        assert rule.basis
        assert any(example.expect.fires for example in rule.examples), rule.id
        assert any(not example.expect.fires for example in rule.examples), rule.id


def test_a_missing_report_mutes_every_rule_of_rates() -> None:
    (inhibition,) = shipped("not-reported").inhibits
    rules, _ = load_directory(SHIPPED)
    of_rates = {
        rule.id
        for rule in rules
        if rule.watches is Watch.SCORECARD
        and {"cases", "money"} & set(dict(measures(rule)).get("measure", ()))
    }

    # Cases that are over a year old are counted, and stay so.
    assert set(inhibition.rules) == of_rates - {"over-one-year-in-figures"}


def measures(rule: Rule) -> Iterator[tuple[str, tuple[str, ...]]]:
    """What a rule's scope says a name must be one of."""
    assert rule.where is not None
    for leaf in leaves(rule.where.condition):
        if isinstance(leaf, In):
            yield leaf.ref.name, leaf.texts
        elif isinstance(leaf, Compare) and isinstance(leaf.right, Const):
            assert isinstance(leaf.left, Ref)
            yield leaf.left.name, (str(leaf.right.value),)


@pytest.mark.parametrize("file", sorted(SHIPPED.glob("*.yaml")), ids=lambda f: f.stem)
def test_what_the_api_gives_loads_again_as_the_same_rule(file: Path) -> None:
    rule = load_text(file.read_text("utf-8"))

    again = load_text(json.dumps(dump(rule), ensure_ascii=False))

    assert again == rule


MISTAKES = [
    ("accepted-of-nothing", 12, 9, "closes", "data"),
    ("added-percents", 8, 12, "when", None),
    ("age-against-points", 8, 27, "when", "> 5 year"),
    ("age-of-a-rate", 8, 11, "when", None),
    ("age-of-one-date", 8, 7, "when", "age(case.decided_on, at)"),
    ("anchor", 4, 20, "", None),
    ("billions", 8, 21, "when", "5_000_000_000 vnd"),
    ("billions-of-dong", 8, 23, "when", "20_000_000_000 vnd"),
    ("capital-id", 1, 5, "id", "capital"),
    ("case-by-period", 8, 28, "when", "at"),
    (
        "case-due-by-period",
        12,
        6,
        "due",
        "{every: month, by: {day: 15, month: after_period}}",
    ),
    ("case-of-a-scorecard", 8, 7, "when", "watches: case"),
    ("case-reads-a-rate", 8, 7, "when", None),
    ("case-without-group", 6, 10, "watches", "group_by: [unit]"),
    ("chained-comparison", 8, 16, "when", "and"),
    ("closes-never", 13, 9, "closes", None),
    ("compared-constants", 8, 11, "when", None),
    ("condition-in-a-block", 10, 24, "when", "5 pp"),
    ("covered-severity", 11, 5, "severity[1]", None),
    ("day-forty", 12, 17, "due.by.day", None),
    ("decimal-comma", 8, 14, "when", "52.5 %"),
    ("division", 8, 12, "when", None),
    ("due-a-number", 14, 6, "due", "{within: 3}"),
    ("due-every-month", 14, 6, "due.every", "{within: 2, from: period_end}"),
    ("due-every-nothing", 12, 6, "due", None),
    ("due-every-year", 12, 14, "due.every", None),
    ("due-on-a-number", 14, 11, "due.by", "{day: …, month: …}"),
    ("due-too-late", 12, 29, "due.within", None),
    ("duplicate-key", 10, 1, "unknown", None),
    ("effective-never", 5, 35, "effective.to", None),
    ("empty-condition", 8, 7, "when", None),
    ("english-title-missing", 3, 8, "title.en", "en: …"),
    ("example-does-not-fire", 19, 5, "examples[0]", None),
    ("example-in-words", 15, 57, "examples[0].given.enforceable", "6_000_000_000"),
    ("example-is-held", 19, 5, "examples[0]", None),
    ("example-not-a-period", 19, 97, "examples[0].given.period", None),
    ("example-not-among", 15, 22, "examples[0].given.measure", "money"),
    ("example-not-a-value", 19, 55, "examples[0].given.rate", '"41.54"'),
    ("example-says-nothing", 14, 45, "examples[0].expect", "{fires: …}"),
    ("example-unknown-name", 19, 34, "examples[0].given.categry", "category"),
    ("example-without-period", 19, 5, "examples[0].given", "period: …"),
    ("example-wrong-due", 19, 5, "examples[0]", None),
    ("example-wrong-severity", 19, 5, "examples[0]", None),
    ("flag-against-text", 8, 11, "when", None),
    ("group-by", 9, 11, "group_by", None),
    ("has-of-a-text", 8, 7, "when", 'measure == "cases"'),
    ("impossible-severity", 10, 5, "severity[0]", None),
    ("in-of-a-number", 8, 7, "when", None),
    ("inhibits", 9, 11, "inhibits[0].rules", None),
    ("inhibits-itself", 14, 11, "inhibits[0].rules", None),
    ("inhibits-what", 14, 46, "inhibits[0].same", "unit"),
    ("known-of-a-number", 8, 8, "when", None),
    ("last-severity-never", 11, 5, "severity[1]", None),
    ("letter-for-sign", 8, 12, "when", "<="),
    ("message-in-a-block", 18, 15, "message.vi", "shortfall.points"),
    ("message-unknown-name", 14, 25, "message.vi", "last_year.points"),
    ("millions", 8, 23, "when", "300_000_000 vnd"),
    ("missing-key", 1, 1, "closes", "closes: …"),
    ("missing-quote", 8, 18, "when", None),
    ("unused-parameter", 9, 3, "params.far", 'param("far")'),
    ("cases-of-money", 8, 7, "when", "vnd"),
    ("money-of-cases", 8, 7, "when", "cases"),
    ("money-per-cases", 8, 53, "when", "5 vnd"),
    ("month-thirteen", 5, 19, "effective.from", None),
    ("months-later", 12, 28, "due.by.month", "after_period"),
    ("name-of-another-watch", 8, 14, "when", "watches: missing_report"),
    ("nested-too-deep", 8, 40, "when", None),
    ("never-true", 8, 7, "when", None),
    ("no-last-severity", 11, 3, "severity", "{is: …}"),
    ("no-such-kind", 7, 21, "where", '"province"'),
    ("no-such-parameter-value", 7, 21, "where", '"office"'),
    ("no-such-status", 7, 39, "where", '"suspended"'),
    ("not-a-condition", 8, 7, "when", "rate is known"),
    ("not-a-date", 8, 12, "when", None),
    ("not-a-day", 4, 46, "basis[0].date", None),
    ("not-yaml", 6, 8, "", None),
    ("nothing-due", 1, 1, "due", "due: …"),
    ("nothing-owed-but-due", 14, 6, "due", None),
    ("parameter-not-in-quotes", 8, 14, "when", None),
    ("parameters-out-of-order", 14, 17, "params.least", None),
    ("percent-against-points", 11, 27, "severity[0].if", "-10 pp"),
    ("points-against-percent", 8, 12, "when", "5 %"),
    ("power-tower", 8, 9, "when", None),
    ("python-inside", 8, 23, "when", None),
    ("regular-expression", 7, 45, "where", None),
    ("quoted-first", 8, 16, "", "'\"credit\" in case.claims'"),
    ("reserved-id", 8, 7, "when", None),
    ("reserved-kind", 8, 7, "when", "unit.kind"),
    ("reserved-sid", 8, 7, "when", None),
    ("scientific", 8, 15, "when", None),
    ("single-equals", 7, 45, "where", "=="),
    ("steps-after-weeks", 14, 21, "escalate[0].after.weeks", None),
    ("steps-to-nobody", 16, 22, "escalate[0].to", None),
    ("steps-without-a-deadline", 12, 11, "escalate", None),
    ("parameter-in-words", 15, 44, "params.large[0].value", "20_000_000_000 vnd"),
    ("tag", 2, 10, "", None),
    ("text-order", 7, 45, "where", None),
    ("three-decimals", 8, 14, "when", None),
    ("thousands-by-dots", 8, 21, "when", "50_000_000_000"),
    ("thousands-by-one-dot", 8, 22, "when", "50_000"),
    ("too-many-severities", 30, 5, "severity", None),
    ("turned-list", 8, 25, "when", 'case.claims has "credit"'),
    ("two-due-dates", 14, 6, "due", None),
    ("unclosed-bracket", 8, 29, "when", ")"),
    ("unknown-function", 8, 7, "when", None),
    ("unknown-key", 9, 1, "unknwon", "unknown"),
    ("unknown-name", 8, 7, "when", "rate"),
    ("unknown-nested-key", 11, 38, "severity[0].iss", "is"),
    ("unknown-parameter", 8, 33, "when", "bottom_k"),
    ("unknown-severity", 11, 42, "severity[0].is", "high"),
    ("unknown-unit", 11, 34, "severity[0].if", "pp"),
    ("unquoted-word", 7, 19, "where", '"money"'),
    ("unreachable-severity", 13, 5, "severity[2]", None),
    ("version-zero", 2, 10, "version", None),
    ("visibility", 9, 13, "visibility", None),
    ("watches-reports", 6, 10, "watches", None),
    ("example-fires-no", 16, 21, "examples[0].expect.fires", "false"),
    ("example-fires-khong", 16, 21, "examples[0].expect.fires", "false"),
    ("owes-a-plan", 11, 7, "owes", "plan"),
    ("severity-in-vietnamese", 10, 10, "severity[0].is", "critical"),
    ("day-first", 5, 19, "effective.from", "2025-09-15"),
    ("year-first", 5, 19, "effective.from", "2025-09-15"),
    ("day-first-in-a-condition", 8, 12, "when", '"2025-09-15"'),
    ("example-month-first", 19, 97, "examples[0].given.period", "2025M11"),
    ("example-by-hyphen", 19, 97, "examples[0].given.period", "2025M11"),
    ("underscored-id", 1, 5, "id", "tien-thap"),
    ("inhibits-no-id", 14, 21, "inhibits[0].rules[0]", "below-last-year"),
    ("case-due-from-period-end", 12, 6, "due", "{within: 10}"),
    ("due-every-quarter-alone", 12, 6, "due", None),
    ("due-every-three-months", 12, 14, "due.every", "quarter"),
    ("due-every-half-year", 12, 14, "due.every", None),
    (
        "due-every-quarter-by",
        14,
        6,
        "due.every",
        "{by: {day: 20, month: after_period}}",
    ),
    ("turned-sign", 8, 17, "when", "<="),
    ("arrow-for-sign", 8, 17, "when", ">="),
    ("basic-for-sign", 8, 17, "when", "!="),
    ("age-without-a-unit", 8, 32, "when", "> 2 year"),
    ("age-of-today", 8, 28, "when", "at"),
    ("flag-is-yes", 8, 24, "when", "true"),
    ("flag-is-khong", 8, 24, "when", "false"),
    ("hyphened-name", 8, 11, "when", "case.status_since"),
    ("percent-less-percent", 8, 28, "when", "5 pp"),
    ("percent-and-percent", 8, 26, "when", "2.5 pp"),
    ("joined-in-vietnamese", 8, 19, "when", "and"),
    ("either-in-vietnamese", 8, 19, "when", "or"),
    ("negated-in-vietnamese", 8, 7, "when", "not"),
    ("measure-in-vietnamese", 8, 18, "when", '"money"'),
    ("word-in-vietnamese", 8, 19, "when", None),
    ("non-breaking-space", 8, 14, "when", None),
    ("message-brace-open", 14, 25, "message.vi", None),
    ("message-brace-closed", 14, 41, "message.vi", None),
    ("message-members-of-a-row", 14, 25, "message.vi", None),
    ("where-of-nothing", 7, 7, "where", None),
    ("example-not-in-force", 15, 5, "examples[0]", None),
    ("example-without-a-day", 15, 5, "examples[0].given", "at: …"),
    ("parameter-with-a-comma", 15, 44, "params.large[0]", '"5.5 pp"'),
    ("document-with-a-comma", 4, 20, "basis[0]", '"Công điện, THADS Thái Nguyên"'),
    ("tab", 10, 1, "", None),
    ("missing-among-others", 1, 1, "closes", "closes: …"),
]


@pytest.mark.parametrize(("name", "line", "column", "key", "hint"), MISTAKES)
def test_names_the_mistake(
    name: str, line: int, column: int, key: str, hint: str | None
) -> None:
    with pytest.raises(RuleErrors) as caught:
        load_text((BAD / f"{name}.yaml").read_text("utf-8"), source=f"{name}.yaml")

    problem = caught.value.problems[0]
    assert (problem.line, problem.column) == (line, column)
    assert (problem.key, problem.hint) == (key, hint)
    assert problem.file == f"{name}.yaml"
    assert problem.message.vi
    assert str(problem).startswith(f"{name}.yaml:{line}:{column}: ")


def test_every_bad_file_has_its_row() -> None:
    assert {file.stem for file in BAD.glob("*.yaml")} == {row[0] for row in MISTAKES}


def test_one_fault_does_not_hide_the_next() -> None:
    text = (SHIPPED / "below-last-year.yaml").read_text("utf-8")
    text = text.replace("rate < last", "rat < last").replace(
        "owes: explanation", "owes: much"
    )

    with pytest.raises(RuleErrors) as caught:
        load_text(text)

    assert [problem.key for problem in caught.value.problems] == ["when", "owes"]


def test_a_missing_key_does_not_hide_the_other_faults() -> None:
    with pytest.raises(RuleErrors) as caught:
        load_text((BAD / "missing-among-others.yaml").read_text("utf-8"))

    assert [problem.key for problem in caught.value.problems] == ["closes", "when"]


def test_an_example_may_say_that_nothing_fires_before_the_rule_is_in_force() -> None:
    text = (BAD / "example-not-in-force.yaml").read_text("utf-8")

    assert load_text(text.replace("fires: true", "fires: false"))


def test_a_scope_of_everyone_may_be_null() -> None:
    text = (BAD / "where-of-nothing.yaml").read_text("utf-8")

    assert load_text(text.replace("where:", "where: null")).where is None


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("", id="empty"),
        pytest.param("[]", id="a list"),
        pytest.param("just words", id="a text"),
        pytest.param("a: [" * 40, id="cut off"),
        pytest.param("[" * 5000, id="a well"),
        pytest.param("a: &a [1]\nb: [*a, *a]", id="an alias"),
        pytest.param("a: 1\n---\nb: 2", id="two documents"),
        pytest.param("a: \x00", id="a control character"),
        pytest.param("? {a: 1}\n: 2", id="a mapping as a key"),
        pytest.param("x: " + "y" * 70_000, id="a large file"),
        pytest.param("a: [\u2028\x85\r", id="lines that are no lines"),
        pytest.param("!!python/object:os.system {}", id="an object"),
    ],
)
def test_never_more_than_an_error(text: str) -> None:
    with pytest.raises(RuleErrors):
        load_text(text)


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_a_fault_in_a_block_is_found_whatever_ends_its_lines(end: str) -> None:
    text = (BAD / "condition-in-a-block.yaml").read_text("utf-8")

    with pytest.raises(RuleErrors) as caught:
        load_text(text.replace("\n", end))

    assert [problem.hint for problem in caught.value.problems] == ["5 pp"]


@pytest.mark.parametrize(
    ("written", "column"),
    [
        pytest.param('"category == \\"all\\" and rat < 5"', 32, id="double quotes"),
        pytest.param("'category == \"a''s\" and rat < 5'", 31, id="single quotes"),
        pytest.param('"category == \\"all\\"\\nand rat < 5"', 33, id="an escaped line"),
    ],
)
def test_a_fault_is_found_behind_what_is_escaped(written: str, column: int) -> None:
    text = (BAD / "decimal-comma.yaml").read_text("utf-8")

    with pytest.raises(RuleErrors) as caught:
        load_text(text.replace("rate < 52,5 %", written))

    assert [(p.line, p.column) for p in caught.value.problems] == [(8, column)]


def test_numbers_keep_their_text() -> None:
    text = (SHIPPED / "below-last-year.yaml").read_text("utf-8")

    rule = load_text(text.replace('rate: "41.54"', "rate: 41.54"))

    assert rule.examples[0].facts["rate"] == 4154


def test_what_follows_from_an_example_is_worked_out() -> None:
    rule = shipped("short-of-target-at-year-end")

    facts = rule.examples[0].facts

    assert facts["shortfall.points"] == 1060
    assert facts["days_left"] == 15
    assert facts["met"] is False


def test_parameters_are_dated() -> None:
    text = (SHIPPED / "below-last-year.yaml").read_text("utf-8")
    text = text.replace("rate < last_year.rate", 'last_year.points < param("fall")')
    text += "params: {fall: [{from: 2020-01-05, value: -3 pp}, {from: 2022-02-28, value: -4}]}\n"

    with pytest.raises(RuleErrors, match="different units"):
        load_text(text)
    rule = load_text(
        text.replace("value: -4}", "value: -3.46 pp}").replace(
            "fires: true, severity: medium, due: 2022-03-15", "fires: false"
        )
    )

    assert dump(rule)["params"] == {
        "fall": [
            {"from": "2020-01-05", "value": "-3 pp"},
            {"from": "2022-02-28", "value": "-3.46 pp"},
        ]
    }


def test_a_folder_gives_what_loads_and_what_does_not(tmp_path: Path) -> None:
    good = (SHIPPED / "below-last-year.yaml").read_text("utf-8")
    (tmp_path / "below-last-year.yaml").write_text(good, "utf-8")
    (tmp_path / "renamed.yaml").write_text(good, "utf-8")
    (tmp_path / "latin.yaml").write_bytes(b"title: \xff")
    (tmp_path / "notes.txt").write_text("not a rule")

    rules, problems = load_directory(tmp_path)

    assert [rule.id for rule in rules] == ["below-last-year"]
    assert [Path(problem.file).name for problem in problems] == [
        "latin.yaml",
        "renamed.yaml",
    ]
    assert problems[1].hint == "below-last-year.yaml"


def test_what_a_rule_takes_for_all_values_is_all_that_is_accepted() -> None:
    statuses = get_args(get_type_hints(CaseIn)["status"])

    assert set(CLOSED["unit.kind"]) == set(get_args(tree.Kind))
    assert set(CLOSED["measure"]) == set(COLUMNS_OF)
    assert CLOSED["case.status"] == CLOSED["case.previous_status"] == statuses
    assert set(CLOSED["target.operator"]) == set(
        get_args(get_type_hints(TargetIn)["operator"])
    )


@pytest.mark.parametrize("name", CLOSED)
def test_the_vocabulary_lists_all_values_of_a_closed_list(name: str) -> None:
    says = EVERY_WORD[name].says

    if name != "case.previous_status":  # as case.status
        assert all(value in says.en and value in says.vi for value in CLOSED[name])


def test_categories_and_claims_are_open() -> None:
    parse('category == "of_their_own"', names=VOCABULARY)
    parse('case.claims has "of_their_own"', names=WORDS[Watch.CASE])


@pytest.mark.parametrize(
    "condition",
    [
        "rate < previous.rate and change.denominator_share >= 50 %",
        "outlier.reclassified >= 3.5 or outlier.entrusted_among_peers > 3.5",
        "met and 2 * month.done < month.usual_done",
        "runs.below_last_year >= 3",
        "workload.cases_per_officer > 250 and workload.outlier >= 2",
        "workload.money_per_officer > 20_000_000_000 vnd",
        "classification < 70 %",
    ],
)
def test_what_scoring_computes_over_several_rows_is_a_name(condition: str) -> None:
    assert parse(condition, names=VOCABULARY)
