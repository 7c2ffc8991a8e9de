"""The schema's history: one Alembic revision a change, run by `migrations.run`."""
