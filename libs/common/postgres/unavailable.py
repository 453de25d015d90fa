"""Why the embedded PostgreSQL cannot be had."""


class PostgresUnavailable(RuntimeError):
    """The embedded PostgreSQL cannot be had; the message says why and what to do."""
