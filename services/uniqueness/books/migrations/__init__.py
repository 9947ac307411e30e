"""Alembic's history of the books."""
