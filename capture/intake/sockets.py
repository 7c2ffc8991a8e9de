"""The sockets that HEP arrives on: UDP and TCP on one port, of one address or of all.

They are opened by whoever outlives intake (the supervisor) and handed to it as file descriptors, so that
what the kernel holds waits for a successor. Knows nothing of packets or journals.
"""

import contextlib
import errno
import os
import socket
import struct
from collections.abc import Iterable, Sequence
from pathlib import Path

import xxhash

from capture.errors import ConfigError
from capture.settings import IntakeSettings

EVERY_ADDRESS = ("", "*", "::")
"""Hosts that mean all addresses, IPv4 and IPv6. `0.0.0.0` means those of IPv4 only."""

TCP_BACKLOG = 1024
PORT_ATTEMPTS = 50
"""A port that the kernel chose for UDP may be taken on TCP: how many to try."""

# Numbers of linux/asm-generic/socket.h that the socket module does not name.
_SO_RCVBUFFORCE = 33
_SO_MEMINFO = 55
_MEMINFO = struct.Struct("=9I")
_MEMINFO_DROPS = 8
_SO_COOKIE = 57

# A peer that vanished without a word is noticed after 300 + 5 × 60 seconds instead of at the idle limit.
_KEEPALIVE = (("TCP_KEEPIDLE", 300), ("TCP_KEEPINTVL", 60), ("TCP_KEEPCNT", 5))

Endpoint = tuple[socket.AddressFamily, str]


class Sockets:
    """The UDP sockets and the TCP listeners of one port."""

    def __init__(self, udp: Sequence[socket.socket], tcp: Sequence[socket.socket]) -> None:
        self.udp = tuple(udp)
        self.tcp = tuple(tcp)

    @classmethod
    def from_filenos(cls, filenos: Iterable[int]) -> "Sockets":
        """Take over descriptors that a parent opened; UDP and TCP are told apart by asking the kernel.

        ConfigError if one is not such a socket.
        """
        opened = []
        for fileno in filenos:
            try:
                opened.append(socket.socket(fileno=fileno))
            except OSError as error:
                raise ConfigError(f"descriptor {fileno} is not a socket: {error.strerror}") from error
        udp = [sock for sock in opened if sock.type == socket.SOCK_DGRAM]
        tcp = [sock for sock in opened if sock.type == socket.SOCK_STREAM]
        for sock in opened:
            sock.setblocking(False)
        return cls(udp, tcp)

    def filenos(self) -> list[int]:
        """Descriptors for `pass_fds`; the order does not matter."""
        return [sock.fileno() for sock in (*self.udp, *self.tcp)]

    @property
    def port(self) -> int:
        port: int = (self.udp or self.tcp)[0].getsockname()[1]
        return port

    @property
    def address(self) -> str:
        """`HOST:PORT` as bound, for people; `[::]:PORT` also stands for all addresses of IPv4."""
        host = (self.udp or self.tcp)[0].getsockname()[0]
        return f"[{host}]:{self.port}" if ":" in host else f"{host}:{self.port}"

    @property
    def granted_bytes(self) -> int:
        """Receive buffer of the smallest UDP socket as the kernel counts it: the double of what was asked.

        The other half is for its own bookkeeping: a datagram of 950 bytes takes 2,304 of these.
        """
        sizes = [sock.getsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF) for sock in self.udp]
        return min(sizes, default=0)

    def drops(self) -> list[int]:
        """Datagrams dropped for want of room since each UDP socket was opened, modulo 2^32."""
        return [_drops(sock) for sock in self.udp]

    def identity(self) -> int:
        """A 63-bit number that another opening of the port, or the next boot, does not have."""
        names = [_boot_id(), *sorted(_cookie(sock) for sock in self.udp)]
        return xxhash.xxh3_64_intdigest(b"".join(names)) >> 1

    def close(self) -> None:
        for sock in (*self.udp, *self.tcp):
            sock.close()


def open_sockets(address: str, settings: IntakeSettings) -> Sockets:
    """Bind UDP and TCP on `HOST:PORT`; port 0 takes one that is free on both.

    A name stands for all its addresses. ConfigError for an address that cannot be bound.
    """
    host, port = split_address(address)
    endpoints = _endpoints(host, port)
    for attempt in range(PORT_ATTEMPTS):
        try:
            return _bind_all(endpoints, port, settings)
        except OSError as error:
            chance = port == 0 and error.errno == errno.EADDRINUSE and attempt + 1 < PORT_ATTEMPTS
            if not chance:
                raise ConfigError(f"cannot bind {address}: {_reason(error)}") from error
    raise AssertionError("the last attempt returns or raises")


def split_address(address: str) -> tuple[str, int]:
    """Host (without brackets) and port of `HOST:PORT`."""
    host, colon, digits = address.rpartition(":")
    if not colon or not digits.isascii() or not digits.isdigit() or int(digits) > 65535:
        raise ConfigError(f"{address!r} is not HOST:PORT")
    if host.startswith("[") and host.endswith("]"):
        host = host[1:-1]
    return host, int(digits)


def _endpoints(host: str, port: int) -> list[Endpoint]:
    if host in EVERY_ADDRESS:
        return [(socket.AF_INET6, "::")] if _has_ipv6() else [(socket.AF_INET, "0.0.0.0")]  # noqa: S104
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_DGRAM, flags=socket.AI_PASSIVE)
    except (socket.gaierror, UnicodeError) as error:
        raise ConfigError(f"cannot resolve {host!r}: {error}") from error
    # A dict keeps the resolver's order and takes out what it names twice.
    return list(dict.fromkeys((family, str(sockaddr[0])) for family, _, _, _, sockaddr in found))


def _has_ipv6() -> bool:
    if not socket.has_ipv6:
        return False
    try:
        with socket.socket(socket.AF_INET6, socket.SOCK_DGRAM) as probe:
            probe.bind(("::", 0))
    except OSError:
        return False
    return True


def _bind_all(endpoints: list[Endpoint], port: int, settings: IntakeSettings) -> Sockets:
    every = endpoints == [(socket.AF_INET6, "::")]
    with contextlib.ExitStack() as undo:
        udp, tcp = [], []
        for family, host in endpoints:
            sock = undo.enter_context(_socket(family, socket.SOCK_DGRAM, both_families=every))
            _enlarge(sock, settings.receive_buffer_bytes)
            sock.bind((host, port))
            port = sock.getsockname()[1]
            udp.append(sock)
            if settings.tcp_connections:
                listener = undo.enter_context(_socket(family, socket.SOCK_STREAM, both_families=every))
                _keep_alive(listener)
                listener.bind((host, port))
                listener.listen(TCP_BACKLOG)
                tcp.append(listener)
        undo.pop_all()
    return Sockets(udp, tcp)


def _socket(family: socket.AddressFamily, kind: socket.SocketKind, *, both_families: bool) -> socket.socket:
    sock = socket.socket(family, kind)
    sock.setblocking(False)
    if family == socket.AF_INET6:
        sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0 if both_families else 1)
    if kind == socket.SOCK_STREAM:
        # Without it a restart has to wait for the old connections' TIME_WAIT. Not SO_REUSEPORT, and nothing
        # for UDP: a second collector on the port must fail instead of taking half of the packets.
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    return sock


def _enlarge(sock: socket.socket, size: int) -> None:
    """Past `net.core.rmem_max` where we may (CAP_NET_ADMIN), else up to it; what was got is read back
    later."""
    try:
        sock.setsockopt(socket.SOL_SOCKET, _SO_RCVBUFFORCE, size)
    except OSError:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, size)


def _keep_alive(listener: socket.socket) -> None:
    """Accepted connections inherit these options."""
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for name, value in _KEEPALIVE:
        listener.setsockopt(socket.IPPROTO_TCP, getattr(socket, name), value)


def _reason(error: OSError) -> str:
    text = (error.strerror or str(error)).lower()
    return f"{text}, is another collector running?" if error.errno == errno.EADDRINUSE else text


def _drops(sock: socket.socket) -> int:
    try:
        words = _MEMINFO.unpack(sock.getsockopt(socket.SOL_SOCKET, _SO_MEMINFO, _MEMINFO.size))
    except (OSError, struct.error):
        return 0  # a kernel before 4.12 does not tell
    drops: int = words[_MEMINFO_DROPS]
    return drops


def _cookie(sock: socket.socket) -> bytes:
    try:
        return sock.getsockopt(socket.SOL_SOCKET, _SO_COOKIE, 8)
    except OSError:
        return os.fstat(sock.fileno()).st_ino.to_bytes(8, "little")


def _boot_id() -> bytes:
    """Cookies are counted from the boot on, so that they come again after the next one."""
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_bytes()
    except OSError:
        return b""
