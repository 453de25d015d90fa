"""`dondoc import` as it is seen in a terminal: a bar, a table, or what is wrong."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn
from rich.table import Table

from libs.common.periods import InvalidPeriod, Period
from libs.common.problems import Problem, Text
from libs.common.settings import Settings
from services.ingest.domain.mapping import UNITS_OF_MONEY
from services.ingest.domain.reading import Asked
from services.ingest.sheets import importing
from services.ingest.sheets.importing import Imported
from services.process import database

_STEPS = 3
_MOST_LINES = 1000


def import_file(
    file: Annotated[Path, typer.Argument(help="An .xlsx or a .csv.", dir_okay=False)],
    mapping: Annotated[str, typer.Option(help="How it is read, e.g. appendix.")],
    period: Annotated[str | None, typer.Option(help="2022M05 or 2025-09-12.")] = None,
    money_in: Annotated[
        str | None, typer.Option(help="vnd, thousand_vnd or ty.")
    ] = None,
    sheet: Annotated[str | None, typer.Option(help="The sheet to read.")] = None,
    reason: Annotated[
        str | None, typer.Option(help="Why a closed period is corrected.")
    ] = None,
    accept_valid: Annotated[
        bool, typer.Option("--accept-valid", help="Keep the reports without faults.")
    ] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Show what would change; store nothing.")
    ] = False,
) -> None:
    """Record the figures of a spreadsheet, straight into the database."""
    if money_in is not None and money_in not in UNITS_OF_MONEY:
        raise typer.BadParameter(f"money_in is one of {', '.join(UNITS_OF_MONEY)}")
    try:
        asked_period = None if period is None else Period.parse(period)
    except InvalidPeriod:
        raise typer.BadParameter("no such period: 2022M05 or 2025-09-12") from None
    try:
        content = file.read_bytes()
    except OSError as error:
        raise typer.BadParameter(f"cannot read {file}: {error.strerror}") from None
    errors = Console(stderr=True, soft_wrap=True)
    bar = Progress(TextColumn("{task.description}"), BarColumn(), console=errors)
    with database(Settings()) as (url, _), bar:
        task = bar.add_task(file.name, total=_STEPS + 1)

        def step(name: str) -> None:
            bar.update(task, description=f"{file.name}: {name}", advance=1)

        try:
            made = asyncio.run(
                importing.run(
                    url,
                    content,
                    mapping=mapping,
                    asked=Asked(asked_period, money_in, sheet, file.name, reason),
                    accept_valid=accept_valid,
                    dry_run=dry_run,
                    step=step,
                )
            )
        except Problem as problem:
            bar.stop()
            _tell(errors, problem)
            raise typer.Exit(1) from None
        bar.update(task, description=file.name, completed=_STEPS + 1)
    _show(Console(soft_wrap=True), made, dry_run=dry_run)


def _tell(console: Console, problem: Problem) -> None:
    """What is wrong, a line each, with its place in the file."""
    console.print(_spoken(problem.detail), markup=False, highlight=False)
    for fault in problem.errors[:_MOST_LINES]:
        place = f"{fault.pointer}: " if fault.pointer else ""
        line = f"{place}{_spoken(fault.message)}"
        console.print(line, markup=False, highlight=False)


def _spoken(text: Text) -> str:
    return text.vi if os.environ.get("LANG", "").startswith("vi") else text.en


def _show(console: Console, made: Imported, *, dry_run: bool) -> None:
    for warning in (*made.receipt.warnings, *made.receipt.rejected):
        placed = made.read.placed(warning)
        line = f"{placed.pointer}: {_spoken(placed.message)}"
        console.print(line, markup=False, highlight=False)
    if dry_run:
        console.print(_table(made))
        if len(made.changes) > _MOST_LINES:
            console.print(f"and {len(made.changes) - _MOST_LINES} more")
    receipt = made.receipt
    done = "would change" if dry_run else "recorded"
    console.print(
        f"{receipt.accepted} report(s) {done}, {receipt.unchanged} unchanged"
        + ("; nothing was stored" if dry_run else f" (batch {receipt.batch})"),
        highlight=False,
    )


def _table(made: Imported) -> Table:
    table = Table("unit", "period", "measure", "category", "column")
    table.add_column("now", justify="right")
    table.add_column("new", justify="right")
    for change in made.changes[:_MOST_LINES]:
        words = (change.unit, change.period, change.measure, change.category)
        values = ("" if v is None else str(v) for v in (change.now, change.new))
        table.add_row(*words, change.column, *values)
    return table
