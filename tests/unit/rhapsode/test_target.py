import socket
import struct

import pytest

from rhapsode.errors import SendError
from rhapsode.target import TcpTarget, connect
from tests.support.hep_bytes import a_hep3, legacy


def no_warning(text: str) -> None:
    raise AssertionError(text)


def test_tcp_gathers_until_it_is_flushed() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        target = TcpTarget(*server.getsockname())
        connection, _ = server.accept()
        connection.setblocking(False)

        assert target.send(a_hep3())
        with pytest.raises(BlockingIOError):
            connection.recv(1)
        target.flush()
        connection.settimeout(10)
        assert connection.recv(65_536) == a_hep3()

        target.close()
        connection.close()


def test_tcp_takes_no_packet_that_does_not_say_its_length() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        target = TcpTarget(*server.getsockname())

        assert [target.send(data) for data in (legacy(1), a_hep3()[:-1], b"HEP3\0\x05", b"")] == [False] * 4

        target.close()


def test_connection_that_the_peer_resets_is_an_error_in_words() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        host, port = server.getsockname()
        target = TcpTarget(host, port)
        connection, _ = server.accept()
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        connection.close()

    target.send(a_hep3())
    with pytest.raises(SendError, match=f"127.0.0.1:{port} closed the TCP connection"):
        target.finish()
    target.close()


@pytest.mark.parametrize("family", [socket.AF_INET, socket.AF_INET6])
def test_udp_reaches_both_families(family: socket.AddressFamily) -> None:
    with socket.socket(family, socket.SOCK_DGRAM) as receiver:
        receiver.bind(("127.0.0.1" if family == socket.AF_INET else "::1", 0))
        receiver.settimeout(10)
        host, port = receiver.getsockname()[:2]
        target = connect(host, port, tcp=False, warn=no_warning)

        assert target.send(legacy(2))
        assert receiver.recv(65_536) == legacy(2)

        target.close()
