"""Where packets are sent to: one UDP or TCP socket with one peer."""

import errno
import socket
from collections.abc import Callable
from typing import Final, Protocol

from capture.errors import HepError
from capture.hep.chunks import packet_end
from rhapsode.errors import SendError

_CONNECT_S: Final = 10.0
_GOODBYE_S: Final = 2.0
"""How long to wait, after the last byte on TCP, until the peer has read everything and closes."""
_WRITE_BYTES: Final = 64 * 1024
"""Packets for TCP are gathered up to this size."""


class Target(Protocol):
    """A peer that takes packets; SendError when it can no longer be reached."""

    def send(self, packet: bytes) -> bool:
        """False when this carrier cannot bring the packet, which is then left out."""

    def flush(self) -> None:
        """Hand over what has been gathered."""

    def finish(self) -> None:
        """Flush, and see to it that the peer reads everything."""

    def close(self) -> None:
        """Give the socket back, whatever was sent."""


def connect(host: str, port: int, tcp: bool, warn: Callable[[str], None]) -> Target:
    """A target for this address, by name or number; SendError when it has none or does not answer on TCP."""
    return TcpTarget(host, port) if tcp else UdpTarget(host, port, warn)


class UdpTarget:
    """One datagram a packet. Nothing tells whether it arrived, but for a port where nobody listens."""

    def __init__(self, host: str, port: int, warn: Callable[[str], None]) -> None:
        self._name = f"{host}:{port}"
        self._warn = warn
        self._refused = False
        try:
            family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_DGRAM)[0]
            self._socket = socket.socket(family, kind, protocol)
        except OSError as error:
            raise SendError(f"cannot send to {self._name} by UDP: {error.strerror}") from error
        try:
            self._socket.connect(address)
        except OSError as error:
            self._socket.close()
            raise SendError(f"cannot send to {self._name} by UDP: {error.strerror}") from error

    def send(self, packet: bytes) -> bool:
        """False when the packet is longer than a datagram can be."""
        while True:
            try:
                self._socket.send(packet)
            except ConnectionRefusedError:
                # The answer to an earlier datagram; it is told once, and this one goes out all the same.
                self._tell_refused()
            except OSError as error:
                if error.errno == errno.EMSGSIZE:
                    return False
                raise SendError(f"cannot send to {self._name} by UDP: {error.strerror}") from error
            else:
                return True

    def flush(self) -> None:
        """Nothing is gathered."""

    def finish(self) -> None:
        """A datagram is gone once it was sent."""

    def close(self) -> None:
        self._socket.close()

    def _tell_refused(self) -> None:
        if not self._refused:
            self._refused = True
            self._warn(f"nothing listens at {self._name} (UDP): datagrams are lost")


class TcpTarget:
    """Packets back to back; HEP3 only, since no other version says how long it is."""

    def __init__(self, host: str, port: int) -> None:
        self._name = f"{host}:{port}"
        self._gathered = bytearray()
        try:
            self._socket = socket.create_connection((host, port), timeout=_CONNECT_S)
        except OSError as error:
            reason = error.strerror or str(error)
            raise SendError(f"cannot connect to {self._name} by TCP: {reason}") from error
        # A receiver whose journal is full stops reading: then wait as long as it takes.
        self._socket.settimeout(None)

    def send(self, packet: bytes) -> bool:
        """False for anything that is not a whole HEP3 packet; bytes beyond its length are not sent."""
        try:
            end = packet_end(packet)
        except HepError:
            return False
        self._gathered += packet[:end]
        if len(self._gathered) >= _WRITE_BYTES:
            self.flush()
        return True

    def flush(self) -> None:
        try:
            self._socket.sendall(self._gathered)
        except OSError as error:
            raise SendError(f"{self._name} closed the TCP connection: {error.strerror}") from error
        self._gathered.clear()

    def finish(self) -> None:
        self.flush()
        self._socket.settimeout(_GOODBYE_S)
        try:
            self._socket.shutdown(socket.SHUT_WR)
            while self._socket.recv(4096):
                pass
        except TimeoutError:
            return
        except OSError as error:
            raise SendError(f"{self._name} closed the TCP connection: {error.strerror}") from error

    def close(self) -> None:
        self._socket.close()
