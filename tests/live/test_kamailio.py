"""Kamailio's siptrace mirrors real calls of sipp: what was on the wire is what is found."""

from collections import Counter
from pathlib import Path

import pytest

from tests.support.kamailio import Proxy, documented_trace
from tests.support.live import Live, live_up, shown
from tests.support.recipes import block

CALLS = 20
RATE = 20
MESSAGES_PER_CALL = 12
"""A proxy sees INVITE, 180, 200, ACK, BYE and 200 come and go. It may say 100 itself."""
MANY_CALLS, FAST = 150, 50
CAPTURE_ID = "2001"
TRACE_ALL = 'modparam("siptrace", "trace_mode", 1)\n'
UDP = 17


@pytest.mark.parametrize("transport", ["udp", "tcp"])
def test_every_message_that_kamailio_mirrors_is_found_as_it_was_on_the_wire(
    live: Live, tmp_path: Path, transport: str
) -> None:
    before = live.outcomes()

    with Proxy(tmp_path, documented_trace(live.hep, transport)).running() as proxy:
        with proxy.wire() as wire, proxy.calls(CALLS, RATE) as calling:
            calling.finish()
        on_wire = wire.sip(proxy.port)
        after = live.wait_for(before.received + len(on_wire))

    assert len(on_wire) >= CALLS * MESSAGES_PER_CALL
    assert after.received - before.received == after.written - before.written == len(on_wire)
    rows = live.transaction(*{message.call_id for message in on_wire})
    assert Counter(map(shown, rows)) == Counter(on_wire)
    assert {row["captureId"] for row in rows} == {CAPTURE_ID}
    assert {row["protocol"] for row in rows} == {UDP}, "of the captured SIP, whatever carried the HEP"


def test_transactions_that_kamailio_is_told_to_trace_are_found_with_their_correlation_id(
    live: Live, tmp_path: Path
) -> None:
    trace = documented_trace(live.hep, "udp").replace(TRACE_ALL, "") + block("docs/senders.md", "Kamailio", 0)
    route = block("docs/senders.md", "Kamailio", 1)
    before = live.outcomes()

    with Proxy(tmp_path, trace, route).running() as proxy:
        with proxy.wire() as wire, proxy.calls(CALLS, RATE) as calling:
            calling.finish()
        # As docs/senders.md says: the ACK of a 200 belongs to no transaction, so its going is not traced.
        traced = [sip for sip in wire.sip(proxy.port) if (sip.method, sip.source_port) != ("ACK", proxy.port)]
        live.wait_for(before.received + len(traced))

    assert len(traced) >= CALLS * (MESSAGES_PER_CALL - 1)
    rows = live.transaction(*{message.call_id for message in traced})
    assert Counter(map(shown, rows)) == Counter(traced)
    assert all(row["correlation_id"] == row["callid"] for row in rows)


def test_workers_killed_while_kamailio_mirrors_over_tcp_lose_and_double_nothing(tmp_path: Path) -> None:
    with (
        live_up("--workers", "2") as live,
        Proxy(tmp_path, documented_trace(live.hep, "tcp")).running() as proxy,
    ):
        with proxy.wire() as wire, proxy.calls(MANY_CALLS, FAST) as calling:
            for part in (1, 2):
                live.wait_for(part * MANY_CALLS * MESSAGES_PER_CALL // 4)
                live.running.child("worker").kill()
            calling.finish()
        on_wire = wire.sip(proxy.port)
        outcomes = live.wait_for(len(on_wire))
        rows = live.transaction(*{message.call_id for message in on_wire})

    assert outcomes == (len(on_wire), len(on_wire))
    assert Counter(map(shown, rows)) == Counter(on_wire)


def test_intake_killed_while_kamailio_mirrors_over_tcp_costs_what_was_on_its_way_and_no_more(
    tmp_path: Path,
) -> None:
    with live_up() as live:
        with Proxy(tmp_path, documented_trace(live.hep, "tcp")).running() as proxy:
            with proxy.wire() as disturbed_wire, proxy.calls(MANY_CALLS, FAST) as calling:
                live.wait_for(MANY_CALLS * MESSAGES_PER_CALL // 4)
                old = live.running.child("intake")
                old.kill()
                live.running.wait_for_child("intake", other_than=old.pid)
                calling.finish()
            with proxy.wire() as later_wire, proxy.calls(CALLS, RATE) as calling:
                calling.finish()
        outcomes = live.wait_until_hung_up()
        disturbed, later = (Counter(wire.sip(proxy.port)) for wire in (disturbed_wire, later_wire))
        rows = live.transaction(*{message.call_id for message in disturbed | later})

    found = Counter(map(shown, rows))
    assert found.total() == outcomes.written
    assert found - disturbed - later == Counter(), "none is doubled or changed"
    assert later - found == Counter(), "Kamailio connects again by itself"
    assert (disturbed - found).total() < disturbed.total() / 4
