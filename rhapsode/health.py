"""Waiting until the API says that everything works, without keeping the supervisor from its children."""

import contextlib
import http.client
import ssl
import threading
from collections.abc import Callable

PAUSE_S = 0.1
TIMEOUT_S = 10.0


class Probe:
    """A thread that asks `/health` until the answer is 200, then calls `wake` and ends."""

    def __init__(self, address: str, path: str, *, tls: bool, wake: Callable[[], None]) -> None:
        self._address = address
        self._path = path
        self._tls = tls
        self._wake = wake
        self._stop = threading.Event()
        self.healthy = False
        threading.Thread(target=self._ask, name="health", daemon=True).start()

    def close(self) -> None:
        """Ask no more."""
        self._stop.set()

    def _ask(self) -> None:
        while not self._stop.is_set():
            with contextlib.suppress(OSError, http.client.HTTPException):
                if self._answer() == http.client.OK:
                    self.healthy = True
                    self._wake()
                    return
            self._stop.wait(PAUSE_S)

    def _answer(self) -> int:
        connection = connect(self._address, tls=self._tls)
        with contextlib.closing(connection):
            connection.request("GET", self._path)
            return connection.getresponse().status


def connect(address: str, *, tls: bool, timeout_s: float = TIMEOUT_S) -> http.client.HTTPConnection:
    """To a listener of our own, made at the first request."""
    if not tls:
        return http.client.HTTPConnection(address, timeout=timeout_s)
    # Ourselves on our own socket: whose name the certificate bears does not matter here.
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return http.client.HTTPSConnection(address, timeout=timeout_s, context=context)
