"""How much of a request's head is read before anybody is known: httptools by itself bounds nothing of it.

Source: RFC 9110 5.4, RFC 6585 5. Knows nothing of the application.
"""

from typing import Final

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

MOST_HEAD_BYTES: Final = 64 * 1024
"""Of request line, headers and trailers together. Links that open a call have up to 32,000 characters."""
LINE_BYTES: Final = 4
"""Of each header besides name and value."""
LINGER_S: Final = 2
ANSWER: Final = (
    b"HTTP/1.1 431 Request Header Fields Too Large\r\nconnection: close\r\ncontent-length: 0\r\n\r\n"
)


class HeadTooLarge(Exception):
    """Ends the parsing of a request."""


class BoundedProtocol(HttpToolsProtocol):
    """uvicorn's protocol on httptools. Too large a head is answered 431, and the connection closed.

    The parser tells of a header once its value is complete; what it holds of one is counted by the bytes that
    have come since it last told of anything.
    """

    _head_bytes = 0
    _untold_bytes = 0
    _too_large = False

    def data_received(self, data: bytes) -> None:
        if self._too_large:
            return
        self._untold_bytes += len(data)
        super().data_received(data)
        if self._untold_bytes > MOST_HEAD_BYTES and not self._too_large:
            self._refuse()

    def send_400_response(self, msg: str) -> None:
        if self._head_bytes > MOST_HEAD_BYTES:
            self._refuse()
        else:
            super().send_400_response(msg)

    def _refuse(self) -> None:
        """Answer, and let the client read it: closed at once, what it still sends would have it reset."""
        self._too_large = True
        self.transport.write(ANSWER)
        if self.transport.can_write_eof():
            self.transport.write_eof()
        self.loop.call_later(LINGER_S, self.transport.close)

    def on_message_begin(self) -> None:
        self._head_bytes = self._untold_bytes = 0
        super().on_message_begin()

    def on_url(self, url: bytes) -> None:
        self._count(len(url))
        super().on_url(url)

    def on_header(self, name: bytes, value: bytes) -> None:
        self._count(len(name) + len(value) + LINE_BYTES)
        super().on_header(name, value)

    def on_headers_complete(self) -> None:
        self._untold_bytes = 0
        super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        self._untold_bytes = 0
        super().on_body(body)

    def on_message_complete(self) -> None:
        self._untold_bytes = 0
        super().on_message_complete()

    def _count(self, size: int) -> None:
        self._untold_bytes = 0
        self._head_bytes += size
        if self._head_bytes > MOST_HEAD_BYTES:
            raise HeadTooLarge
