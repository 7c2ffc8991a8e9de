"""One `rhapsode up` for all live tests."""

from collections.abc import Iterator

import pytest

from tests.support.live import Live, live_up


@pytest.fixture(scope="session")
def live() -> Iterator[Live]:
    with live_up() as running:
        yield running
