"""`dondoc rules`: files are checked, tested by files, and judged over past months."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from services.__main__ import cli
from services.alerts.rulebook import RULES
from tests.support.world import SECRET, World

HERE = Path(__file__).parent
SUITE = (HERE / "letter-679.yaml").read_text("utf-8")
BAD = Path(__file__).parents[2] / "bad_rules"


def rules(*arguments: str | Path, **environment: str) -> Result:
    return CliRunner().invoke(cli, ["rules", *map(str, arguments)], env=environment)


def ran(place: Path, text: str) -> Result:
    file = place / "suite.yaml"
    file.write_text(text, "utf-8")
    return rules("test", file)


def test_check_says_who_decides_each_rule() -> None:
    result = rules("check", RULES)

    assert result.exit_code == 0, result.output
    assert "ok: below-last-year@" in result.output
    assert "decided by durable and native" in result.output
    assert "warning" not in result.output


def test_check_names_every_fault_and_fails() -> None:
    result = rules("check", BAD / "unknown-name.yaml", RULES / "below-last-year.yaml")

    assert result.exit_code == 1
    assert "unknown-name.yaml:8:7: when: " in result.output
    assert "Write: rate" in result.output
    assert "ok: below-last-year@" in result.output


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        pytest.param("due: {by:", "due: {on:", "no key 'on' here; there are: by, before", id="key"),
        pytest.param("-10 pp", "-10 points", "no unit 'points'. Write: pp", id="unit"),
        pytest.param('"province"', "province", "a text stands in quotes", id="text"),
    ],
)  # fmt: skip
def test_check_says_what_could_stand_there(
    tmp_path: Path, old: str, new: str, says: str
) -> None:
    text = (RULES / "below-last-year.yaml").read_text("utf-8")
    file = tmp_path / "below-last-year.yaml"
    file.write_text(text.replace(old, new), "utf-8")

    result = rules("check", file)

    assert result.exit_code == 1
    assert says in result.output, result.output


LATE_REPORT = """
id: late-report
version: 1
title: {vi: Báo cáo chậm, en: A late report}
basis: [{document: 06/2019/TT-BTP, date: 2019-11-21}]
effective: {from: 2020-01-05}
watches: missing_report
when: not reported
severity: [{is: high}]
owes: report
due: {within: 1}
inhibits: [{rules: [below-last-year, below-lst-year], same: [unit, period]}]
closes: data
"""


def test_check_warns_of_what_is_no_fault(tmp_path: Path) -> None:
    file = tmp_path / "late-report.yaml"
    file.write_text(LATE_REPORT, "utf-8")

    result = rules("check", file)

    assert result.exit_code == 0, result.output
    assert f"{file}:12:38: inhibits[0].rules[1]: There is no rule" in result.output
    assert "Write: below-last-year" in result.output
    assert "no example on which the rule fires" in result.output
    assert "no example on which the rule does not fire" in result.output
    assert result.output.count("warning: ") == 3


def test_a_rule_may_inhibit_another_of_its_folder(tmp_path: Path) -> None:
    text = (RULES / "below-last-year.yaml").read_text("utf-8")
    mine = text.replace("id: below-last-year", "id: below-lst-year", 1)
    (tmp_path / "below-lst-year.yaml").write_text(mine, "utf-8")
    (tmp_path / "late-report.yaml").write_text(LATE_REPORT, "utf-8")

    result = rules("check", tmp_path)

    assert result.exit_code == 0, result.output
    assert "inhibits" not in result.output


def test_a_file_that_is_not_there_is_said_once(tmp_path: Path) -> None:
    result = rules("check", tmp_path / "none.yaml")

    assert result.exit_code == 1
    assert "none.yaml:1:1: The file cannot be read: No such file" in result.output


def test_a_test_file_comes_out() -> None:
    result = rules("test", HERE / "letter-679.yaml")

    assert (result.exit_code, result.output.count("ok: ")) == (0, 1), result.output


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        pytest.param(
            "34 41.5", "34 46", "expected fires: true, came silent", id="it does not fire"
        ),
        pytest.param("11 19", "9 19", "2022M01 is fired (medium), and no line", id="another fires"),
        pytest.param("severity: medium", "severity: high", "came medium", id="severity"),
        pytest.param("due: 2022-03-15", "due: 2022-03-14", "came 2022-03-15", id="due"),
        pytest.param('"-3.50"', '"-3.49"', "came -3.50", id="a fact"),
        pytest.param("held: [last_year.rate]", "held: [rate]", "held (last_year.rate)", id="what is missing"),
        pytest.param("unit: A, period: 2022M05", "unit: B, period: 2022M05", "was not judged", id="nobody"),
        pytest.param("fast_forward: 2 wdays", "fast_forward: 1 wdays", "did not come", id="too early"),
        pytest.param("expect_events: []", "expect_events: [{type: escalation.overdue, unit: A}]", "did not come", id="not yet"),
        pytest.param(
            "[{type: escalation.overdue, unit: A}, {type: escalation.escalated, unit: A, to: parent}]",
            "[{type: escalation.overdue, unit: A}]",
            "escalated of A to parent came, and no line says so",
            id="unlisted news",
        ),
    ],
)  # fmt: skip
def test_what_does_not_come_out_fails(
    tmp_path: Path, old: str, new: str, says: str
) -> None:
    assert old in SUITE

    result = ran(tmp_path, SUITE.replace(old, new))

    assert result.exit_code == 1
    assert says in result.output


def test_the_rules_may_be_in_the_folder_above(tmp_path: Path) -> None:
    text = (RULES / "below-last-year.yaml").read_text("utf-8")
    mine = text.replace("id: below-last-year", "id: mine", 1)
    (tmp_path / "mine.yaml").write_text(mine, "utf-8")
    (tmp_path / "tests").mkdir()

    result = ran(tmp_path / "tests", SUITE.replace("below-last-year", "mine"))

    assert result.exit_code == 0, result.output


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        pytest.param("allow_others:", "allow_other:", "Write: allow_others", id="key"),
        pytest.param("below-last-year]", "below-last-year@99]", "is version", id="version"),
        pytest.param("[below-last-year]", "[nowhere]", "no nowhere.yaml", id="rule"),
        pytest.param("26 34", "26 x", "is no percent", id="rate"),
        pytest.param("A/cases/2022", "A-cases-2022", "for example A/cases/2022", id="series"),
        pytest.param("2 wdays", "2 weeks", "for example: 6 wdays", id="time"),
        pytest.param("2 wdays", "8 ngày làm việc", "Write: 8 wdays", id="time in words"),
        pytest.param("    at: 2022", "    targets: {A/cases/2022: '46 %'}\n    at: 2022", 'Write: "46"', id="target"),
        pytest.param("26 34", "26 34,5", "Write: 34.5", id="a month of several"),
        pytest.param("escalation.overdue", "escalation.closed", "come with time", id="type"),
        pytest.param("last_year.points:", "last_year.pionts:", "Write: last_year.points", id="name"),
    ],
)  # fmt: skip
def test_a_mistake_in_the_file_says_where(
    tmp_path: Path, old: str, new: str, says: str
) -> None:
    result = ran(tmp_path, SUITE.replace(old, new))

    assert result.exit_code == 1
    assert says in result.output, result.output


LATE = """
rules: [below-last-year]
tests:
  - name: figures that come after the day on which the explanation was due
    rates: {A/cases/2021: '45', A/cases/2022: '41.5'}
    at: 2022-03-16
    expect: [{rule: below-last-year, unit: A, period: 2022M01, fires: true, due: 2021-11-15}]
    expect_events: [{type: escalation.overdue, unit: A}]
  - then: {fast_forward: 90 days}
    expect_events: []
"""


def test_a_matter_that_opens_after_its_deadline_is_overdue_at_once(
    tmp_path: Path,
) -> None:
    result = ran(tmp_path, LATE)

    assert result.exit_code == 0, result.output


EVENTS = "    expect_events: [{type: escalation.overdue, unit: A}]\n"


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        pytest.param(EVENTS, "", "overdue of A came, and no line says so", id="unlisted"),
        pytest.param(EVENTS, EVENTS.replace("unit: A", "unit: B"), "of B did not come", id="of another"),
        pytest.param("2022-03-16", "2021-11-15", "overdue of A did not come", id="the day itself"),
        pytest.param("2022M01", "2019M01", "2018-10-31 is outside the rule's `effective`, from 2020-01-05", id="not in force"),
        pytest.param("below-last-year, unit", "over, unit", "no rule of that name is tested", id="another rule"),
    ],
)  # fmt: skip
def test_what_comes_at_once_is_held_against_the_file(
    tmp_path: Path, old: str, new: str, says: str
) -> None:
    result = ran(tmp_path, LATE.replace(old, new))

    assert result.exit_code == 1
    assert says in result.output, result.output


def test_others_may_come_at_once_where_others_are_allowed(tmp_path: Path) -> None:
    result = ran(tmp_path, LATE.replace(EVENTS, "    allow_others: true\n"))

    assert result.exit_code == 0, result.output


CASES = """
rules: [enforceable-over-one-year]
tests:
  - name: cases and reports are given by facts
    facts:
      A: {case.status: enforceable, case.decided_on: 2021-02-28, case.reason_code: x}
    at: 2022-03-08
    expect: [{rule: enforceable-over-one-year, unit: A, fires: true, severity: medium}]
"""


def test_rows_without_rates_are_given_by_facts(tmp_path: Path) -> None:
    result = ran(tmp_path, CASES)

    assert result.exit_code == 0, result.output


GROUP = """
rules: [enforceable-over-one-year]
tests:
  - name: the worst speaks for all cases of an office
    facts:
      A:
        - {case.status: enforceable, case.decided_on: 2020-05-04, case.reason_code: x}
        - {case.status: enforceable, case.decided_on: 2021-02-28}
        - {case.status: enforceable, case.decided_on: 2021-12-01}
        - {case.status: completed, case.decided_on: 2019-12-01}
      B:
        - {case.status: enforceable, case.decided_on: 2021-12-01}
        - {case.status: enforceable}
    at: 2022-03-08
    expect:
      - {rule: enforceable-over-one-year, unit: A, fires: true, severity: high, members: 2, due: 2022-04-04, facts: {case.decided_on: 2021-02-28}}
      - {rule: enforceable-over-one-year, unit: B, held: [case.decided_on], members: 0}
  - then: {fast_forward: 40 days}
    expect_events: [{type: escalation.overdue, unit: A}, {type: escalation.escalated, unit: A, to: parent}]
"""


def test_all_cases_of_an_office_are_one_matter(tmp_path: Path) -> None:
    result = ran(tmp_path, GROUP)

    assert result.exit_code == 0, result.output


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        pytest.param("members: 2", "members: 3", "expected 3 members, came 2", id="members"),
        pytest.param("severity: high", "severity: medium", "came high", id="the worst"),
        pytest.param("{case.decided_on: 2021-02-28}", "{case.decided_on: 2020-05-04}", "came 2021-02-28", id="who speaks"),
        pytest.param("held: [case.decided_on]", "held: [case.status]", "came held (case.decided_on)", id="what is missing"),
        pytest.param("members: 2", "members: two", "A whole number from 0", id="no number"),
        pytest.param("      A:\n", "      A: []\n      C:\n", "A list is expected here", id="no case"),
        pytest.param("      A:\n", "      A/2022M05:\n", "Pairs of key: value", id="several reports"),
    ],
)  # fmt: skip
def test_what_a_group_does_not_come_to_fails(
    tmp_path: Path, old: str, new: str, says: str
) -> None:
    result = ran(tmp_path, GROUP.replace(old, new, 1))

    assert result.exit_code == 1
    assert says in result.output, result.output


@pytest.mark.anyio
async def test_a_backtest_prints_a_table_and_is_recorded(still_world: World) -> None:
    result = await asyncio.to_thread(
        rules,
        *("backtest", "below-last-year", "--from", "2022M04", "--to", "2022M05"),
        *("--known", "then"),
        DATABASE_URL=still_world.url,
        DONDOC_SECRET=SECRET,
        DONDOC_ENV="test",
        COLUMNS="120",
    )

    assert result.exit_code == 0, result.output
    assert "2022M05" in result.output
    assert "2022-03-10" in result.output
    kept = await still_world.owner.fetch("SELECT actor, known FROM alerts.backtest")
    assert [tuple(row) for row in kept] == [("cli", "then")]


@pytest.mark.anyio
async def test_a_rule_that_is_not_kept_is_said(still_world: World) -> None:
    result = await asyncio.to_thread(
        rules,
        *("backtest", "nowhere", "--from", "2022M04", "--to", "2022M05"),
        DATABASE_URL=still_world.url,
        DONDOC_SECRET=SECRET,
        DONDOC_ENV="test",
    )

    assert result.exit_code == 2
    assert "nowhere" in result.output
    assert "PUT" in result.output


def test_a_backtest_makes_no_database_to_find_nothing_in(tmp_path: Path) -> None:
    place = tmp_path / "data"

    result = rules(
        *("backtest", "below-last-year", "--from", "2022M04", "--to", "2022M05"),
        DONDOC_DATA=str(place),
        COLUMNS="300",
    )

    assert result.exit_code == 2
    assert "no database" in result.output
    assert not place.exists()
