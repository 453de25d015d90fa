"""Tables of schema `ingest`: the tree, reports that nothing overwrites, cases."""

from __future__ import annotations

from sqlalchemy import (
    ARRAY,
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    Date,
    Identity,
    Index,
    Integer,
    Numeric,
    PrimaryKeyConstraint,
    SmallInteger,
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
    Column("id", BigInteger, Identity(always=True), primary_key=True),
    Column("predecessor", Text, nullable=False),
    Column("successor", Text, nullable=False),
    Column("effective", Date, nullable=False),
    Column("share", Numeric(9, 8), comment="of a unit that was split; the last word"),
    Column("document", JSONB, nullable=False),
    Column("author", Text, nullable=False, comment="the API key"),
    moment("recorded_at"),
    Index("ix_lineage_successor", "successor"),
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
    Column(
        "correction",
        Boolean,
        nullable=False,
        server_default=text("false"),
        comment="it came after its period was closed",
    ),
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

closing = Table(
    "closing",
    ingest,
    Column("id", BigInteger, Identity(always=True), primary_key=True),
    Column("period", Text, nullable=False),
    Column("under", Text, nullable=False, comment="the unit and all below it"),
    Column("closed", Boolean, nullable=False, comment="false: reopened"),
    Column("reason", Text),
    Column("batch", Text, nullable=False),
    Column("author", Text, nullable=False, comment="the API key"),
    moment("at"),
    Index("ix_closing_period", "period"),
    comment="periods closed and reopened; the latest word on a unit's way up holds",
)

obligation = Table(
    "obligation",
    ingest,
    Column("name", Text, primary_key=True),
    Column("valid_from", Date, primary_key=True),
    Column("valid_to", Date, comment="the first day out; null while in force"),
    Column("kind", Text, nullable=False),
    Column("under", Text, nullable=False),
    Column("months", ARRAY(Integer), nullable=False),
    Column("rows", JSONB, nullable=False, comment="measures and categories owed"),
    Column("within", Integer, nullable=False, comment="working days after its end"),
    Column("document", JSONB, nullable=False),
    Column("author", Text, nullable=False, comment="the API key"),
    moment("recorded_at"),
    CheckConstraint("valid_to > valid_from", name="interval"),
    comment="who owes which report, and by when",
)

obligation_past = Table(
    "obligation_past",
    ingest,
    Column("name", Text, primary_key=True),
    Column("valid_from", Date, primary_key=True),
    Column("valid_to", Date),
    Column("kind", Text, nullable=False),
    Column("under", Text, nullable=False),
    Column("months", ARRAY(Integer), nullable=False),
    Column("rows", JSONB, nullable=False),
    Column("within", Integer, nullable=False),
    Column("document", JSONB, nullable=False),
    Column("author", Text, nullable=False),
    moment("recorded_at", primary_key=True),
    moment("replaced_at"),
    comment="obligations as they were known before they were replaced",
)

calendar_day = Table(
    "calendar_day",
    ingest,
    Column("id", BigInteger, Identity(always=True), primary_key=True),
    Column("day", Date, nullable=False),
    Column("works", Boolean, comment="null: no longer decreed"),
    Column("name", Text, nullable=False),
    Column("document", Text),
    Column("author", Text, nullable=False, comment="the API key"),
    moment("recorded_at"),
    Index("ix_calendar_day_day", "day"),
    comment="days decreed on or off work; the latest word on a day holds",
)

mapping = Table(
    "mapping",
    ingest,
    Column("name", Text, primary_key=True),
    Column("version", Integer, primary_key=True),
    Column("body", JSONB, nullable=False),
    Column(
        "units",
        ARRAY(Text),
        nullable=False,
        comment="whose key put it; only a key over these puts the next",
    ),
    Column("author", Text, nullable=False, comment="the API key"),
    moment("recorded_at"),
    comment="how a clerk's sheet is read; a change is a new version",
)

category = Table(
    "category",
    ingest,
    Column("code", Text, primary_key=True),
    Column("vi", Text, nullable=False),
    Column("en", Text, nullable=False),
    Column(
        "partition",
        Text,
        comment="categories that share it add up to the whole; others overlap",
    ),
)


def _case_content() -> list[Column[object]]:
    """What a record says of a case, wide columns first, so that none is padded."""
    return [
        moment("as_of"),
        Column("due_vnd", BigInteger, nullable=False),
        Column("collected_vnd", BigInteger, nullable=False),
        Column("held_vnd", BigInteger),
        Column("decided_on", Date, nullable=False),
        Column("status_since", Date, nullable=False),
        Column("published_on", Date),
        Column("auctioned_on", Date),
        Column("handed_over_on", Date),
        Column("intake", Integer, nullable=False, comment="what brought it"),
        Column("version", Integer, nullable=False, comment="of those received, from 1"),
        Column("key_case", Boolean, nullable=False),
        Column("status", Text(collation="C"), nullable=False),
        Column("officer", Text(collation="C")),
        Column("claims", ARRAY(Text), nullable=False),
        Column("verified_on", ARRAY(Date), nullable=False),
        Column("reason_code", Text(collation="C")),
    ]


case_intake = Table(
    "case_intake",
    ingest,
    Column("id", Integer, Identity(always=True), primary_key=True),
    Column("batch", Text, nullable=False),
    moment("received_at"),
    comment="so that a million rows need not repeat their batch",
)

enforcement_case = Table(
    "enforcement_case",
    ingest,
    Column("id", BigInteger, Identity(always=True), nullable=False),
    *_case_content(),
    Column("versions", Integer, nullable=False, comment="how many were received"),
    Column("year", SmallInteger, nullable=False, comment="of the decision"),
    Column("unit", Text(collation="C"), nullable=False),
    Column("case_no", Text(collation="C"), nullable=False),
    PrimaryKeyConstraint("unit", "case_no", "year"),
    Index("uq_enforcement_case_id", "id", unique=True),
    Index(
        "ix_enforcement_case_key",
        "unit",
        "case_no",
        "year",
        postgresql_where=text("key_case"),
    ),
    comment="each case as its newest record (by as_of) has it",
)

case_history = Table(
    "case_history",
    ingest,
    Column("case_id", BigInteger, nullable=False),
    *_case_content(),
    Column("applied", Boolean, nullable=False, comment="newer than all before it"),
    PrimaryKeyConstraint("case_id", "version"),
    comment="every record received, also those too old to be applied",
)

erasure = Table(
    "erasure",
    ingest,
    Column("id", BigInteger, Identity(always=True), primary_key=True),
    moment("at"),
    Column("login", Text, nullable=False, comment="who ran the command"),
    Column("role", Text, nullable=False, comment="as whom the database knew them"),
    Column("cases", BigInteger, nullable=False, comment="how many went"),
    Column("case_id", BigInteger, comment="null: not one by its id"),
    Column("before", Date, comment="finished before this day"),
    Column("unit", Text, comment="of this unit and all below it"),
    comment="cases erased for good, by the database's owner alone",
)
