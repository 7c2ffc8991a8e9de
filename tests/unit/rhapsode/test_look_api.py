"""Whether the API answers, as it is asked."""

import json
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from rhapsode.look.api import examine_api
from rhapsode.look.finding import Finding
from rhapsode.look.ports import Listener


def a_listener(port: int, host: str = "127.0.0.1") -> Listener:
    return Listener("tcp", host, port, 1)


@contextmanager
def answering(status: int, body: bytes) -> Iterator[int]:
    """A server that answers everything so; its port."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(status)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield server.server_port
        finally:
            server.shutdown()
            thread.join()


def health(*, ok: bool, message: str) -> bytes:
    return json.dumps({"status": "?", "search": {"ok": ok, "message": message}}).encode()


def test_api_that_answers_is_well_also_where_it_listens_on_all_addresses() -> None:
    with answering(200, health(ok=True, message="searching")) as port:
        found = list(examine_api([a_listener(port, "0.0.0.0")]))  # noqa: S104 # nothing is bound

    assert found == [Finding("api", "ok", f"the API answers on 0.0.0.0:{port}")]


def test_api_that_cannot_search_says_why() -> None:
    with answering(503, health(ok=False, message="cannot search: the database does not answer")) as port:
        (found,) = examine_api([a_listener(port)])

    assert found.state == "problem"
    assert found.words == f"the API on 127.0.0.1:{port} cannot search: the database does not answer"


def test_socket_behind_which_nobody_answers_is_wrong() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        (found,) = examine_api([a_listener(silent.getsockname()[1])], patience_s=0.05)

    assert found.state == "problem"
    assert "does not answer" in found.words


def test_port_that_shows_figures_only_is_no_api() -> None:
    with answering(404, b"see /metrics\n") as port:
        assert list(examine_api([a_listener(port)])) == []
