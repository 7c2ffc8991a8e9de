import contextlib
import os
import resource
import socket
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from capture.errors import ConfigError
from capture.intake.sockets import Sockets, open_sockets, split_address
from capture.settings import IntakeSettings

SETTINGS = IntakeSettings()
Open = Callable[..., Sockets]


@pytest.fixture
def opened() -> Iterator[Open]:
    """`open_sockets`, closed after the test."""
    with contextlib.ExitStack() as stack:

        def opener(address: str, settings: IntakeSettings = SETTINGS) -> Sockets:
            sockets = open_sockets(address, settings)
            stack.callback(sockets.close)
            return sockets

        yield opener


def has_ipv6() -> bool:
    try:
        with socket.socket(socket.AF_INET6, socket.SOCK_DGRAM) as probe:
            probe.bind(("::1", 0))
    except OSError:
        return False
    return True


def open_descriptors() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


needs_ipv6 = pytest.mark.skipif(not has_ipv6(), reason="this machine has no IPv6 loopback")


def test_port_0_takes_one_port_for_udp_and_tcp(opened: Open) -> None:
    sockets = opened("127.0.0.1:0")

    assert len(sockets.udp) == len(sockets.tcp) == 1
    assert sockets.udp[0].getsockname() == sockets.tcp[0].getsockname() == ("127.0.0.1", sockets.port)
    assert sockets.port > 0
    assert sockets.address == f"127.0.0.1:{sockets.port}"


@pytest.mark.parametrize("kind", [socket.SOCK_DGRAM, socket.SOCK_STREAM])
def test_taken_port_is_told_in_words(opened: Open, kind: socket.SocketKind) -> None:
    with socket.socket(socket.AF_INET, kind) as other:
        other.bind(("127.0.0.1", 0))
        if kind == socket.SOCK_STREAM:
            other.listen()
        address = f"127.0.0.1:{other.getsockname()[1]}"

        with pytest.raises(ConfigError) as caught:
            opened(address)

    assert (
        str(caught.value) == f"cannot bind {address}: address already in use, is another collector running?"
    )


def test_second_opening_is_refused_though_the_first_allows_quick_restarts(opened: Open) -> None:
    first = opened("127.0.0.1:0")

    with pytest.raises(ConfigError, match="already in use"):
        opened(first.address)


def test_failed_opening_leaves_no_descriptor(opened: Open) -> None:
    first = opened("127.0.0.1:0")
    before = open_descriptors()

    with pytest.raises(ConfigError):
        opened(first.address)

    assert open_descriptors() == before


def test_port_can_be_taken_again_while_old_connections_linger(opened: Open) -> None:
    first = opened("127.0.0.1:0")
    address = first.address
    with socket.create_connection(first.tcp[0].getsockname()):
        first.tcp[0].setblocking(True)
        accepted, _ = first.tcp[0].accept()
        accepted.close()  # this end closes first: TIME_WAIT is its
    first.close()

    assert opened(address).address == address


@pytest.mark.parametrize(
    "address",
    ["", "9060", "127.0.0.1", "127.0.0.1:", "127.0.0.1:x", "127.0.0.1:65536", "127.0.0.1:-1", "h:٣"],
)
def test_address_that_is_none_is_told(address: str) -> None:
    with pytest.raises(ConfigError, match="is not HOST:PORT"):
        split_address(address)


@pytest.mark.parametrize(
    ("address", "host", "port"),
    [("127.0.0.1:9060", "127.0.0.1", 9060), ("[::1]:1", "::1", 1), (":9060", "", 9060), ("*:0", "*", 0)],
)
def test_address_is_split(address: str, host: str, port: int) -> None:
    assert split_address(address) == (host, port)


@pytest.mark.parametrize("address", ["no.such.host.invalid:9060", "a..b:9060"])
def test_unknown_name_is_told(address: str) -> None:
    with pytest.raises(ConfigError, match="cannot resolve"):
        open_sockets(address, SETTINGS)


def test_foreign_address_is_told() -> None:
    with pytest.raises(ConfigError, match=r"cannot bind 192\.0\.2\.1:0: cannot assign requested address"):
        open_sockets("192.0.2.1:0", SETTINGS)


@needs_ipv6
@pytest.mark.parametrize("host", ["", "*", "[::]"])
def test_every_address_takes_ipv4_and_ipv6(opened: Open, host: str) -> None:
    sockets = opened(f"{host}:0")

    for address, family in (("127.0.0.1", socket.AF_INET), ("::1", socket.AF_INET6)):
        with socket.socket(family, socket.SOCK_DGRAM) as sender:
            sender.sendto(address.encode(), (address, sockets.port))
        sockets.udp[0].setblocking(True)
        assert sockets.udp[0].recv(100) == address.encode()
        socket.create_connection((address, sockets.port)).close()


@needs_ipv6
def test_ipv6_address_alone_is_bound_for_ipv6_alone(opened: Open) -> None:
    sockets = opened("[::1]:0")

    assert sockets.address == f"[::1]:{sockets.port}"
    assert opened(f"127.0.0.1:{sockets.port}").port == sockets.port


@needs_ipv6
def test_name_stands_for_all_its_addresses_on_one_port(opened: Open) -> None:
    sockets = opened("localhost:0")

    expected = {str(info[4][0]) for info in socket.getaddrinfo("localhost", 0)}
    assert {sock.getsockname()[0] for sock in sockets.udp} == expected
    assert {sock.getsockname()[1] for sock in (*sockets.udp, *sockets.tcp)} == {sockets.port}


def test_no_tcp_connections_means_no_listener(opened: Open) -> None:
    assert opened("127.0.0.1:0", IntakeSettings(tcp_connections=0)).tcp == ()


def test_receive_buffer_is_granted_or_the_most_that_is_allowed(opened: Open) -> None:
    granted = opened("127.0.0.1:0").granted_bytes

    limit = int(Path("/proc/sys/net/core/rmem_max").read_text())
    assert granted in {2 * 32 * 1024 * 1024, 2 * min(limit, 32 * 1024 * 1024)}


def test_without_the_capability_the_systems_limit_is_granted() -> None:
    limit = int(Path("/proc/sys/net/core/rmem_max").read_text())
    settings = IntakeSettings(receive_buffer_bytes=2 * limit)

    with without_capabilities():
        granted = open_sockets_and_close(settings)

    assert granted == 2 * limit


@contextlib.contextmanager
def without_capabilities() -> Iterator[None]:
    """As an unprivileged account, if we are root."""
    before = os.geteuid()
    if before == 0:
        os.seteuid(65534)
    try:
        yield
    finally:
        os.seteuid(before)


def open_sockets_and_close(settings: IntakeSettings) -> int:
    sockets = open_sockets("127.0.0.1:0", settings)
    with contextlib.closing(sockets):
        return sockets.granted_bytes


def test_kernel_drops_are_read_from_the_socket(opened: Open) -> None:
    sockets = opened("127.0.0.1:0", IntakeSettings(receive_buffer_bytes=4096))
    assert sockets.drops() == [0]

    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
        for _ in range(100):
            sender.sendto(b"x" * 1000, ("127.0.0.1", sockets.port))
    held = 0
    with contextlib.suppress(BlockingIOError):
        while sockets.udp[0].recv(2000):
            held += 1

    assert 0 < held < 100
    assert sockets.drops() == [100 - held]


def test_identity_is_kept_by_heirs_and_new_for_a_new_opening(opened: Open) -> None:
    first = opened("127.0.0.1:0")
    heirs = Sockets.from_filenos([os.dup(fileno) for fileno in first.filenos()])

    assert heirs.identity() == first.identity() != opened("127.0.0.1:0").identity()
    assert 0 <= first.identity() < 2**63
    heirs.close()


def test_heirs_tell_udp_from_tcp_whatever_the_order(opened: Open) -> None:
    first = opened("127.0.0.1:0")

    heirs = Sockets.from_filenos([os.dup(fileno) for fileno in reversed(first.filenos())])

    assert [len(heirs.udp), len(heirs.tcp)] == [1, 1]
    assert (heirs.address, heirs.granted_bytes) == (first.address, first.granted_bytes)
    assert not heirs.udp[0].getblocking()
    heirs.close()


def test_descriptor_that_is_no_socket_is_told(tmp_path: Path) -> None:
    with (tmp_path / "file").open("w") as file, pytest.raises(ConfigError, match="is not a socket"):
        Sockets.from_filenos([file.fileno()])


def test_exhausted_descriptors_are_told() -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (open_descriptors() - 1, hard))
    try:
        with pytest.raises(ConfigError, match="too many open files"):
            open_sockets("127.0.0.1:0", SETTINGS)
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
