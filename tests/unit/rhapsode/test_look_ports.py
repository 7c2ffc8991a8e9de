"""Who listens where."""

import os
import socket
from contextlib import closing
from pathlib import Path

import pytest

from rhapsode.look.ports import listeners, listeners_of, owner_of


@pytest.mark.parametrize(
    ("family", "host"), [(socket.AF_INET, "127.0.0.1"), (socket.AF_INET6, "::1"), (socket.AF_INET6, "::")]
)
@pytest.mark.parametrize("kind", [socket.SOCK_DGRAM, socket.SOCK_STREAM])
def test_own_socket_is_found_with_its_address_and_its_owner(
    family: socket.AddressFamily, host: str, kind: socket.SocketKind
) -> None:
    with closing(socket.socket(family, kind)) as sock:
        sock.bind((host, 0))
        if kind is socket.SOCK_STREAM:
            sock.listen()
        port = sock.getsockname()[1]

        found = [each for each in listeners_of([os.getpid()]) if each.port == port]
        protocol = found[0].protocol
        owner = owner_of(protocol, port)

    assert [(each.host, each.address) for each in found] == [
        (host, f"[{host}]:{port}" if ":" in host else f"{host}:{port}")
    ]
    assert protocol == ("udp" if kind is socket.SOCK_DGRAM else "tcp")
    assert owner.startswith(f"process {os.getpid()} (")


def test_connection_is_no_listener() -> None:
    with (
        socket.create_server(("127.0.0.1", 0)) as server,
        socket.create_connection(server.getsockname()) as client,
    ):
        port = client.getsockname()[1]

        assert port not in {each.port for each in listeners()}


def test_port_that_nobody_has_has_no_owner() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]

    assert owner_of("tcp", port) == ""


def test_lines_that_are_none_are_passed_over(tmp_path: Path) -> None:
    (tmp_path / "net").mkdir()
    lines = ["  sl  local_address", "rubbish", "   0: 0100007F:2364 00000000:0000 07 0 0 0 0 0 77 2 x 0"]
    (tmp_path / "net" / "udp").write_text("\n".join(lines))

    assert [(each.address, each.inode) for each in listeners(tmp_path)] == [("127.0.0.1:9060", 77)]
