"""Alembic's entry for this service."""

from services.shared.migrate import run_env

run_env()
