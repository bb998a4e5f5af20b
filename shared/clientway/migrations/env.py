"""Alembic's environment: the connection comes from `run.migrate`, never from a file."""

from alembic import context

context.configure(connection=context.config.attributes["connection"], transactional_ddl=True, transaction_per_migration=True)
with context.begin_transaction():
    context.run_migrations()
