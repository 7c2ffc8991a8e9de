"""Fixtures that every layer may use, and which layers are slow."""

from pathlib import Path

import pytest

from tests.support.database import another_database_url, database_url, empty_database_url, server

__all__ = ["another_database_url", "database_url", "empty_database_url", "server"]

SLOW_LAYERS = tuple(Path(__file__).parent / layer for layer in ("postgres", "e2e", "live", "ui"))
"""They start a database or the real processes."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if any(item.path.is_relative_to(layer) for layer in SLOW_LAYERS):
            item.add_marker(pytest.mark.slow)
