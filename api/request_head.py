"""How requests are read before anybody is known: httptools by itself bounds nothing that is not a body.

Source: RFC 9110 5.4 and 7.8, RFC 9112 3.2 and 9.3.2, RFC 6585 5. Knows nothing of the application.
"""

import asyncio
from http import HTTPStatus
from typing import Final, cast

import httptools
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle

MOST_HEAD_BYTES: Final = 64 * 1024
"""Of request line, headers and trailers together. Links that open a call have up to 32,000 characters."""
LINE_BYTES: Final = 4
"""Of each header besides name and value."""
MOST_WAITING: Final = 16
"""Requests read while one of the same connection is answered."""
HEAD_S: Final = 30
"""How long a head may be on its way, the first one from when the connection stands."""
LINGER_S: Final = 2


class Refused(Exception):
    """Ends the parsing of a request."""


class BoundedProtocol(HttpToolsProtocol):
    """uvicorn's protocol on httptools, for clients that mean no good.

    What cannot be read ends its connection, but not before everything that came ahead of it is answered: an
    answer to it would stand within another one.

    The parser tells of a header once its value is complete; what it holds of one is counted by the bytes that
    have come since it last told of anything.
    """

    head_s = HEAD_S
    _head_bytes = 0
    _untold_bytes = 0
    _is_over = False
    """Nothing more is read."""
    _head_timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._expect_head()

    def connection_lost(self, exc: Exception | None) -> None:
        self._expect_no_head()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        if self._is_over:
            return
        self._untold_bytes += len(data)
        self._unset_keepalive_if_required()
        try:
            self.parser.feed_data(data)
        except httptools.HttpParserUpgrade as upgrade:
            if self._should_upgrade():
                self.handle_websocket_upgrade()
            else:
                self._read_on(data[upgrade.args[0] :])
            return
        except httptools.HttpParserError:
            self._end()
            return
        if self._untold_bytes > MOST_HEAD_BYTES:
            self._end()
        elif self._untold_bytes:
            self._expect_head()

    def on_message_begin(self) -> None:
        self._head_bytes = self._untold_bytes = 0
        self._expect_head()
        super().on_message_begin()

    def on_url(self, url: bytes) -> None:
        self._count(len(url))
        super().on_url(url)

    def on_header(self, name: bytes, value: bytes) -> None:
        self._count(len(name) + len(value) + LINE_BYTES)
        super().on_header(name, value)

    def on_headers_complete(self) -> None:
        self._untold_bytes = 0
        self._expect_no_head()
        if self._is_other_protocol():
            return
        hosts = sum(name == b"host" for name, _ in self.headers)
        if len(self.pipeline) >= MOST_WAITING or (hosts != 1 and self.parser.get_http_version() == "1.1"):
            raise Refused
        super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        self._untold_bytes = 0
        super().on_body(body)

    def on_message_complete(self) -> None:
        self._untold_bytes = 0
        self._expect_no_head()
        if not self._is_other_protocol():
            super().on_message_complete()

    def _count(self, size: int) -> None:
        self._untold_bytes = 0
        self._head_bytes += size
        if self._head_bytes > MOST_HEAD_BYTES:
            raise Refused

    def _is_other_protocol(self) -> bool:
        """Whether a head asks to go on in a protocol that is not spoken here."""
        return self.parser.should_upgrade() and not self._should_upgrade()

    def _read_on(self, rest: bytes) -> None:
        """Read a request as if it asked for no other protocol; clients that know HTTP/2 do so by default.

        The parser takes all that stands behind such a head for the other protocol's.
        """
        method, version = self.parser.get_method(), self.parser.get_http_version().encode()
        if method == b"CONNECT":
            self._end()
            return
        kept = [b"%b: %b\r\n" % header for header in self.headers if header[0] != b"upgrade"]
        head = b"%b %b HTTP/%b\r\n%b\r\n" % (method, self.url, version, b"".join(kept))
        self.parser = httptools.HttpRequestParser(self)
        self.parser.set_dangerous_leniencies(lenient_data_after_close=True)
        self.data_received(head + rest)

    def _end(self) -> None:
        """Read nothing more; refuse what is being read, or close once all before it is answered."""
        self._is_over = True
        if (cycle := self._unanswered()) is not None:
            if not cycle.more_body:
                cycle.keep_alive = False
                return
            if cycle.response_started or self.pipeline:
                self.transport.close()
                return
            cycle.disconnected = True
            cycle.message_event.set()
        too_large = max(self._head_bytes, self._untold_bytes) > MOST_HEAD_BYTES
        self._refuse(HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE if too_large else HTTPStatus.BAD_REQUEST)

    def _refuse(self, status: HTTPStatus) -> None:
        """Answer, and let the client read it: closed at once, what it still sends would have it reset."""
        line = f"HTTP/1.1 {status.value} {status.phrase}\r\n"
        self.transport.write(line.encode() + b"connection: close\r\ncontent-length: 0\r\n\r\n")
        if self.transport.can_write_eof():
            self.transport.write_eof()
        self.loop.call_later(LINGER_S, self.transport.close)

    def _expect_head(self) -> None:
        if self._head_timer is None:
            self._head_timer = self.loop.call_later(self.head_s, self._give_up)

    def _expect_no_head(self) -> None:
        if self._head_timer is not None:
            self._head_timer.cancel()
            self._head_timer = None

    def _give_up(self) -> None:
        self._head_timer = None
        if self._unanswered() is None:
            self.transport.close()
        else:
            # It may have come, and not have been taken meanwhile.
            self._expect_head()

    def _unanswered(self) -> RequestResponseCycle | None:
        """The last request that has been read, as long as it is not answered."""
        cycle = cast("RequestResponseCycle | None", self.cycle)
        return None if cycle is None or cycle.response_complete else cycle
