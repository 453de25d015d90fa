"""Alembic's entry: runs one schema's history on the connection it was given."""

from alembic import context

from migrations import HISTORIES, options

config = context.config
schema = config.attributes["schema"]
context.configure(
    connection=config.attributes["connection"],
    target_metadata=HISTORIES[schema],
    **options(schema),
)
with context.begin_transaction():
    context.run_migrations()
