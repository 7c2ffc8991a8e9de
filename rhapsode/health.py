"""Waiting until the API says that everything works, without keeping the supervisor from its children."""

import contextlib
import http.client
import json
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
        self.failing = ""
        """What does not work, in the words of the last answer."""
        threading.Thread(target=self._ask, name="health", daemon=True).start()

    def close(self) -> None:
        """Ask no more."""
        self._stop.set()

    def _ask(self) -> None:
        while not self._stop.is_set():
            with contextlib.suppress(OSError, http.client.HTTPException):
                status, body = self._answer()
                if status == http.client.OK:
                    self.healthy = True
                    self._wake()
                    return
                self.failing = _words_of(body)
            self._stop.wait(PAUSE_S)

    def _answer(self) -> tuple[int, bytes]:
        connection = connect(self._address, tls=self._tls)
        with contextlib.closing(connection):
            connection.request("GET", self._path)
            answer = connection.getresponse()
            return answer.status, answer.read()


def _words_of(body: bytes) -> str:
    try:
        parts = [part for part in json.loads(body).values() if isinstance(part, dict)]
        return "; ".join(part["message"] for part in parts if not part["ok"])
    except (ValueError, KeyError, AttributeError):
        return "it gives no health"


def connect(address: str, *, tls: bool, timeout_s: float = TIMEOUT_S) -> http.client.HTTPConnection:
    """To a listener of our own, made at the first request."""
    if not tls:
        return http.client.HTTPConnection(address, timeout=timeout_s)
    # Ourselves on our own socket: whose name the certificate bears does not matter here.
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return http.client.HTTPSConnection(address, timeout=timeout_s, context=context)
