"""What is stored, class by class, on a real server."""

import pytest

from capture.route import MessageClass
from capture.store.connection import Connection
from capture.store.partitions import DAY_US, HOUR_US
from capture.store.survey import StoredClass, survey
from tests.postgres.test_retention import NOW_US, filled

pytestmark = pytest.mark.slow


async def surveyed(url: str) -> StoredClass:
    connection = await Connection.open(url)
    try:
        return (await survey(connection, NOW_US))[MessageClass.CALL]
    finally:
        await connection.close()


async def test_hours_in_which_nothing_came_belong_to_the_day(database_url: str) -> None:
    await filled(database_url, [0, 40])

    found = await surveyed(database_url)

    assert DAY_US <= found.recent_us < DAY_US + 2 * HOUR_US
    assert 0 < found.recent_bytes < found.bytes


async def test_young_class_is_told_since_its_first_message(database_url: str) -> None:
    await filled(database_url, [0, 4])

    found = await surveyed(database_url)

    assert found.oldest_us is not None
    assert found.recent_us == NOW_US - found.oldest_us
    assert found.recent_bytes == found.bytes


async def test_class_that_has_gone_silent_is_known_not_to_grow(database_url: str) -> None:
    await filled(database_url, [40])

    found = await surveyed(database_url)

    assert (found.recent_bytes, found.recent_us) == (0, DAY_US)


async def test_class_without_messages_has_no_age(database_url: str) -> None:
    assert await surveyed(database_url) == StoredClass(None, 0, 0, 0)
