"""Entries on their way into the audit."""

import asyncio
from datetime import timedelta

from fastapi import Request

from api.audit import Audit
from api.database import connect
from tests.support.database import fetch

REQUEST = Request({"type": "http", "client": ("192.0.2.1", 5060)})


async def test_who_writes_at_the_same_time_writes_each_entry_once(database_url: str) -> None:
    engine = connect(database_url)
    audit = Audit(engine, timedelta(days=1))
    for number in range(3):
        audit.note(REQUEST, "alice", "look", str(number))

    await asyncio.gather(audit.flush(), audit.flush(), audit.close())

    rows = await fetch(database_url, "select username, address, action, object from audit order by id")
    assert rows == [("alice", "192.0.2.1", "look", str(number)) for number in range(3)]
    await engine.dispose()
