"""Fixtures that every layer may use."""

from tests.support.database import database_url, empty_database_url, server

__all__ = ["database_url", "empty_database_url", "server"]
