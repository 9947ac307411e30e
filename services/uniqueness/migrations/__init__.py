"""Alembic's history of the uniqueness database."""
