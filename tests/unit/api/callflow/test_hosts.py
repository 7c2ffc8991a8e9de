"""The columns of a ladder."""

from api.callflow.hosts import NO_DESTINATION, NO_SOURCE, End, ends, host_positions

A, B, C = End("10.0.0.1", 5060), End("2001:db8::1", 5061), End("10.0.0.3", 0)


def test_ipv6_address_stands_in_brackets():
    assert A.name == "10.0.0.1:5060"
    assert B.name == "[2001:db8::1]:5061"


def test_positions_follow_first_appearance_without_gaps():
    assert host_positions([(B, A), (A, B), (A, C)]) == {B.name: 0, A.name: 1, C.name: 2}
    assert host_positions([]) == {}


def test_end_that_was_not_captured_is_another_than_the_other_end():
    assert ends(None, None, None, 5060) == (NO_SOURCE, NO_DESTINATION)
    assert NO_SOURCE.name != NO_DESTINATION.name
    assert ends("10.0.0.1", 5060, "10.0.0.3", None) == (A, C)
