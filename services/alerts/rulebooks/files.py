"""Rules that come as files: those that ship, and a department's own directory.

A file's version becomes active when it is new; what a steward retired stays retired.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import Literal

import structlog

from libs.common import clock
from libs.common.database import Connection, Database
from libs.common.problems import Conflict
from services.alerts import rulebook
from services.alerts.domain.rule_life import Change, Move
from services.alerts.domain.rules import Rule
from services.alerts.matters import OURSELVES
from services.alerts.rule_notes import inhibits_nobody
from services.alerts.rulebooks import store, usecases
from services.alerts.rulebooks.usecases import Trial

log = structlog.get_logger()

Origin = Literal["shipped", "file"]


class OtherText(Exception):
    """The version is there with another text."""


class Older(Exception):
    """There is a higher version already."""


async def publish_shipped(
    connection: Connection, shipped: Sequence[tuple[Rule, str]], now: datetime
) -> None:
    """Make the rules that ship with this version active.

    Where a department's own version stands in the way, theirs stays: the shipped one
    is kept as a draft if its number is free, and left out otherwise.
    """
    for rule, source in shipped:
        try:
            await _publish(connection, rule, source, "shipped", now)
        except Older:
            await _keep(connection, rule, source, "shipped", now)
        except OtherText:
            row = await store.found(connection, rule.id, rule.version)
            if row is None or row["origin"] == "shipped":
                raise SystemExit(
                    f"rule {rule.id}: version {rule.version} is in the database with"
                    " another text; versions are immutable, so give the file a new one."
                ) from None
            log.warning("shipped_rule_left_out", rule=rule.id, version=rule.version)


async def _publish(
    connection: Connection, rule: Rule, source: str, origin: Origin, now: datetime
) -> None:
    """Make a version active that was never there. Raises OtherText or Older."""
    await store.one_writer(connection, rule.id)
    row = await store.found(connection, rule.id, rule.version)
    if row is not None:
        if row["source"] != source:
            raise OtherText
        return
    if rule.version < (await store.newest(connection, rule.id) or 0):
        raise Older
    await _keep(connection, rule, source, origin, now)
    row = await usecases.version_of(connection, rule.id, rule.version)
    await usecases.settle(
        connection, row, Move.ACTIVATE, actor=OURSELVES, reason=None, now=now
    )


async def _keep(
    connection: Connection, rule: Rule, source: str, origin: Origin, now: datetime
) -> None:
    id, version = rule.id, rule.version
    await store.keep(
        connection,
        id,
        version,
        source,
        origin=origin,
        now=now,
    )
    await store.log(
        connection, id, version, Change.DRAFTED, actor=OURSELVES, reason=None, now=now
    )


class Directory:
    """A department's own rule files, taken once at start; `problems` says which were
    not, and why, and which inhibit rules that nobody has."""

    def __init__(self, path: Path | None, trial: Trial) -> None:
        self._path, self._trial = path, trial
        self._done = path is None
        self.problems: list[str] = []

    async def take(self, database: Database) -> bool:
        """Make the files' versions active; False when there is nothing (more) to do."""
        if self._done or self._path is None:
            return False
        rules, problems = await asyncio.to_thread(_read, self._path)
        said = problems
        for rule, source in rules:
            said += await self._taken(database, rule, source)
        for problem in said:
            log.warning("rule_file_refused", why=problem)
        async with database.reading() as connection:
            known = await store.ids(connection)
        for rule, source in rules:
            for note in inhibits_nobody(source, f"{rule.id}.yaml", known):
                log.warning("rule_inhibits_nobody", why=str(note))
                said.append(str(note))
        self.problems, self._done = said, True
        return False

    async def _taken(self, database: Database, rule: Rule, source: str) -> list[str]:
        """Take one file by itself; what is wrong with it."""
        place = f"{rule.id}.yaml"
        try:
            async with database.transaction() as connection:
                known = await store.found(connection, rule.id, rule.version)
                if known is None:
                    await self._trial(connection, rule)
                now = await clock.business_now(connection)
                await _publish(connection, rule, source, "file", now)
        except OtherText:
            return [f"{place}: version {rule.version} is kept with another text"]
        except Older:
            return [f"{place}: there is a version higher than {rule.version}"]
        except Conflict as refused:
            return [f"{place}: {refused.detail.en}"]
        return []

    async def health(self) -> tuple[str, str]:
        """One line for `/readyz`: warn with every problem, never fail."""
        if self._path is None:
            return "ok", "no directory of rules of one's own"
        if not self._done:
            return "warn", f"{self._path} was not taken yet"
        if self.problems:
            return "warn", "; ".join(self.problems)
        return "ok", f"every rule of {self._path} was taken"


def _read(path: Path) -> tuple[list[tuple[Rule, str]], list[str]]:
    """The rules that load, each with its text; the problems of the rest."""
    if not path.is_dir():
        return [], [f"{path} is no directory"]
    rules, problems = rulebook.load_directory(path)
    texts = [(rule, (path / f"{rule.id}.yaml").read_text("utf-8")) for rule in rules]
    return texts, [str(problem) for problem in problems]
