"""The SQL of lineage: from which units the units of a day come, and in what share.

A unit that became one other passes everything on; one that was split, the shares that
the reorganisation decided. Without them nobody knows, and the share is null.
"""

from __future__ import annotations


def line_of(name: str, since: str) -> str:
    """A table `name` (unit, part, share, before_it) of the earliest predecessors.

    `unit` stands in the tree of $1 on $2, `part` stood on the day that `since` (a
    parameter) names. `before_it` is what the part's other heirs take before it, so that
    what `scoring.apportioned` gives them adds up to the whole, to the last đồng.
    """
    return f"""
{name}_link AS (
  SELECT predecessor, successor, effective, CASE WHEN count(*) OVER heirs = 1 THEN 1
    ELSE share END AS share
  FROM platform.lineage WHERE effective <= $2 AND effective > {since}
  WINDOW heirs AS (PARTITION BY predecessor, effective)),
{name}_line AS (
  SELECT successor AS unit, predecessor AS part, effective, share FROM {name}_link
  JOIN tree ON tree.period = $1 AND tree.code = successor
  UNION ALL SELECT line.unit, l.predecessor, l.effective, line.share * l.share
  FROM {name}_line line JOIN {name}_link l ON l.successor = line.part
    AND l.effective < line.effective),
{name} AS MATERIALIZED (
  SELECT *, sum(share) OVER heirs - share AS before_it FROM (
    SELECT unit, part, CASE WHEN count(*) = count(share) THEN sum(share) END AS share
    FROM {name}_line line WHERE NOT EXISTS (SELECT FROM {name}_link earlier
      WHERE earlier.successor = line.part AND earlier.effective < line.effective)
    GROUP BY unit, part) one_each
  WINDOW heirs AS (PARTITION BY part ORDER BY unit))"""
