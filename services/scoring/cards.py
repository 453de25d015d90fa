"""The SQL of a scorecard: one statement for a whole period, from the views of a lens.

Its figures are read once, for three cuts: this one, the same a year earlier, and the
month end before. A row's figures are the reported ones, else the sum of its children.
Ranks run over everything; only readers are filtered.
"""

from __future__ import annotations

from services.scoring.heritage import line_of
from services.scoring.past import (
    AGAINST_PAST,
    JOINED,
    PAST,
    READ,
    TOGETHER,
    TOUCHED,
    WORKLOAD,
    rate_of,
)

CUMULATIVE = ("completed", "terminated", "newly_accepted", "entrusted")
"""Columns that count from 1 October, so that a month's own flow is a difference."""

VALUES = (
    "revision",
    "illustrative",
    "done",
    "enforceable",
    "done_basis",
    "rate",
    "target_rate",
    "target_operator",
    "target_document",
    "target_unit",
    "last_period",
    "last_rate",
    "last_basis",
    "last_why",
    "last_illustrative",
    "last_done",
    "last_enforceable",
    "national_rate",
    "rank_position",
    "rank_of",
    "rank_from_bottom",
    "rolled_done",
    "rolled_enforceable",
    "to_enforce",
    "previous_rate",
    "month_done",
    *(f"month_{name}" for name in CUMULATIVE),
    "month_enforceable",
    "month_separate_ledger",
    *PAST,
)
"""What a scorecard holds beside its key, in the order in which it is computed."""

_CELL = "unit, measure, category"
_SUMMED = ("to_enforce", "separate_ledger", *CUMULATIVE)
_COLUMNS = ", ".join(_SUMMED)

# $1 period, $2 its last day; $3 the same cut a year earlier, $4 its last day; $5 the
# month end before in the same working year and $6 its day, null in October; $7…$12 the
# targets of the year as they hold for this period; $13 and $14 are of `past`; $15 and $16
# the measures and categories that changed, null for all: no cell knows of another.
_TREE = """
-- The tree of an earlier cut matters only where anyone reported then.
slot (period, day) AS (SELECT $1::text, $2::date
  UNION ALL SELECT $3, $4 WHERE EXISTS (SELECT FROM figures_before)
  UNION ALL SELECT $5, $6 WHERE EXISTS (SELECT FROM figures_previous)),
standing AS MATERIALIZED (
  SELECT period, code, kind, parent FROM slot
  JOIN platform.unit ON valid_from <= day AND (valid_to IS NULL OR valid_to > day)),
tree AS MATERIALIZED (
  SELECT standing.*, children, children IS NULL AS is_bottom FROM standing
  LEFT JOIN (SELECT period, parent, count(*) AS children FROM standing
    GROUP BY period, parent) child
    ON child.period = standing.period AND child.parent = standing.code),
above AS MATERIALIZED (
  SELECT code, code AS ancestor, 0 AS steps FROM tree WHERE period = $1
  UNION ALL
  SELECT above.code, tree.parent, steps + 1 FROM above
  JOIN tree ON tree.period = $1 AND tree.code = above.ancestor
  WHERE tree.parent IS NOT NULL),
"""


def _whole_sum(name: str) -> str:
    """A column's sum where every part that is counted gives it."""
    whole = f"count(c.done) = count(c.{name})"
    return f"CASE WHEN {whole} THEN sum(c.{name})::bigint END AS {name}"


def _apportioned(name: str) -> str:
    """What a unit takes over of a column, where each of its parts gives it."""
    part = f"scoring.apportioned(p.{name}, h.before_it, h.share)"
    return f"CASE WHEN count(*) = count({part}) THEN sum({part})::bigint END AS {name}"


# A unit's sum takes the topmost units below it that reported counts, and is whole when
# no way down ends without one: a part is not the whole, and a sum beyond 2^53 - 1 is no
# count. A year or a month earlier only those are summed that did not report themselves.
_COUNTED = ("done", "enforceable", "illustrative", *_SUMMED)
_COUNTS = ", ".join(_COUNTED)
_TOTALS = f"""sum(c.done)::bigint AS done, sum(c.enforceable) AS enforceable,
    bool_or(c.illustrative) AS illustrative, {", ".join(map(_whole_sum, _SUMMED))}"""
_SUM = f"""measure, category, done, enforceable::bigint AS enforceable, illustrative,
    {_COLUMNS}"""


def _own(figures: str, period: str) -> str:
    """The rows that units above others reported themselves."""
    return f"""(SELECT {_CELL} FROM {figures} WHERE unit IN (
    SELECT code FROM tree WHERE period = {period} AND NOT is_bottom))"""


def _unreported(figures: str, period: str) -> str:
    """The units of a cut that have units below them and did not report themselves."""
    return f"""SELECT period, code, measure, category, children
  FROM tree CROSS JOIN cell WHERE NOT is_bottom AND period = {period}
    AND children <= (SELECT count(*) FROM {figures})
    AND (code, measure, category) NOT IN {_own(figures, period)}"""


def _cut(period: str, also: str = "") -> str:
    """What was reported for one period; its rate is worked out once for each row."""
    return f"""SELECT {_CELL}, {rate_of("f")} AS rate, {_COUNTS}{also}
  FROM (SELECT {_CELL}, published_rate, {_COUNTS}{also}
    FROM scoring.rated_figure WHERE period = {period} AND {TOUCHED} OFFSET 0) f"""


_SUMS = f"""
figures AS MATERIALIZED ({_cut("$1", ", revision, done_basis")}),
figures_before AS MATERIALIZED ({_cut("$3")}),
figures_previous AS MATERIALIZED ({_cut("$5")}),
reported AS NOT MATERIALIZED (
  SELECT $1 AS period, {_CELL}, {_COUNTS} FROM figures
  UNION ALL SELECT $3, {_CELL}, {_COUNTS} FROM figures_before
  UNION ALL SELECT $5, {_CELL}, {_COUNTS} FROM figures_previous),
counted AS NOT MATERIALIZED (
  SELECT * FROM reported WHERE done IS NOT NULL AND enforceable IS NOT NULL),
cell AS MATERIALIZED (
  SELECT measure, category, count(*) AS reports FROM figures GROUP BY measure, category),
-- Where there are fewer reports than children, some way down ends without one.
whole AS MATERIALIZED (
  SELECT period, code, measure, category, children FROM tree CROSS JOIN cell
  WHERE NOT is_bottom AND period = $1 AND children <= reports
  UNION ALL {_unreported("figures_before", "$3")}
  UNION ALL {_unreported("figures_previous", "$5")}),
-- Mostly all children reported counts; only where some did not is there a way down, if
-- there is anyone below them.
direct AS MATERIALIZED (
  SELECT w.period, w.code, {", ".join(f"s.{name}" for name in ("measure", "category", *_COUNTED))}, parts = children AS complete
  FROM (SELECT c.period, child.parent, c.measure, c.category, count(*) AS parts, {_TOTALS}
    FROM counted c JOIN tree child ON child.period = c.period AND child.code = c.unit
    WHERE (child.period, child.parent) IN (SELECT period, code FROM whole)
    GROUP BY c.period, child.parent, c.measure, c.category) s
  JOIN whole w ON w.period = s.period AND w.code = s.parent
    AND w.measure = s.measure AND w.category = s.category),
downward AS (
  SELECT w.period, w.code, w.measure, w.category, w.code AS unit, false AS is_bottom,
    {", ".join(f"c.{name}" for name in _COUNTED)}
  FROM whole w LEFT JOIN counted c ON false
  LEFT JOIN direct d ON d.period = w.period AND d.code = w.code
    AND d.measure = w.measure AND d.category = w.category
  WHERE d.complete IS NOT TRUE
    AND (w.period, w.code) IN (SELECT period, parent FROM tree WHERE NOT is_bottom)
  UNION ALL
  SELECT d.period, d.code, d.measure, d.category, tree.code, tree.is_bottom,
    {", ".join(f"c.{name}" for name in _COUNTED)}
  FROM downward d JOIN tree ON tree.period = d.period AND tree.parent = d.unit
  LEFT JOIN counted c ON c.period = d.period AND c.unit = tree.code
    AND c.measure = d.measure AND c.category = d.category
  WHERE d.done IS NULL),
sums AS MATERIALIZED (
  SELECT period, unit, {_SUM} FROM (
    SELECT period, code AS unit, measure, category, {_COUNTS} FROM direct WHERE complete
    UNION ALL
    SELECT period, code, measure, category, {_TOTALS} FROM downward c
    GROUP BY period, code, measure, category
    HAVING NOT bool_or(is_bottom AND done IS NULL)) summed
  WHERE enforceable <= 9007199254740991),
"""


def _summed(period: str, basis: str = "") -> str:
    """The sums of children of a cut."""
    return f"""
  SELECT s.unit, s.measure, s.category, s.done, s.enforceable,
    scoring.published_rate(s.done, s.enforceable), s.illustrative{basis},
    {", ".join(f"s.{name}" for name in _SUMMED)}
  FROM sums s WHERE s.period = {period}"""


_FIGURE = f"{_CELL}, done, enforceable, rate, illustrative"
_ROWS = f"""
-- A number for what is ranked together sorts faster than three words.
place AS MATERIALIZED (
  SELECT measure, category, kind, (row_number() OVER ())::int AS place
  FROM cell CROSS JOIN (SELECT DISTINCT kind FROM tree WHERE period = $1) kinds),
now AS MATERIALIZED (
  SELECT *, kind <> 'national' AND rate IS NOT NULL AS is_ranked,
    rank() OVER better AS position,
    count(*) OVER (PARTITION BY place) AS of,
    count(*) OVER better AS as_good
  FROM (SELECT rows.*, tree.kind, CASE WHEN rate IS NULL THEN -place ELSE place END AS place
    FROM (SELECT {_FIGURE}, revision, done_basis, {_COLUMNS} FROM figures
      UNION ALL {_summed("$1", ", 0, 'rolled_up'")}
        AND ({_CELL}) NOT IN {_own("figures", "$1")}) rows
    JOIN tree ON tree.period = $1 AND tree.code = rows.unit
    JOIN place ON place.measure = rows.measure AND place.category = rows.category
      AND place.kind = tree.kind) placed
  WINDOW better AS (PARTITION BY place ORDER BY rate DESC)),
before AS NOT MATERIALIZED (
  SELECT {_FIGURE}, 'as_reported' AS basis, {_COLUMNS} FROM figures_before
  UNION ALL {_summed("$3", ", 'rolled_up'")}),
"""

# The month end before of a unit that others became since is the sum of what they had.
_PREVIOUS = f"""
{line_of("inheritance", "$6")},
previous_own AS NOT MATERIALIZED (
  SELECT {_FIGURE}, {_COLUMNS} FROM figures_previous
  UNION ALL {_summed("$5")}),
previous AS NOT MATERIALIZED (
  SELECT * FROM previous_own
  UNION ALL SELECT {_CELL}, done, enforceable,
    CASE WHEN done <= enforceable THEN scoring.published_rate(done, enforceable) END,
    illustrative, {_COLUMNS}
  FROM (SELECT h.unit, p.measure, p.category, bool_or(p.illustrative) AS illustrative,
      count(*) AS parts, {", ".join(_apportioned(n) for n in ("done", "enforceable", *_SUMMED))}
    FROM inheritance h JOIN previous_own p ON p.unit = h.part
    GROUP BY h.unit, p.measure, p.category) restated
  WHERE done IS NOT NULL AND enforceable IS NOT NULL
    AND parts = (SELECT count(*) FROM inheritance i WHERE i.unit = restated.unit)
    AND ({_CELL}) NOT IN (SELECT {_CELL} FROM previous_own)),
"""

# The same cut of the units that a unit came from, all of their counts or nothing; a
# unit that was split passes them on by the shares that were decided, if any were.
_RESTATED = f"""
{line_of("heritage", "$4")},
restated AS (
  SELECT h.unit, cell.measure, cell.category, bool_or(share IS NULL) AS split,
    bool_or(share < 1) AS by_shares,
    count(*) = count(b.done) FILTER (WHERE b.enforceable IS NOT NULL) AS whole,
    sum(scoring.apportioned(b.done, before_it, share))::bigint AS done,
    sum(scoring.apportioned(b.enforceable, before_it, share))::bigint AS enforceable,
    bool_or(b.illustrative) AS illustrative
  FROM heritage h JOIN (SELECT unit, measure, category FROM now) cell ON cell.unit = h.unit
  LEFT JOIN before b ON b.unit = h.part AND b.measure = cell.measure
    AND b.category = cell.category
  GROUP BY h.unit, cell.measure, cell.category),
"""

_TARGETS = """
target AS (
  SELECT * FROM unnest($7::text[], $8::text[], $9::text[], $10::numeric[],
    $11::text[], $12::jsonb[]) AS t (unit, measure, category, rate, operator, document)),
nearest AS (
  SELECT DISTINCT ON (above.code, measure, category)
    above.code, measure, category, rate, operator, document, target.unit
  FROM above JOIN target ON target.unit = above.ancestor
  ORDER BY above.code, measure, category, steps),
"""


def _since_october(name: str) -> str:
    """A month's own flow; October's is its cut itself."""
    return f"now.{name} - CASE WHEN $5 IS NULL THEN 0 ELSE previous.{name} END"


_FLOWS = ", ".join(_since_october(name) for name in ("done", *CUMULATIVE))

CARDS = f"""
WITH RECURSIVE {_TREE} {_SUMS} {_ROWS} {_PREVIOUS} {_RESTATED} {_TARGETS}
{AGAINST_PAST} {WORKLOAD} {TOGETHER}
card (unit, measure, category, {", ".join(VALUES)}) AS (
SELECT now.unit, now.measure, now.category, now.revision, now.illustrative,
  now.done, now.enforceable, now.done_basis, now.rate,
  nearest.rate, nearest.operator, nearest.document, nearest.unit,
  $3,
  CASE WHEN before.unit IS NOT NULL THEN before.rate
       WHEN restated.whole AND NOT restated.split
       THEN scoring.published_rate(restated.done, restated.enforceable) END,
  CASE WHEN before.rate IS NOT NULL THEN before.basis
       WHEN before.unit IS NULL AND restated.whole AND NOT restated.split
         AND restated.enforceable > 0 THEN 'restated' END,
  CASE WHEN before.rate IS NOT NULL THEN NULL
       WHEN before.unit IS NOT NULL THEN 'no_rate'
       WHEN restated.unit IS NULL THEN 'not_reported'
       WHEN restated.split THEN 'predecessor_split'
       WHEN NOT restated.whole THEN 'predecessors_missing'
       WHEN restated.enforceable = 0 THEN 'no_denominator'
       WHEN restated.by_shares THEN 'by_shares' END,
  coalesce(before.illustrative, restated.whole AND restated.illustrative, false),
  CASE WHEN before.unit IS NOT NULL THEN before.done
       WHEN restated.whole AND NOT restated.split THEN restated.done END,
  CASE WHEN before.unit IS NOT NULL THEN before.enforceable
       WHEN restated.whole AND NOT restated.split THEN restated.enforceable END,
  national.rate,
  CASE WHEN now.is_ranked THEN now.position END, CASE WHEN now.is_ranked THEN now.of END,
  CASE WHEN now.is_ranked THEN now.of - now.as_good + 1 END,
  sums.done, sums.enforceable, now.to_enforce, previous.rate, {_FLOWS},
  now.enforceable - previous.enforceable, now.separate_ledger - previous.separate_ledger,
  {READ}
FROM now
LEFT JOIN sums ON sums.period = $1 AND sums.unit = now.unit
  AND sums.measure = now.measure AND sums.category = now.category
LEFT JOIN before ON before.unit = now.unit
  AND before.measure = now.measure AND before.category = now.category
LEFT JOIN previous ON previous.unit = now.unit
  AND previous.measure = now.measure AND previous.category = now.category
LEFT JOIN restated ON restated.unit = now.unit
  AND restated.measure = now.measure AND restated.category = now.category
LEFT JOIN now AS national ON national.unit = 'VN'
  AND national.measure = now.measure AND national.category = now.category
LEFT JOIN nearest ON nearest.code = now.unit
  AND nearest.measure = now.measure AND nearest.category = now.category
{JOINED})
"""
