"""Delivery in full: secrets that overlap, breaker, pace, recovery, retention."""

from alembic import op

revision = "alerts_delivery"
down_revision = "alerts_members"
branch_labels = None
depends_on = None

_TABLES = (
    # What a subscription is and how it fares.
    """
    ALTER TABLE alerts.subscription
      ADD rate_per_second integer, ADD spent_until timestamptz,
      ADD recent jsonb NOT NULL DEFAULT '[]', ADD paused_until timestamptz,
      ADD failing_since timestamptz, ADD disabled_at timestamptz, ADD disabled_why text,
      ADD heartbeat_at timestamptz,
      ADD CONSTRAINT ck_subscription_state CHECK (state IN ('enabled', 'disabled', 'deleted'))
    """,
    "COMMENT ON COLUMN alerts.subscription.rate_per_second IS 'null: as fast as it answers'",
    "COMMENT ON COLUMN alerts.subscription.spent_until IS 'how far its rate is used up'",
    "COMMENT ON COLUMN alerts.subscription.recent IS 'calls and failures of the last minutes, for the breaker'",
    "COMMENT ON COLUMN alerts.subscription.paused_until IS 'the breaker is open; then a probe'",
    "COMMENT ON COLUMN alerts.subscription.failing_since IS 'nothing was delivered since'",
    "COMMENT ON COLUMN alerts.subscription.disabled_why IS 'gone or failing'",
    "UPDATE alerts.subscription SET disabled_at = now(), disabled_why = 'gone' WHERE state = 'disabled'",
    """
    CREATE TABLE alerts.retired_secret (
      id bigint GENERATED ALWAYS AS IDENTITY CONSTRAINT pk_retired_secret PRIMARY KEY,
      subscription text NOT NULL REFERENCES alerts.subscription (id),
      secret bytea NOT NULL, until timestamptz NOT NULL)
    """,
    "COMMENT ON COLUMN alerts.retired_secret.secret IS 'sealed, never in clear'",
    "COMMENT ON COLUMN alerts.retired_secret.until IS 'it signs beside the new one until then'",
    "CREATE INDEX ix_retired_secret_subscription ON alerts.retired_secret (subscription)",
    # What is sent.
    "ALTER TABLE alerts.message ADD key text",
    "COMMENT ON COLUMN alerts.message.key IS 'whose subscriptions alone hear it; null: everyone''s'",
    "CREATE INDEX ix_message_created_at_id ON alerts.message (created_at, id)",
    """
    CREATE TABLE alerts.recovery (
      id text CONSTRAINT pk_recovery PRIMARY KEY,
      subscription text NOT NULL REFERENCES alerts.subscription (id),
      since timestamptz NOT NULL, until timestamptz NOT NULL,
      reached_at timestamptz NOT NULL, reached_id text NOT NULL DEFAULT '',
      found integer NOT NULL DEFAULT 0,
      created_at timestamptz NOT NULL DEFAULT now(), finished_at timestamptz)
    """,
    "COMMENT ON COLUMN alerts.recovery.until IS 'what is newer is delivered anyway'",
    "COMMENT ON COLUMN alerts.recovery.reached_at IS 'how far it has come, with the id'",
    "CREATE INDEX ix_recovery_subscription ON alerts.recovery (subscription)",
    "CREATE INDEX ix_recovery_unfinished ON alerts.recovery (created_at) WHERE finished_at IS NULL",
    # One moment says when a delivery is due, a lease's end among them; what is held
    # is so because its subscription is, and not in a state of its own.
    "DROP INDEX alerts.ix_delivery_waiting",
    "DROP INDEX alerts.ix_delivery_undone",
    "ALTER TABLE alerts.delivery DROP CONSTRAINT ck_delivery_state",
    "UPDATE alerts.delivery SET next_attempt_at = lease_until WHERE state = 'leased'",
    "UPDATE alerts.delivery SET state = 'retrying', next_attempt_at = now() WHERE state = 'held'",
    """
    ALTER TABLE alerts.delivery DROP lease_until,
      ADD spared integer NOT NULL DEFAULT 0, ADD acknowledged_at timestamptz,
      ADD CONSTRAINT ck_delivery_state CHECK (state IN
        ('pending', 'leased', 'retrying', 'delivered', 'withheld', 'dead'))
    """,
    "COMMENT ON COLUMN alerts.delivery.next_attempt_at IS 'leased: when it ends'",
    "COMMENT ON COLUMN alerts.delivery.spared IS 'attempts that used up no try'",
    "COMMENT ON COLUMN alerts.delivery.acknowledged_at IS 'someone knows that it is dead'",
    """
    CREATE INDEX ix_delivery_due ON alerts.delivery
      (subscription, least(attempts, 1), next_attempt_at, id)
      WHERE state IN ('pending', 'retrying', 'leased')
    """,
    "CREATE INDEX ix_delivery_leased ON alerts.delivery (subscription) WHERE state = 'leased'",
    """
    CREATE INDEX ix_delivery_undone ON alerts.delivery (subscription, escalation, sequence)
      WHERE state IN ('pending', 'retrying', 'leased') AND escalation IS NOT NULL
    """,
    "CREATE INDEX ix_delivery_subscription_id ON alerts.delivery (subscription, id)",
    "CREATE INDEX ix_delivery_dead ON alerts.delivery (subscription) WHERE state = 'dead' AND acknowledged_at IS NULL",
)

# The log of attempts, a partition for each month (UTC).
_ATTEMPTS = (
    "ALTER TABLE alerts.attempt RENAME TO attempt_before",
    "ALTER TABLE alerts.attempt_before RENAME CONSTRAINT pk_attempt TO pk_attempt_before",
    """
    CREATE TABLE alerts.attempt (
      delivery bigint NOT NULL, n integer NOT NULL,
      started_at timestamptz NOT NULL DEFAULT now(), finished_at timestamptz,
      status integer, error text, excerpt text, ms integer,
      CONSTRAINT pk_attempt PRIMARY KEY (delivery, n, started_at))
    PARTITION BY RANGE (started_at)
    """,
    "COMMENT ON TABLE alerts.attempt IS 'a partition for each month, dropped when all of it is 90 days old'",
    "COMMENT ON COLUMN alerts.attempt.excerpt IS 'the start of the answer, made harmless'",
    """
    CREATE FUNCTION alerts.keep_month(month date) RETURNS void
    LANGUAGE plpgsql SET search_path = pg_catalog AS $$
    DECLARE part text := 'attempt_p' || to_char(month, 'YYYYMM');
    BEGIN
      IF to_regclass('alerts.' || part) IS NULL THEN
        EXECUTE format(
          'CREATE TABLE alerts.%I PARTITION OF alerts.attempt FOR VALUES FROM (%L) TO (%L)',
          part, month || ' 00:00+00', (month + interval '1 month')::date || ' 00:00+00');
      END IF;
    END $$
    """,
    "REVOKE ALL ON FUNCTION alerts.keep_month(date) FROM PUBLIC",
    """
    DO $$ DECLARE month timestamp; BEGIN
      FOR month IN SELECT DISTINCT date_trunc('month', started_at AT TIME ZONE 'UTC')
        FROM alerts.attempt_before
      LOOP PERFORM alerts.keep_month(month::date); END LOOP;
      FOR n IN 0..2 LOOP
        PERFORM alerts.keep_month((date_trunc('month', now() AT TIME ZONE 'UTC') + n * interval '1 month')::date);
      END LOOP;
    END $$
    """,
    """
    INSERT INTO alerts.attempt
    SELECT delivery, n, started_at, finished_at, status, error, excerpt, ms
    FROM alerts.attempt_before
    """,
    "DROP TABLE alerts.attempt_before",
)

# The service may not delete by itself: these are the only ways, and they take no
# argument that could reach what is still owed.
_FORGET = (
    """
    CREATE FUNCTION alerts.keep_months() RETURNS void
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog SET lock_timeout = '5s' AS $$
    DECLARE
      this date := date_trunc('month', now() AT TIME ZONE 'UTC')::date;
      part text;
    BEGIN
      PERFORM pg_advisory_xact_lock(11, 0);
      FOR n IN 0..2 LOOP
        PERFORM alerts.keep_month((this + n * interval '1 month')::date);
      END LOOP;
      FOR part IN
        SELECT c.relname FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid
        WHERE i.inhparent = 'alerts.attempt'::regclass
          AND to_date(right(c.relname, 6), 'YYYYMM') + interval '1 month' < now() - interval '90 days'
      LOOP
        EXECUTE format('DROP TABLE alerts.%I', part);
      END LOOP;
    END $$
    """,
    """
    CREATE FUNCTION alerts.forget(most integer) RETURNS bigint
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog AS $$
    DECLARE gone bigint; total bigint := 0;
    BEGIN
      DELETE FROM alerts.delivery WHERE id IN (
        SELECT d.id FROM alerts.message m
        JOIN alerts.delivery d ON d.message = m.id
        JOIN alerts.subscription s ON s.id = d.subscription
        JOIN platform.api_key k ON k.id = s.key
        WHERE m.created_at < now() - interval '90 days' AND (
          d.state IN ('delivered', 'withheld')
          OR (d.state = 'dead' AND d.acknowledged_at IS NOT NULL)
          OR s.state = 'deleted' OR k.revoked_at < now() - interval '90 days')
        LIMIT most);
      GET DIAGNOSTICS total = ROW_COUNT;
      DELETE FROM alerts.message WHERE id IN (
        SELECT m.id FROM alerts.message m
        WHERE m.created_at < now() - interval '90 days'
          AND NOT EXISTS (SELECT FROM alerts.delivery d WHERE d.message = m.id)
        LIMIT most);
      GET DIAGNOSTICS gone = ROW_COUNT; total := total + gone;
      DELETE FROM alerts.retired_secret WHERE until < now();
      DELETE FROM alerts.recovery WHERE finished_at < now() - interval '90 days';
      DELETE FROM alerts.subscription s WHERE state = 'deleted'
        AND NOT EXISTS (SELECT FROM alerts.delivery d WHERE d.subscription = s.id)
        AND NOT EXISTS (SELECT FROM alerts.recovery r WHERE r.subscription = s.id)
        AND NOT EXISTS (SELECT FROM alerts.retired_secret r WHERE r.subscription = s.id);
      RETURN total;
    END $$
    """,
    "REVOKE ALL ON FUNCTION alerts.keep_months(), alerts.forget(integer) FROM PUBLIC",
    "GRANT EXECUTE ON FUNCTION alerts.keep_months(), alerts.forget(integer) TO dondoc_alerts",
    "GRANT SELECT, INSERT, UPDATE ON alerts.attempt, alerts.recovery, alerts.retired_secret TO dondoc_alerts",
)


def upgrade() -> None:
    for statement in (*_TABLES, *_ATTEMPTS, *_FORGET):
        op.execute(statement)


_BACK = (
    "DROP FUNCTION alerts.forget(integer)",
    "DROP FUNCTION alerts.keep_months()",
    "ALTER TABLE alerts.attempt RENAME TO attempt_months",
    "ALTER TABLE alerts.attempt_months RENAME CONSTRAINT pk_attempt TO pk_attempt_months",
    """
    CREATE TABLE alerts.attempt (
      delivery bigint NOT NULL REFERENCES alerts.delivery (id), n integer NOT NULL,
      started_at timestamptz NOT NULL DEFAULT now(), finished_at timestamptz,
      status integer, error text, excerpt text, ms integer,
      CONSTRAINT pk_attempt PRIMARY KEY (delivery, n))
    """,
    "INSERT INTO alerts.attempt SELECT * FROM alerts.attempt_months WHERE delivery IN (SELECT id FROM alerts.delivery)",
    "DROP TABLE alerts.attempt_months",
    "DROP FUNCTION alerts.keep_month(date)",
    "GRANT SELECT, INSERT, UPDATE ON alerts.attempt TO dondoc_alerts",
    "DROP INDEX alerts.ix_delivery_due",
    "DROP INDEX alerts.ix_delivery_leased",
    "DROP INDEX alerts.ix_delivery_undone",
    "DROP INDEX alerts.ix_delivery_subscription_id",
    "DROP INDEX alerts.ix_delivery_dead",
    "ALTER TABLE alerts.delivery DROP CONSTRAINT ck_delivery_state",
    "UPDATE alerts.delivery SET state = 'dead' WHERE state = 'withheld'",
    """
    ALTER TABLE alerts.delivery ADD lease_until timestamptz, DROP spared, DROP acknowledged_at,
      ADD CONSTRAINT ck_delivery_state CHECK (state IN
        ('pending', 'leased', 'retrying', 'delivered', 'held', 'dead'))
    """,
    "UPDATE alerts.delivery SET lease_until = next_attempt_at WHERE state = 'leased'",
    """
    CREATE INDEX ix_delivery_waiting ON alerts.delivery (subscription, next_attempt_at)
      WHERE state IN ('pending', 'retrying', 'leased')
    """,
    """
    CREATE INDEX ix_delivery_undone ON alerts.delivery (subscription, escalation, sequence)
      WHERE state NOT IN ('delivered', 'dead')
    """,
    "DROP TABLE alerts.recovery",
    "DROP TABLE alerts.retired_secret",
    "DROP INDEX alerts.ix_message_created_at_id",
    "ALTER TABLE alerts.message DROP key",
    "ALTER TABLE alerts.subscription DROP CONSTRAINT ck_subscription_state",
    "UPDATE alerts.subscription SET state = 'disabled' WHERE state = 'deleted'",
    """
    ALTER TABLE alerts.subscription DROP rate_per_second, DROP spent_until, DROP recent,
      DROP paused_until, DROP failing_since, DROP disabled_at, DROP disabled_why, DROP heartbeat_at
    """,
)


def downgrade() -> None:
    for statement in _BACK:
        op.execute(statement)
