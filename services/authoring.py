"""`dondoc rules`: what a rule author does in a terminal."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence
from datetime import timedelta
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from libs.common.database import Database
from libs.common.events import SCORES_ASKED, SCORES_RECALLED, consume_one
from libs.common.problems import NotFound
from libs.common.problems import Problem as Refusal
from libs.common.settings import Settings
from services.alerts.backtests import usecases as backtesting
from services.alerts.backtests.shown import Backtest
from services.alerts.desk.running import run
from services.alerts.desk.steps import Suite
from services.alerts.desk.suites import read_suite
from services.alerts.domain.rules import Rule
from services.alerts.engine.durable import Translation
from services.alerts.rule_notes import notes
from services.alerts.rule_problems import Problem, Refused
from services.alerts.rulebook import RULES, RuleErrors, load_file
from services.process import database
from services.scoring.inbox import scores_asked

commands = typer.Typer(help="Rules: check, test, backtest.", no_args_is_help=True)

Files = Annotated[list[Path], typer.Argument(help="Files, or folders of them.")]


@commands.command("check")
def check_files(files: Files) -> None:
    """Load rule files strictly: every fault with its line and what to write instead.

    Warnings refuse nothing: examples that are wanting, ids under `inhibits` that are
    neither among these files nor shipped.
    """
    faulty = False
    given = list(_yaml_files(files))
    known = {file.stem for file in (*given, *RULES.glob("*.yaml"))}
    for file in given:
        try:
            rule = load_file(file)
        except RuleErrors as errors:
            faulty = True
            for problem in errors.problems:
                _complain(problem)
            continue
        typer.echo(_reading(rule))
        for note in notes(rule, file.read_text("utf-8"), str(file), known):
            _complain(note, "warning: ")
    raise typer.Exit(1 if faulty else 0)


def _yaml_files(paths: Sequence[Path]) -> Iterator[Path]:
    for path in paths:
        found = sorted(path.glob("*.yaml")) if path.is_dir() else [path]
        if not found:
            raise typer.BadParameter(f"there are no .yaml files in {path}")
        yield from found


def _reading(rule: Rule) -> str:
    """A line on a rule that loads: by whom it is decided."""
    reason = Translation([rule]).native_only.get(rule.id)
    by = f"native only: {reason.en}" if reason else "durable and native"
    examples = f"{len(rule.examples)} example(s) hold"
    return f"ok: {rule.id}@{rule.version}: {examples}; decided by {by}"


def _complain(problem: Problem, before: str = "") -> None:
    typer.echo(f"{before}{problem}", err=True)
    typer.echo(f"    {problem.message.vi}", err=True)


@commands.command("test")
def run_tests(
    files: Files,
    rules: Annotated[
        Path | None,
        typer.Option(help="Where the rules are, if not beside the file or above it."),
    ] = None,
) -> None:
    """Run test files: what is given, what must come out, what time brings."""
    failed = False
    for file in _yaml_files(files):
        try:
            suite = read_suite(file.read_text("utf-8"), file.parent)
            beside = file.resolve().parent
            places = [p for p in (rules, beside, beside.parent, RULES) if p]
            loaded = _rules_of(suite, places)
        except (Refused, RuleErrors) as fault:
            failed = True
            for problem in _problems(fault, str(file)):
                _complain(problem)
            continue
        except (OSError, UnicodeDecodeError) as fault:
            raise typer.BadParameter(f"{file} cannot be read: {fault}") from None
        failures = run(suite, loaded)
        failed = failed or bool(failures)
        for failure in failures:
            typer.echo(f"{file}:{failure}", err=True)
        typer.echo(f"{'FAILED' if failures else 'ok'}: {file}")
    raise typer.Exit(1 if failed else 0)


def _problems(fault: Refused | RuleErrors, file: str) -> Sequence[Problem]:
    return [fault.problem(file)] if isinstance(fault, Refused) else fault.problems


def _rules_of(suite: Suite, places: Sequence[Path]) -> list[Rule]:
    """The rules that a test file names, from the first place that has each."""
    found = []
    for id, version in suite.rules:
        files = [place / f"{id}.yaml" for place in places]
        file = next((one for one in files if one.exists()), None)
        if file is None:
            looked = ", ".join(map(str, places))
            raise Refused(
                None,
                "rules",
                f"Không thấy {id}.yaml ở: {looked}. Thư mục khác: --rules.",
                f"There is no {id}.yaml in: {looked}. --rules names another folder.",
            )
        rule = load_file(file)
        if version not in (None, rule.version):
            raise Refused(
                None,
                "rules",
                f"{file} là bản {rule.version}, không phải {version}.",
                f"{file} is version {rule.version}, not {version}.",
                f"{id}@{rule.version}",
            )
        found.append(rule)
    return found


@commands.command("backtest")
def backtest(
    rule: Annotated[str, typer.Argument(help="The rule's id.")],
    first: Annotated[str, typer.Option("--from", help="The first month: 2020M10.")],
    last: Annotated[str, typer.Option("--to", help="The last month: 2022M05.")],
    version: Annotated[int | None, typer.Option(help="Else the newest.")] = None,
    known: Annotated[str, typer.Option(help="then or now.")] = "now",
) -> None:
    """Judge a kept version over past months beside the active one, and record it."""
    if known not in ("then", "now"):
        raise typer.BadParameter("known is then or now")
    settings = Settings()
    if settings.database_url is None and not (settings.data / "postgres").exists():
        raise typer.BadParameter(
            f"there is no database in {settings.data}: DONDOC_DATA=.dondoc/demo names"
            " that of the demo, once `python3 dev.py demo --once` has made it"
        )
    with database(settings) as (url, _):
        try:
            found = asyncio.run(_backtest(url, rule, first, last, version, known))
        except NotFound as refused:
            raise typer.BadParameter(
                f"{refused.detail.en} A backtest judges versions that are kept: PUT the"
                f" file to /v1/rules/{rule} of this system first, and mind DONDOC_DATA"
            ) from None
        except Refusal as refused:
            says = [e.message.en for e in refused.errors] or [refused.detail.en]
            raise typer.BadParameter("; ".join(says)) from None
    _print(found)


async def _backtest(
    url: str,
    rule: str,
    first: str,
    last: str,
    version: int | None,
    known: str,
) -> Backtest:
    alerts, scoring = Database(url, "dondoc_alerts"), Database(url, "dondoc_scoring")
    await alerts.open()
    await scoring.open()
    try:
        found = await backtesting.run(
            alerts, "cli", rule, first=first, last=last, version=version, known=known
        )
        backoff = timedelta(seconds=1)
        while found["state"] == "running":
            asked = await consume_one(
                scoring, SCORES_ASKED, scores_asked, backoff=backoff
            )
            judged = await consume_one(
                alerts, SCORES_RECALLED, backtesting.recalled, backoff=backoff
            )
            if not asked and not judged:  # a serving process is at it
                await asyncio.sleep(0.2)
            async with alerts.reading() as connection:
                found = await backtesting.found(connection, rule, found["backtest"])
    finally:
        await alerts.close()
        await scoring.close()
    return found


def _print(found: Backtest) -> None:
    rule, against = found["rule"], found["against"]
    title = f"{rule['id']}@{rule['version']}, as known {found['known']}"
    table = Table(title=title, caption=f"recorded as {found['backtest']}")
    columns = ["period", "judged on", "fired", "held", "silent"]
    if against is not None:
        columns += [f"fired @{against}", "more", "less"]
    for n, name in enumerate(columns):
        table.add_column(name, justify="left" if n < 2 else "right")
    table.add_column("held for want of")
    for one in found["periods"]:
        cells = [one[name] for name in ("fired", "held", "silent")]
        other = one["against"]
        if other is not None:
            cells += [other["fired"], other["more"], other["less"]]
        lacks = [f"{each['name']} ({each['count']})" for each in one.get("missing", ())]
        table.add_row(one["period"], one["at"], *map(str, cells), ", ".join(lacks))
    console = Console(soft_wrap=False)
    console.print(table)
    for first in found["first_fired"]:
        console.print(f"{first['unit']}: first on {first['on']} ({first['period']})")
    checked = found["checked"]
    console.print(
        f"native judged {checked['rows']} of these rows beside SQL,"
        f" and differed on {checked['disagreed']}"
    )
