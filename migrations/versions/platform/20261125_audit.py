"""Who changed what: a log that is only added to, and the blocks that chain it."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "platform_audit"
down_revision = "platform_3"
branch_labels = None
depends_on = None

_ROLES = "dondoc_ingest, dondoc_scoring, dondoc_alerts"

# A trigger says which columns make the key and which may be shown: what is not named
# (secrets, digests, names and free text) never reaches the log. Of what changed beside
# these only the column's name is kept.
_FUNCTIONS = (
    """
    CREATE FUNCTION platform.picked(stored jsonb, names text) RETURNS jsonb
    LANGUAGE sql IMMUTABLE RETURN coalesce((
      SELECT jsonb_object_agg(name, stored -> name)
      FROM unnest(string_to_array(names, ',')) name
      WHERE stored -> name IS DISTINCT FROM 'null'::jsonb), '{}')
    """,
    """
    CREATE FUNCTION platform.key_of(stored jsonb, names text) RETURNS text
    LANGUAGE sql IMMUTABLE RETURN (
      SELECT string_agg(coalesce(stored ->> name, ''), '/' ORDER BY place)
      FROM unnest(string_to_array(names, ',')) WITH ORDINALITY n(name, place))
    """,
    """
    CREATE FUNCTION platform.changed(before jsonb, after jsonb) RETURNS jsonb
    LANGUAGE sql IMMUTABLE RETURN (
      SELECT jsonb_agg(name ORDER BY name) FROM jsonb_object_keys(after) name
      WHERE before -> name IS DISTINCT FROM after -> name)
    """,
    # Whose deed it is, as the transaction was told; otherwise dondoc's own.
    """
    CREATE FUNCTION platform.note(deed text, kind text, object text, detail jsonb)
    RETURNS void LANGUAGE sql VOLATILE
    BEGIN ATOMIC
      INSERT INTO platform.audit (at, role, actor, request, action, kind, object, detail)
      VALUES (platform.business_now(),
        coalesce(nullif(current_setting('role', true), 'none'), session_user),
        coalesce(nullif(current_setting('dondoc.actor', true), ''), 'dondoc'),
        nullif(current_setting('dondoc.request', true), ''), $1, $2, coalesce($3, $2), $4);
    END
    """,
    # Arguments: kind, columns of the key, columns to show, and for a log of its own
    # the column that says what happened.
    """
    CREATE FUNCTION platform.note_added() RETURNS trigger LANGUAGE plpgsql
    SECURITY DEFINER SET search_path = '' AS $$
    BEGIN
      PERFORM platform.note(
        CASE WHEN TG_NARGS > 3 THEN stored ->> TG_ARGV[3] ELSE 'added' END,
        TG_ARGV[0], platform.key_of(stored, TG_ARGV[1]),
        platform.picked(stored, TG_ARGV[2]))
      FROM (SELECT to_jsonb(f) AS stored FROM fresh f) one;
      RETURN NULL;
    END $$
    """,
    """
    CREATE FUNCTION platform.note_changed() RETURNS trigger LANGUAGE plpgsql
    SECURITY DEFINER SET search_path = '' AS $$
    BEGIN
      PERFORM platform.note('changed', TG_ARGV[0], b.key,
        platform.picked(a.stored, TG_ARGV[2])
        || jsonb_build_object('changed', platform.changed(b.stored, a.stored)))
      FROM (SELECT to_jsonb(s) AS stored, platform.key_of(to_jsonb(s), TG_ARGV[1]) AS key
        FROM stale s) b
      JOIN (SELECT to_jsonb(f) AS stored, platform.key_of(to_jsonb(f), TG_ARGV[1]) AS key
        FROM fresh f) a ON a.key IS NOT DISTINCT FROM b.key
      WHERE a.stored <> b.stored;
      RETURN NULL;
    END $$
    """,
    """
    CREATE FUNCTION platform.note_removed() RETURNS trigger LANGUAGE plpgsql
    SECURITY DEFINER SET search_path = '' AS $$
    BEGIN
      PERFORM platform.note('removed', TG_ARGV[0], platform.key_of(stored, TG_ARGV[1]),
        platform.picked(stored, TG_ARGV[2]))
      FROM (SELECT to_jsonb(s) AS stored FROM stale s) one;
      RETURN NULL;
    END $$
    """,
    # For tables that work changes all the time: row by row, WHEN it matters.
    """
    CREATE FUNCTION platform.note_row() RETURNS trigger LANGUAGE plpgsql
    SECURITY DEFINER SET search_path = '' AS $$
    DECLARE
      after jsonb := to_jsonb(NEW);
      detail jsonb := platform.picked(after, TG_ARGV[2]);
    BEGIN
      IF TG_OP = 'UPDATE' THEN
        detail := detail || jsonb_build_object(
          'changed', platform.changed(to_jsonb(OLD), after));
      END IF;
      PERFORM platform.note(TG_ARGV[3], TG_ARGV[0],
        platform.key_of(after, TG_ARGV[1]), detail);
      RETURN NULL;
    END $$
    """,
    """
    CREATE FUNCTION platform.watch(watched regclass, kind text, keys text, shown text,
      deed text DEFAULT NULL) RETURNS void LANGUAGE plpgsql AS $$
    DECLARE
      arguments text := format('%L, %L, %L', kind, keys, shown)
        || CASE WHEN deed IS NULL THEN '' ELSE format(', %L', deed) END;
    BEGIN
      EXECUTE format('CREATE TRIGGER audit_added AFTER INSERT ON %s REFERENCING NEW TABLE'
        ' AS fresh FOR EACH STATEMENT EXECUTE FUNCTION platform.note_added(%s)',
        watched, arguments);
      EXECUTE format('CREATE TRIGGER audit_changed AFTER UPDATE ON %s REFERENCING OLD TABLE'
        ' AS stale NEW TABLE AS fresh FOR EACH STATEMENT'
        ' EXECUTE FUNCTION platform.note_changed(%s)', watched, arguments);
      EXECUTE format('CREATE TRIGGER audit_removed AFTER DELETE ON %s REFERENCING OLD TABLE'
        ' AS stale FOR EACH STATEMENT EXECUTE FUNCTION platform.note_removed(%s)',
        watched, arguments);
    END $$
    """,
    # What a block's hash is made over: the same text wherever and whenever it is asked.
    """
    CREATE FUNCTION platform.audit_digest(wanted bigint) RETURNS bytea LANGUAGE sql STABLE
    RETURN (SELECT sha256(coalesce(string_agg(convert_to(jsonb_build_array(id,
        at AT TIME ZONE 'UTC', role, actor, request, action, kind, object, detail)::text,
        'UTF8'), '\\x0a'::bytea ORDER BY id), ''))
      FROM platform.audit WHERE block = wanted)
    """,
    # A sealer puts the rows that stand unsealed into the next block and is told what to
    # seal; it holds no right to the rows themselves.
    """
    CREATE FUNCTION platform.next_audit_block(OUT n bigint, OUT previous bytea,
      OUT count bigint, OUT digest bytea) LANGUAGE plpgsql
    SECURITY DEFINER SET search_path = '' AS $$
    BEGIN
      SELECT b.n + 1, b.hash INTO n, previous
        FROM platform.audit_block b ORDER BY b.n DESC LIMIT 1;
      n := coalesce(n, 1);
      UPDATE platform.audit SET block = next_audit_block.n WHERE id IN (
        SELECT a.id FROM platform.audit a WHERE a.block IS NULL ORDER BY a.id LIMIT 10000);
      GET DIAGNOSTICS count = ROW_COUNT;
      digest := platform.audit_digest(n);
    END $$
    """,
    """
    CREATE FUNCTION platform.seal_audit_block(n bigint, previous bytea, count bigint,
      digest bytea, hash bytea) RETURNS void LANGUAGE sql
    SECURITY DEFINER SET search_path = ''
    BEGIN ATOMIC
      INSERT INTO platform.audit_block (n, previous, count, digest, hash)
      VALUES ($1, $2, $3, $4, $5);
    END
    """,
)

_SEALING = (
    "platform.next_audit_block()",
    "platform.seal_audit_block(bigint, bytea, bigint, bytea, bytea)",
)
_TELLING = (
    "platform.note(text, text, text, jsonb)",
    "platform.watch(regclass, text, text, text, text)",
)


def upgrade() -> None:
    op.create_table(
        "audit_block",
        sa.Column("n", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column(
            "previous", sa.LargeBinary(), comment="the hash before; null: the first"
        ),
        sa.Column("count", sa.BigInteger(), nullable=False),
        sa.Column("digest", sa.LargeBinary(), nullable=False, comment="of its rows"),
        sa.Column(
            "hash",
            sa.LargeBinary(),
            nullable=False,
            comment="HMAC over all of these; whoever lacks DONDOC_SECRET cannot make it",
        ),
        sa.Column(
            "sealed_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("clock_timestamp()"),
            nullable=False,
        ),
        sa.PrimaryKeyConstraint("n", name=op.f("pk_audit_block")),
        schema="platform",
        comment="the chain over the audit log",
    )
    op.create_table(
        "audit",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column(
            "at", sa.DateTime(timezone=True), nullable=False, comment="business time"
        ),
        sa.Column(
            "role", sa.Text(), nullable=False, comment="as whom the database knew them"
        ),
        sa.Column(
            "actor", sa.Text(), nullable=False, comment="an API key, or `dondoc`"
        ),
        sa.Column("request", sa.Text()),
        sa.Column("action", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("object", sa.Text(), nullable=False),
        sa.Column("detail", postgresql.JSONB(), nullable=False),
        sa.Column("block", sa.BigInteger(), comment="null: not sealed yet"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_audit")),
        schema="platform",
        comment="append-only: every change of configuration and state",
    )
    op.create_index(
        "ix_audit_unsealed",
        "audit",
        ["id"],
        schema="platform",
        postgresql_where=sa.text("block IS NULL"),
    )
    op.create_index("ix_audit_block", "audit", ["block"], schema="platform")
    op.create_index(
        "ix_audit_kind_object", "audit", ["kind", "object", "id"], schema="platform"
    )
    op.create_index("ix_audit_actor", "audit", ["actor", "id"], schema="platform")
    for function in _FUNCTIONS:
        op.execute(function)
    for function in (*_SEALING, *_TELLING):
        op.execute(f"REVOKE EXECUTE ON FUNCTION {function} FROM PUBLIC")
    for function in _SEALING:
        op.execute(f"GRANT EXECUTE ON FUNCTION {function} TO dondoc_alerts")
    op.execute(f"GRANT SELECT ON platform.audit, platform.audit_block TO {_ROLES}")
    op.execute(
        "SELECT platform.watch('platform.api_key', 'key', 'id',"
        " 'roles,units,expires_at,revoked_at')"
    )
    op.execute("SELECT platform.watch('platform.clock', 'clock', '', 'business_at')")
    op.execute(
        "CREATE TRIGGER audit_received AFTER INSERT ON platform.batch FOR EACH ROW"
        " WHEN (NOT NEW.dry_run) EXECUTE FUNCTION"
        " platform.note_row('batch', 'id', 'key', 'received')"
    )
    op.execute(
        "CREATE TRIGGER audit_retried AFTER UPDATE OF dead_at ON platform.event"
        " FOR EACH ROW WHEN (OLD.dead_at IS NOT NULL AND NEW.dead_at IS NULL)"
        " EXECUTE FUNCTION platform.note_row('dead letter', 'id', 'topic,key', 'retried')"
    )


def downgrade() -> None:
    op.execute("DROP TRIGGER audit_retried ON platform.event")
    op.execute("DROP TRIGGER audit_received ON platform.batch")
    for table in ("clock", "api_key"):
        for deed in ("added", "changed", "removed"):
            op.execute(f"DROP TRIGGER audit_{deed} ON platform.{table}")
    for function in (
        *_TELLING,
        *_SEALING,
        "platform.note_added()",
        "platform.note_changed()",
        "platform.note_removed()",
        "platform.note_row()",
        "platform.audit_digest(bigint)",
        "platform.changed(jsonb, jsonb)",
        "platform.key_of(jsonb, text)",
        "platform.picked(jsonb, text)",
    ):
        op.execute(f"DROP FUNCTION {function}")
    op.drop_table("audit", schema="platform")
    op.drop_table("audit_block", schema="platform")
