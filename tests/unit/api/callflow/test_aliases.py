"""Names of addresses: the longest network decides, then the port."""

from ipaddress import ip_address, ip_network
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from api.callflow.aliases import Aliases
from api.callflow.hosts import End


def a_row(alias: str, ip: str, mask: int | None = None, port: int = 0, **more: Any) -> dict[str, Any]:
    whole = ip_address(ip).max_prefixlen
    mask = whole if mask is None else mask
    return {"alias": alias, "ip": ip, "mask": mask, "port": port, "captureID": "0", "status": True, **more}


ROWS = [
    a_row("network", "192.0.2.0", 24),
    a_row("host", "192.0.2.7", port=5060),
    a_row("other port", "192.0.2.7", port=5061),
    a_row("any port", "192.0.2.8"),
    a_row("sip of 8", "192.0.2.8", port=5060),
    a_row("off", "192.0.2.9", status=False),
    a_row("six", "2001:db8::", 32),
    a_row("seven", "2001:db8::7", port=5060),
]


@pytest.mark.parametrize(
    ("address", "port", "name"),
    [
        ("192.0.2.1", 5060, "network"),
        ("192.0.2.7", 5060, "host"),
        ("192.0.2.7", 5061, "other port"),
        # Not the network's: the longest decides alone.
        ("192.0.2.7", 80, "192.0.2.7:80"),
        ("192.0.2.8", 80, "any port"),
        ("192.0.2.8", 5060, "sip of 8"),
        ("192.0.2.9", 1, "network"),
        ("198.51.100.1", 5060, "198.51.100.1:5060"),
        ("2001:db8::1", 5060, "six"),
        ("2001:db8:0:0::7", 5060, "seven"),
        ("2001:db9::1", 5060, "[2001:db9::1]:5060"),
        ("none", 5060, "none:5060"),
    ],
)
def test_name_of_an_end(address: str, port: int, name: str) -> None:
    aliases = Aliases(ROWS)

    assert [aliases.name(End(address, port)) for _ in range(2)] == [name, name]


def test_first_of_two_counts() -> None:
    assert Aliases([a_row("one", "192.0.2.1"), a_row("two", "192.0.2.1")]).name(End("192.0.2.1", 1)) == "one"


def test_alias_of_the_capture_id_comes_first_where_it_is_asked_for() -> None:
    rows = [a_row("all", "192.0.2.1"), a_row("mine", "192.0.2.0", 24, captureID="7")]
    end = End("192.0.2.1", 1)

    assert [Aliases(rows).name(end, id_) for id_ in ("7", "8")] == ["all", "all"]
    assert [Aliases(rows, by_capture_id=True).name(end, id_) for id_ in ("7", "8")] == ["mine", "all"]


addresses = st.sampled_from(["192.0.2.0", "192.0.2.1", "192.0.2.2", "192.0.3.1", "2001:db8::", "2001:db8::1"])
rows = st.builds(
    lambda alias, ip, bits, port: a_row(alias, ip, min(bits, ip_address(ip).max_prefixlen), port),
    st.text(min_size=1, max_size=3),
    addresses,
    st.sampled_from([0, 16, 24, 31, 32, 64, 127, 128]),
    st.sampled_from([0, 5060, 5061]),
)


@given(st.lists(rows, max_size=8), addresses, st.sampled_from([0, 5060, 80]))
def test_name_is_what_a_look_at_every_alias_finds(
    given_rows: list[dict[str, Any]], ip: str, port: int
) -> None:
    end, address = End(ip, port), ip_address(ip)
    within = [row for row in given_rows if address in ip_network((row["ip"], row["mask"]), strict=False)]
    longest = max((row["mask"] for row in within), default=0)
    left = [row for row in within if row["mask"] == longest]
    fitting = [row for wanted in (port, 0) for row in left if row["port"] == wanted]

    assert Aliases(given_rows).name(end) == (fitting[0]["alias"] if fitting else end.name)


@pytest.mark.parametrize("wrong", [{"ip": ""}, {"ip": "localhost"}, {"mask": -1}])
def test_alias_that_names_no_network_takes_none_of_the_others_away(wrong: dict[str, Any]) -> None:
    aliases = Aliases([a_row("wrong", "192.0.2.7") | wrong, a_row("right", "192.0.2.7")])

    assert aliases.name(End("192.0.2.7", 5060)) == "right"
