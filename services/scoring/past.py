"""The SQL of what a month is held against: the unit's own months, and its peers.

Only rows of all cases and all money have a past, and only months do: two years of
every tag would be twenty times as much to read. Movements are percent of what is to be
enforced (four places), so that units of any size compare; a score is how far a movement
lies from the median, in 1.4826 times the median distance from it (Hampel).
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from services.scoring.heritage import line_of

MOVEMENTS = ("reclassified", "separate_ledger", "entrusted", "done")
"""Drop of the enforceable share; growth of the ledger; what was entrusted, and done."""

PAST = (
    "runs_below_last_year",
    *(f"outlier_{name}" for name in MOVEMENTS),
    *(f"peers_{name}" for name in MOVEMENTS),
    "usual_done",
    "officers",
    "per_officer",
    "workload_outlier",
    "workload_spread",
)
"""What a scorecard holds of it, in the order in which it is computed."""

TOUCHED = "($15::text[] IS NULL OR measure = ANY($15) AND category = ANY($16))"
"""Whether a row is of the measures and categories that are computed."""

_INHERITED = ", ".join(
    f"CASE WHEN count(*) = count(scoring.apportioned(s.{name}, h.before_it, h.share))"
    f" THEN sum(scoring.apportioned(s.{name}, h.before_it, h.share))::bigint END AS {name}"
    for name in ("done", "enforceable", "to_enforce", "entrusted", "separate_ledger")
)


def _pair(value: str) -> str:
    """Twice the median: the two values in the middle, or the one of an odd number."""
    return f"""scoring.both(percentile_disc(ARRAY[0.5, 0.500000001])
    WITHIN GROUP (ORDER BY {value}))"""


# Whole numbers throughout: a median in halves of what it is of, a distance in fourths.
_MEDIANS = ", ".join(f"{_pair(name)} AS {name}_twice" for name in MOVEMENTS)
_DISTANCES = ", ".join(
    f"CASE WHEN count(m.{name}) >= 6 THEN {_pair(f'abs(2 * m.{name} - {name}_twice)')}"
    f" END AS {name}_fourths"
    for name in MOVEMENTS
)
_TWICE = ", ".join(f"{name}_twice" for name in MOVEMENTS)
_FOURTHS = ", ".join(f"{name}_fourths" for name in MOVEMENTS)


def _scores(against: str) -> str:
    return ", ".join(
        f"scoring.outlier(4 * m.{name}, 2 * {against}.{name}_twice,"
        f" {against}.{name}_fourths) AS {against}_{name}"
        for name in MOVEMENTS
    )


def renumbered(sql: str, numbers: Mapping[int, int]) -> str:
    """The same for a statement whose parameters have other numbers."""
    return re.sub(r"\$(\d+)", lambda m: f"${numbers.get(int(m[1]), int(m[1]))}", sql)


def rate_of(of: str) -> str:
    """The published rate of a month, worked out only where it is compared."""
    return f"""CASE WHEN {of}.enforceable = 0 OR {of}.done > {of}.enforceable THEN NULL
    ELSE coalesce(scoring.published_rate({of}.done, {of}.enforceable),
      {of}.published_rate) END"""


def _flow(name: str) -> str:
    """A month's own flow; October's is its cut itself."""
    return f"s.{name} - CASE WHEN s.months = 1 THEN 0 ELSE b.{name} END"


_SHARE = """CASE WHEN enforceable <= to_enforce
      THEN scoring.hundredths(enforceable, to_enforce) END"""
_STOCKS = "done, enforceable, published_rate, to_enforce, entrusted, separate_ledger"

# $13 months and $17 their numbers, of which this one is 25; $14 the day before the first
# of two years ended. A unit that others became looks back at all of their counts.
_MONTHS = f"""
own_series AS MATERIALIZED (
  SELECT idx, right(month, 2)::int AS months, f.*, {_SHARE} AS share
  FROM unnest($13::text[], $17::int[]) m (month, idx) CROSS JOIN LATERAL (
    SELECT unit, measure, {_STOCKS}
    FROM scoring.rated_figure WHERE period = month AND category = 'all'
      AND measure IN ('cases', 'money') AND {TOUCHED} OFFSET 0) f),
{line_of("heir", "$14")},
inherited AS MATERIALIZED (
  SELECT idx, months, unit, measure, done, enforceable, NULL::numeric, to_enforce,
    entrusted, separate_ledger, {_SHARE}
  FROM (SELECT idx, months, h.unit, s.measure, count(*) AS parts, {_INHERITED}
    FROM heir h JOIN own_series s ON s.unit = h.part
    GROUP BY idx, months, h.unit, s.measure) summed
  WHERE done IS NOT NULL AND enforceable IS NOT NULL
    AND parts = (SELECT count(*) FROM heir WHERE heir.unit = summed.unit)
    AND (unit, measure, idx) NOT IN (SELECT unit, measure, idx FROM own_series)),
series AS NOT MATERIALIZED (
  SELECT * FROM own_series UNION ALL SELECT * FROM inherited),
"""

# Movements are in ten thousandths of a percent; months follow each other within a
# working year, which October begins.
_MOVES = f"""
moves AS MATERIALIZED (
  SELECT s.unit, s.measure, s.idx, 100 * (b.share - s.share) AS reclassified,
    scoring.ten_thousandths(s.separate_ledger - b.separate_ledger, s.to_enforce)
      AS separate_ledger,
    scoring.ten_thousandths({_flow("entrusted")}, s.to_enforce) AS entrusted,
    scoring.ten_thousandths({_flow("done")}, s.to_enforce) AS done,
    {_flow("done")} AS month_done
  FROM series s LEFT JOIN series b ON b.unit = s.unit AND b.measure = s.measure
    AND b.idx = s.idx - 1 AND s.months > 1),
"""
_USUAL = f"""
middle AS MATERIALIZED (
  SELECT unit, measure, {_MEDIANS},
    percentile_disc(0.5) WITHIN GROUP (ORDER BY month_done) AS usual_done
  FROM moves WHERE idx < 25 GROUP BY unit, measure),
outlier AS (
  SELECT unit, measure, usual_done, {_TWICE}, {_FOURTHS} FROM middle JOIN (
    SELECT unit, measure, {_DISTANCES} FROM moves m JOIN middle USING (unit, measure)
    WHERE idx < 25 GROUP BY unit, measure) distance USING (unit, measure)),
"""
_PEERS = f"""
alike AS MATERIALIZED (
  SELECT kind, moves.* FROM moves JOIN tree ON tree.period = $1 AND tree.code = moves.unit
  WHERE idx = 25),
peers_middle AS MATERIALIZED (
  SELECT kind, measure, {_MEDIANS} FROM alike GROUP BY kind, measure),
peers AS (
  SELECT kind, measure, {_TWICE}, {_FOURTHS} FROM peers_middle JOIN (
    SELECT kind, measure, {_DISTANCES} FROM alike m JOIN peers_middle USING (kind, measure)
    GROUP BY kind, measure) distance USING (kind, measure)),
"""
SERIES = f"{_MONTHS} {_MOVES} {_USUAL} {_PEERS}"
"""Movements of all months, and their medians and distances from them."""

# A month without a comparison neither breaks a run nor makes it longer.
_COMPARED = f"""
compared AS (
  SELECT s.unit, s.measure, s.idx, {rate_of("s")} < {rate_of("l")} AS below
  FROM own_series s LEFT JOIN series l
    ON l.unit = s.unit AND l.measure = s.measure AND l.idx = s.idx - 12 AND l.idx < 14
  WHERE s.idx > 25 - right($1, 2)::int),
"""
_RUN_BEFORE = """
run_before AS (
  SELECT unit, measure, count(*) FILTER (WHERE NOT broken)::int AS below FROM (
    SELECT *, bool_or(NOT below) OVER (PARTITION BY unit, measure ORDER BY idx DESC)
      AS broken
    FROM compared WHERE below IS NOT NULL AND idx < 25) c
  GROUP BY unit, measure)
"""

HISTORY = "scoring.history"
USUAL = (
    "below",
    "usual_done",
    *(f"{name}_twice" for name in MOVEMENTS),
    *(f"{name}_fourths" for name in MOVEMENTS),
)
"""What the months before one say of a unit: its run, its medians, its distances."""

REMEMBERED = renumbered(
    f"""
WITH RECURSIVE tree AS MATERIALIZED (
  SELECT $1::text AS period, code FROM platform.unit
  WHERE valid_from <= $2 AND (valid_to IS NULL OR valid_to > $2)),
{_MONTHS} {_MOVES} {_USUAL} {_COMPARED} {_RUN_BEFORE}
INSERT INTO {HISTORY} (period, unit, measure, {", ".join(USUAL)})
SELECT $1, unit, measure, coalesce(below, 0), {", ".join(USUAL[1:])}
FROM outlier LEFT JOIN run_before USING (unit, measure)
""",
    {13: 3, 14: 4, 15: 5, 16: 6, 17: 7},
)
"""Lays it down: $3 the months before, $4 as $14, $5 and $6 the measures and categories,
$7 the numbers of the months."""

AGAINST_PAST = f"""
{_MONTHS} {_COMPARED} {_MOVES} {_PEERS}
history AS MATERIALIZED (
  SELECT unit, measure, {", ".join(USUAL)} FROM {HISTORY} WHERE period = $1),
runs AS (
  SELECT c.unit, c.measure, CASE WHEN c.below THEN 1 + coalesce(history.below, 0) ELSE 0
    END AS below
  FROM compared c LEFT JOIN history USING (unit, measure)
  WHERE idx = 25 AND c.below IS NOT NULL),
past AS (
  SELECT m.unit, m.measure, {_scores("outlier")}, {_scores("peers")}, usual_done
  FROM alike m
  LEFT JOIN history outlier ON outlier.unit = m.unit AND outlier.measure = m.measure
  LEFT JOIN peers ON peers.kind = m.kind AND peers.measure = m.measure),
"""
"""Of this month, the one before and the same one of last year: movements and run, held
against what is remembered of two years."""

# Officers are those in force under a unit on the period's last day. One is held against
# the others of the same unit, or where these are fewer than six, against all there are.
WORKLOAD = """
officers AS (
  SELECT ancestor AS unit, count(*)::int AS n FROM above
  JOIN tree ON tree.period = $1 AND tree.code = above.code AND tree.kind = 'officer'
  WHERE steps > 0 GROUP BY ancestor),
load AS MATERIALIZED (
  SELECT now.unit, measure, kind, officers.n,
    round(to_enforce::numeric / officers.n, 2) AS per_officer
  FROM now JOIN officers ON officers.unit = now.unit
  WHERE category = 'all' AND measure IN ('cases', 'money')),
usual_load AS (
  SELECT kind, measure, scoring.median(loads) AS median, scoring.mad(loads) AS mad FROM (
    SELECT kind, measure, array_agg(per_officer ORDER BY per_officer)
      FILTER (WHERE per_officer IS NOT NULL) AS loads
    FROM load GROUP BY kind, measure) same_kind),
officer AS MATERIALIZED (
  SELECT now.unit, measure, parent, to_enforce FROM now
  JOIN tree ON tree.period = $1 AND tree.code = now.unit AND tree.kind = 'officer'
  WHERE category = 'all' AND measure IN ('cases', 'money') AND to_enforce IS NOT NULL),
spread AS (
  SELECT ancestor AS unit, measure, CASE WHEN min(to_enforce) > 0 THEN
    div(200::numeric * max(to_enforce) + min(to_enforce), 2 * min(to_enforce)) * 0.01
    END AS ratio
  FROM officer JOIN above ON above.code = officer.unit AND steps > 0
  GROUP BY ancestor, measure),
officers_usual AS (
  SELECT parent, measure, scoring.median(loads) AS median, scoring.mad(loads) AS mad FROM (
    SELECT parent, measure, array_agg(to_enforce::numeric ORDER BY to_enforce) AS loads
    FROM officer GROUP BY GROUPING SETS ((parent, measure), (measure))) alike),
officer_load AS (
  SELECT officer.unit, officer.measure, CASE WHEN theirs.mad IS NOT NULL
    THEN scoring.outlier(to_enforce, theirs.median, theirs.mad)
    ELSE scoring.outlier(to_enforce, every.median, every.mad) END AS score
  FROM officer
  JOIN officers_usual theirs ON theirs.parent = officer.parent
    AND theirs.measure = officer.measure
  JOIN officers_usual every ON every.parent IS NULL AND every.measure = officer.measure),
"""

_FOUND = f"""runs.below, {", ".join(f"past.outlier_{name}" for name in MOVEMENTS)},
  {", ".join(f"past.peers_{name}" for name in MOVEMENTS)}, past.usual_done,
  load.n, load.per_officer,
  coalesce(officer_load.score,
    scoring.outlier(load.per_officer, usual_load.median, usual_load.mad)), spread.ratio"""

# One row for each unit and measure that has a past, so that all rows join it once.
TOGETHER = f"""
beside (unit, measure, category, {", ".join(PAST)}) AS MATERIALIZED (
  SELECT now.unit, now.measure, 'all', {_FOUND}
  FROM (SELECT unit, measure, kind FROM now
    WHERE category = 'all' AND measure IN ('cases', 'money')) now
  LEFT JOIN runs ON runs.unit = now.unit AND runs.measure = now.measure
  LEFT JOIN past ON past.unit = now.unit AND past.measure = now.measure
  LEFT JOIN load ON load.unit = now.unit AND load.measure = now.measure
  LEFT JOIN usual_load ON usual_load.kind = now.kind AND usual_load.measure = now.measure
  LEFT JOIN officer_load ON officer_load.unit = now.unit
    AND officer_load.measure = now.measure
  LEFT JOIN spread ON spread.unit = now.unit AND spread.measure = now.measure),
"""

READ = ", ".join(f"beside.{name}" for name in PAST)

JOINED = """
LEFT JOIN beside ON beside.unit = now.unit AND beside.measure = now.measure
  AND beside.category = now.category
"""
