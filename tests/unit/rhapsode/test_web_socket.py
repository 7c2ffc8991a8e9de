"""The API's listening socket."""

import socket

import pytest

from rhapsode.errors import SettingsError
from rhapsode.web_socket import open_web_socket, shown_address


def test_all_addresses_are_those_of_both_families() -> None:
    with open_web_socket("*:0") as listening:
        port = listening.getsockname()[1]

        for host in ("127.0.0.1", "::1") if socket.has_dualstack_ipv6() else ("127.0.0.1",):
            with socket.create_connection((host, port), timeout=5) as caller:
                assert caller.getpeername()[1] == port


def test_port_that_is_taken_is_refused_in_words() -> None:
    with open_web_socket("127.0.0.1:0") as listening:
        address = f"127.0.0.1:{listening.getsockname()[1]}"

        with pytest.raises(SettingsError, match=f"cannot listen on {address}: Address already in use"):
            open_web_socket(address)


def test_name_that_does_not_exist_is_refused_in_words() -> None:
    with pytest.raises(SettingsError, match=r"cannot listen on host\.invalid:0"):
        open_web_socket("host.invalid:0")


@pytest.mark.parametrize(
    ("address", "shown"),
    [
        ("*:0", "127.0.0.1:7"),
        ("0.0.0.0:0", "127.0.0.1:7"),
        ("10.0.0.5:0", "10.0.0.5:7"),
        ("[::1]:0", "[::1]:7"),
        ("name:0", "name:7"),
    ],
)
def test_shown_address_can_be_called(address: str, shown: str) -> None:
    assert shown_address(address, 7) == shown
