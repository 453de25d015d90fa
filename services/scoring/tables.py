"""Tables of schema `scoring`: targets with their amendments, and scorecards."""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Identity,
    Index,
    Integer,
    Numeric,
    Table,
    Text,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB

from libs.common.tables import moment, schema
from services.scoring.past import MOVEMENTS

scoring = schema("scoring")

MONTHLY = (
    *("done", "completed", "terminated", "newly_accepted", "entrusted"),
    *("enforceable", "separate_ledger"),
)
"""What a scorecard holds of the time since the month end before."""

target = Table(
    "target",
    scoring,
    Column("id", BigInteger, Identity(always=True), primary_key=True),
    Column("unit", Text, nullable=False),
    Column("year", Integer, nullable=False),
    Column("measure", Text, nullable=False),
    Column("category", Text, nullable=False),
    Column("rate", Numeric(5, 2), nullable=False),
    Column("operator", Text, nullable=False),
    Column("basis", JSONB, nullable=False, comment="annual, pro_rata or a table"),
    Column("document", JSONB, nullable=False),
    Column("author", Text, nullable=False, comment="the API key"),
    moment("recorded_at"),
    Index("ix_target_cell", "year", "unit", "measure", "category", "id"),
)

scorecard = Table(
    "scorecard",
    scoring,
    Column("period", Text, primary_key=True),
    Column("unit", Text, primary_key=True),
    Column("measure", Text, primary_key=True),
    Column("category", Text, primary_key=True),
    Column("revision", Integer, nullable=False),
    Column("illustrative", Boolean, nullable=False),
    Column("done", BigInteger),
    Column("enforceable", BigInteger),
    Column("done_basis", Text),
    Column("rate", Numeric(5, 2), comment="as published"),
    Column("target_rate", Numeric(5, 2), comment="that holds for this period"),
    Column("target_operator", Text),
    Column("target_document", JSONB),
    Column("target_unit", Text, comment="the unit whose target it is"),
    Column("last_period", Text, nullable=False),
    Column("last_rate", Numeric(5, 2)),
    Column(
        "last_basis",
        Text,
        comment="as_reported, rolled_up or restated; null with a why",
    ),
    Column("last_why", Text, comment="why there is no rate of last year"),
    Column("last_illustrative", Boolean, nullable=False, server_default=text("false")),
    Column("national_rate", Numeric(5, 2)),
    Column("rank_position", Integer),
    Column("rank_of", Integer),
    Column("rank_from_bottom", Integer),
    Column("rolled_done", BigInteger, comment="the sum of its children's counts"),
    Column("rolled_enforceable", BigInteger),
    Column("last_done", BigInteger),
    Column("last_enforceable", BigInteger),
    Column("to_enforce", BigInteger),
    Column("previous_rate", Numeric(5, 2)),
    *(Column(f"month_{name}", BigInteger) for name in MONTHLY),
    Column("runs_below_last_year", Integer),
    *(Column(f"outlier_{name}", Numeric(9, 2)) for name in MOVEMENTS),
    *(Column(f"peers_{name}", Numeric(9, 2)) for name in MOVEMENTS),
    Column("usual_done", BigInteger),
    Column("officers", Integer),
    Column("per_officer", Numeric(18, 2)),
    Column("workload_outlier", Numeric(9, 2)),
    Column(
        "workload_spread",
        Numeric(18, 2),
        comment="the most loaded officer's work, in times the least loaded one's",
    ),
)

history = Table(
    "history",
    scoring,
    Column("period", Text, primary_key=True),
    Column("measure", Text, primary_key=True),
    Column("unit", Text, primary_key=True),
    Column("below", Integer, nullable=False, comment="months in a row, up to the last"),
    Column("usual_done", BigInteger),
    *(Column(f"{name}_twice", BigInteger) for name in MOVEMENTS),
    *(Column(f"{name}_fourths", BigInteger) for name in MOVEMENTS),
    comment="what the months before one say of a unit: it changes only when they do",
)
