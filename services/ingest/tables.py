"""Tables of schema `ingest`: the tree, and reports that nothing overwrites."""

from __future__ import annotations

from sqlalchemy import (
    ARRAY,
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    Date,
    Index,
    Integer,
    Numeric,
    Table,
    Text,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB

from libs.common.tables import moment, schema
from services.ingest.domain.reports import COLUMNS

ingest = schema("ingest")

unit = Table(
    "unit",
    ingest,
    Column("code", Text, primary_key=True),
    Column("valid_from", Date, primary_key=True),
    Column("valid_to", Date, comment="the first day out; null while in force"),
    Column("name", Text, nullable=False),
    Column("name_sort", Text(collation="C"), nullable=False),
    Column("kind", Text, nullable=False),
    Column("parent", Text, comment="null for the root"),
    Column("aliases", ARRAY(Text), nullable=False),
    Column("codes", JSONB, nullable=False, comment="state codes with their days"),
    moment("recorded_at", server_default=text("'-infinity'")),
    CheckConstraint("valid_to > valid_from", name="interval"),
)

unit_past = Table(
    "unit_past",
    ingest,
    Column("code", Text, primary_key=True),
    Column("valid_from", Date, primary_key=True),
    Column("valid_to", Date),
    Column("name", Text, nullable=False),
    Column("name_sort", Text(collation="C"), nullable=False),
    Column("kind", Text, nullable=False),
    Column("parent", Text),
    Column("aliases", ARRAY(Text), nullable=False),
    Column("codes", JSONB, nullable=False),
    moment("recorded_at", primary_key=True),
    moment("replaced_at"),
    comment="rows of the tree as they were known before they were replaced",
)

lineage = Table(
    "lineage",
    ingest,
    Column("predecessor", Text, primary_key=True),
    Column("successor", Text, primary_key=True),
    Column("effective", Date, primary_key=True),
    Column("document", JSONB, nullable=False),
    Column("author", Text, nullable=False, comment="the API key"),
    moment("recorded_at"),
    comment="which units became which, on what day, by which document",
)

report = Table(
    "report",
    ingest,
    Column("unit", Text, primary_key=True),
    Column("period", Text, primary_key=True),
    Column("revision", Integer, primary_key=True),
    Column("batch", Text, nullable=False),
    Column("form", Text),
    Column("reason", Text),
    Column("illustrative", Boolean, nullable=False),
    Column("author", Text, nullable=False, comment="the API key"),
    moment("received_at"),
    Index("ix_report_batch", "batch"),
    Index("ix_report_period", "period"),
)

figure = Table(
    "figure",
    ingest,
    Column("period", Text, primary_key=True),
    Column("unit", Text, primary_key=True),
    Column("measure", Text, primary_key=True),
    Column("category", Text, primary_key=True),
    Column("revision", Integer, primary_key=True),
    Column("removed", Boolean, nullable=False, server_default=text("false")),
    Column("illustrative", Boolean, nullable=False, server_default=text("false")),
    Column("document", Text, comment="where the row was read"),
    Column("document_date", Date),
    Column("published_rate", Numeric(5, 2)),
    moment("received_at"),
    *(Column(name, BigInteger) for name in COLUMNS),
    Index(
        "ix_figure_total",
        *("period", "unit", "measure", "revision"),
        postgresql_where=text("category = 'all'"),
    ),
)
