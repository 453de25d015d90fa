"""The life of a rule: who moved it when, what a shadow says, what a backtest found."""

from alembic import op

revision = "alerts_life"
down_revision = "alerts_exemptions"
branch_labels = None
depends_on = None

_STATEMENTS = (
    "ALTER TABLE alerts.rule ADD origin text NOT NULL DEFAULT 'shipped'",
    "COMMENT ON COLUMN alerts.rule.origin IS 'shipped, file or api'",
    """
    ALTER TABLE alerts.rule ADD CONSTRAINT ck_rule_state
      CHECK (state IN ('draft', 'shadow', 'active', 'retired'))
    """,
    "CREATE UNIQUE INDEX ix_rule_shadow ON alerts.rule (id) WHERE state = 'shadow'",
    """
    CREATE TABLE alerts.rule_event (
      id bigint GENERATED ALWAYS AS IDENTITY CONSTRAINT pk_rule_event PRIMARY KEY,
      rule text NOT NULL, version integer NOT NULL, change text NOT NULL,
      actor text NOT NULL, reason text, at timestamptz NOT NULL,
      CONSTRAINT fk_rule_event_rule_rule FOREIGN KEY (rule, version)
        REFERENCES alerts.rule (id, version))
    """,
    "COMMENT ON TABLE alerts.rule_event IS 'append-only: who moved a version of a rule'",
    "COMMENT ON COLUMN alerts.rule_event.actor IS 'an API key, or `dondoc`'",
    "CREATE INDEX ix_rule_event_rule_version ON alerts.rule_event (rule, version)",
    """
    CREATE TABLE alerts.shadow_decision (
      rule text NOT NULL, period text NOT NULL, unit text NOT NULL,
      measure text NOT NULL, category text NOT NULL, version integer NOT NULL,
      verdict text NOT NULL, severity text, missing text[] NOT NULL,
      active_version integer, active_verdict text,
      cases bigint, active_cases bigint, at date NOT NULL,
      CONSTRAINT pk_shadow_decision PRIMARY KEY (rule, period, unit, measure, category))
    """,
    "COMMENT ON TABLE alerts.shadow_decision IS 'what the version in shadow says, opening nothing'",
    "COMMENT ON COLUMN alerts.shadow_decision.period IS 'empty for rules of cases'",
    "COMMENT ON COLUMN alerts.shadow_decision.active_verdict IS 'null: no active version, or out of its scope'",
    "COMMENT ON COLUMN alerts.shadow_decision.cases IS 'of the unit, on which it fires'",
    """
    CREATE TABLE alerts.backtest (
      id text CONSTRAINT pk_backtest PRIMARY KEY,
      rule text NOT NULL, version integer NOT NULL, against integer,
      periods text[] NOT NULL, known text NOT NULL, actor text NOT NULL,
      at timestamptz NOT NULL,
      CONSTRAINT fk_backtest_rule_rule FOREIGN KEY (rule, version)
        REFERENCES alerts.rule (id, version),
      CONSTRAINT ck_backtest_known CHECK (known IN ('then', 'now')))
    """,
    "COMMENT ON COLUMN alerts.backtest.against IS 'the version that was active'",
    "CREATE INDEX ix_backtest_rule_version ON alerts.backtest (rule, version)",
    """
    CREATE TABLE alerts.backtest_period (
      backtest text NOT NULL CONSTRAINT fk_backtest_period_backtest_backtest
        REFERENCES alerts.backtest (id),
      period text NOT NULL, found jsonb NOT NULL,
      CONSTRAINT pk_backtest_period PRIMARY KEY (backtest, period))
    """,
    "COMMENT ON TABLE alerts.backtest_period IS 'a backtest is done when each of its periods is here'",
    "GRANT SELECT, INSERT ON alerts.rule_event, alerts.backtest, alerts.backtest_period TO dondoc_alerts",
    # A version never changes but for where it stands.
    "REVOKE UPDATE ON alerts.rule FROM dondoc_alerts",
    "GRANT UPDATE (state, activated_at) ON alerts.rule TO dondoc_alerts",
    "GRANT SELECT, INSERT, UPDATE, DELETE ON alerts.shadow_decision TO dondoc_alerts",
)

_BACK = (
    "REVOKE UPDATE (state, activated_at) ON alerts.rule FROM dondoc_alerts",
    "GRANT UPDATE ON alerts.rule TO dondoc_alerts",
    "DROP TABLE alerts.backtest_period",
    "DROP TABLE alerts.backtest",
    "DROP TABLE alerts.shadow_decision",
    "DROP TABLE alerts.rule_event",
    "DROP INDEX alerts.ix_rule_shadow",
    "ALTER TABLE alerts.rule DROP CONSTRAINT ck_rule_state, DROP origin",
)


def upgrade() -> None:
    for statement in _STATEMENTS:
        op.execute(statement)


def downgrade() -> None:
    for statement in _BACK:
        op.execute(statement)
