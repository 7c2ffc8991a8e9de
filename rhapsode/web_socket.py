"""The listening socket of the API: opened by the supervisor, so that a restarted API loses no caller."""

import socket

from capture.intake.sockets import EVERY_ADDRESS, split_address
from rhapsode.errors import SettingsError

BACKLOG = 256


def open_web_socket(address: str) -> socket.socket:
    """Listen on `HOST:PORT`; `*` is all addresses, IPv4 and IPv6. SettingsError when it cannot be had."""
    host, port = split_address(address)
    try:
        return _every_address(port) if host in EVERY_ADDRESS else _one_address(host, port)
    except OSError as error:
        raise SettingsError(f"cannot listen on {address}: {error.strerror or error}") from error


def shown_address(address: str, port: int) -> str:
    """`HOST:PORT` under which this machine reaches a listener on `address`."""
    host, _ = split_address(address)
    if host in EVERY_ADDRESS or host == "0.0.0.0":  # noqa: S104 - compared, not bound
        return f"127.0.0.1:{port}"
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def _every_address(port: int) -> socket.socket:
    if socket.has_dualstack_ipv6():
        return _listen(socket.AF_INET6, "::", port, both_families=True)
    return _listen(socket.AF_INET, "0.0.0.0", port)  # noqa: S104 - what the operator asked for


def _one_address(host: str, port: int) -> socket.socket:
    family, _, _, _, found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
    return _listen(family, str(found[0]), port)


def _listen(family: int, host: str, port: int, *, both_families: bool = False) -> socket.socket:
    sock = socket.socket(family, socket.SOCK_STREAM)
    try:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:
            sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0 if both_families else 1)
        sock.bind((host, port))
        sock.listen(BACKLOG)
    except OSError:
        sock.close()
        raise
    return sock
