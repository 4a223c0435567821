"""Alembic's entry for the order database."""

from services.shared.migrate import run_env

run_env()
