"""`dondoc doctor` finds nothing in what was played, and everything that is broken."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import asyncpg
import pytest

from services import doctor
from tests.support.databases import copy_of
from tests.support.processes import database, started
from tests.support.world import SECRET, World, settings_for, until

pytestmark = pytest.mark.anyio


@pytest.fixture(scope="module")
async def played(template: str) -> AsyncIterator[str]:
    """A letter played through, with a subscriber that nobody answers for."""
    async with copy_of(template, "doctor") as copy:
        async with World.running(copy.url) as world:
            wish = {"url": "http://127.0.0.1:9/", "types": ["*"], "under": "VN"}
            await world.admin.post("/v1/subscriptions", json=wish)
            await world.tree()
            await world.load("reports_last_year_illustrative.json", "reports_679.json")

            async def sealed() -> bool:
                unsealed = "SELECT count(*) = 0 FROM platform.audit WHERE block IS NULL"
                return bool(await world.owner.fetchval(unsealed))

            await until(sealed)
        yield copy.url


async def states(url: str) -> dict[str, str]:
    found = await doctor.examine(url, settings_for(url))
    return {name: f"{state}: {note}" for name, state, note in found}


async def test_what_was_played_holds_together(played: str) -> None:
    found = await states(played)

    assert list(found) == list(doctor.CHECKS)
    assert {n: s for n, s in found.items() if not s.startswith("ok")} == {}
    assert "2021M05, 2022M05" in found["scorecards"]
    assert "blocks, head " in found["audit chain"]


MATTER = "(SELECT id FROM alerts.escalation ORDER BY id LIMIT 1)"
BROKEN = [
    pytest.param("migrations", "ALTER TABLE platform.batch ADD mine text", "1 differences", id="another table"),
    pytest.param("migrations", "UPDATE alerts.alembic_version SET version_num = 'alerts_1'", "not at head: alerts", id="an old version"),
    pytest.param("roles", "GRANT DELETE ON platform.audit TO dondoc_alerts", "dondoc_alerts may DELETE platform.audit", id="the log given away"),
    pytest.param("roles", "GRANT UPDATE ON ingest.unit TO dondoc_scoring", "dondoc_scoring may UPDATE ingest.unit", id="a foreign schema"),
    pytest.param("roles", "GRANT SELECT ON platform.api_key TO PUBLIC", "PUBLIC may SELECT platform.api_key", id="open to everyone"),
    pytest.param("audit chain", "UPDATE platform.audit SET actor = 'x' WHERE id = (SELECT max(id) FROM platform.audit)", "a row is not what was sealed", id="a changed note"),
    pytest.param("logs of matters", f"DELETE FROM alerts.entry WHERE escalation = {MATTER}", "1 matters without", id="no log"),
    pytest.param("logs of matters", f"UPDATE alerts.entry SET n = 3 WHERE escalation = {MATTER}", "1 matters without a whole", id="a torn log"),
    pytest.param("one matter each", f"DROP INDEX alerts.uq_escalation_matter; INSERT INTO alerts.escalation SELECT (jsonb_populate_record(e, '{{\"id\": \"esc_twin\"}}')).* FROM alerts.escalation e WHERE id = {MATTER}", "1 matters twice", id="a twin"),
    pytest.param("messages", f"DELETE FROM alerts.delivery; DELETE FROM alerts.message WHERE escalation = {MATTER}; INSERT INTO alerts.message (id, type, body, escalation, sequence) SELECT 'm' || n, 'x', '', {MATTER}, n FROM unnest('{{1,3}}'::int[]) n; UPDATE alerts.escalation SET sequence = 3 WHERE id = {MATTER}", "1 matters with a gap", id="a message lost"),
    pytest.param("dead events", "INSERT INTO platform.event (topic, key, dead_at) VALUES ('scores.changed', '2022M05', now())", "scores.changed 2022M05", id="a dead event"),
    pytest.param("waiting events", "INSERT INTO platform.event (topic, key, run_at) VALUES ('scores.changed', '2022M05', now() - interval '1 hour')", "scores.changed 2022M05", id="a stuck event"),
    pytest.param("timers", "UPDATE alerts.timer SET due_at = due_at - interval '1 year', fired_at = NULL", "timers overdue", id="a timer that never fired"),
    pytest.param("leases", "UPDATE alerts.subscription SET paused_until = NULL; UPDATE alerts.delivery SET state = 'leased', next_attempt_at = now() - interval '1 hour'", "leased past their lease", id="a forgotten lease"),
    pytest.param("scorecards", "UPDATE scoring.scorecard SET rate = 1 WHERE unit = 'BG' AND period = '2022M05'", "of 2022M05", id="a figure by hand"),
]  # fmt: skip


@pytest.mark.parametrize(("check", "deed", "shows"), BROKEN)
async def test_each_break_is_found(
    played: str, template: str, check: str, deed: str, shows: str
) -> None:
    if check == "migrations":  # it looks for itself, in another connection
        await _in_a_copy(template, deed, shows)
        return
    owner = await asyncpg.connect(played)
    await doctor.speak_json(owner)
    transaction = owner.transaction()
    await transaction.start()
    try:
        await owner.execute("SET LOCAL session_replication_role = replica")
        await owner.execute(deed)
        await owner.execute("SET LOCAL session_replication_role = origin")
        patient = doctor.Patient(owner, played, settings_for(played))
        state, note = await doctor.CHECKS[check](patient)
    finally:
        await transaction.rollback()
        await owner.close()

    assert state == "fail", note
    assert shows in note


async def _in_a_copy(template: str, deed: str, shows: str) -> None:
    async with copy_of(template, "doctor_copy") as copy:
        owner = await asyncpg.connect(copy.url)
        await owner.execute(deed)
        await owner.close()
        found = await states(copy.url)
    assert list(found) == ["migrations"]
    assert shows in found["migrations"]


def test_the_command_says_it_in_a_table_and_by_its_exit_code(
    template: str, tmp_path: Path
) -> None:
    with database(template, "doctor_run", template="template_dondoc") as url:
        here = {"DATABASE_URL": url, "DONDOC_ENV": "test", "DONDOC_SECRET": SECRET}
        with started("doctor", within=tmp_path / "well", **here) as well:
            assert well.child.wait(60) == 0, well
            said = well.output.read_text("utf-8")
        another = {**here, "DATABASE_URL": template}
        with started("doctor", within=tmp_path / "ill", **another) as ill:
            assert ill.child.wait(60) == 1, ill
            told = ill.output.read_text("utf-8")

    assert all(name in said for name in doctor.CHECKS)
    assert "not at head" in told
