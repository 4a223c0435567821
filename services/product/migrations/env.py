"""Alembic's entry."""

from services.shared.migrate import run_env

run_env()
