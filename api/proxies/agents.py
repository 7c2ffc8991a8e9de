"""What agents are asked for, and their answers.

Source: homer-app's hepsub mappings: a template whose `$source_field`, `$fromts` and `$tots` are filled in.
Knows nothing of routes.
"""

import asyncio
import re
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from typing import Any

import httpx
import msgspec

from api.errors import RequestError

TIMEOUT_S = 10.0
"""Without a byte."""
LONGEST_S = 60.0
"""For a whole answer."""
HEADERS = {"Content-Type": "application/json", "Accept-Encoding": "identity"}
_NAMES = re.compile(r"\$(?:source_field|fromts|tots)")


def question(body: dict[str, Any], subs: Sequence[Mapping[str, Any]]) -> Any:
    """What an agent is sent: the template of the mapping that a search names, filled in; RequestError."""
    param, times = body.get("param"), body.get("timestamp")
    search = param.get("search") if isinstance(param, dict) else None
    key, asked = next(iter(search.items()), ("", None)) if isinstance(search, dict) else ("", None)
    hepid, _, profile = key.partition("_")
    mapping = next(
        (sub["mapping"] for sub in subs if (str(sub["hepid"]), sub["profile"]) == (hepid, profile)), None
    )
    if not isinstance(mapping, dict) or not isinstance(asked, dict):
        raise RequestError("agent HEPSUB couldn't find agent mapping")
    names = mapping.get("source_fields")
    given = {name: asked[name] for name in (names if isinstance(names, dict) else {}) if name in asked}
    given = given or {"callid": asked.get("callid", [])}
    window = times if isinstance(times, dict) else {}
    before_s, after_s = _range(mapping.get("lookup_range"))
    values = {
        "$source_field": given,
        "$fromts": _milliseconds(window.get("from")) + before_s * 1000,
        "$tots": _milliseconds(window.get("to")) + after_s * 1000,
    }
    template = str(mapping.get("lookup_field", ""))
    try:
        return msgspec.json.decode(
            _NAMES.sub(lambda found: msgspec.json.encode(values[found[0]]).decode(), template)
        )
    except (msgspec.MsgspecError, RecursionError):
        raise RequestError("the mapping's lookup_field makes no JSON") from None


async def ask(
    row: Mapping[str, Any], type_: str, asked: Any, most_bytes: int, longest_s: float = LONGEST_S
) -> bytes:
    """The agent's whole answer as it is; RequestError in words when there is none, or a longer one."""
    with _in_words(row["node"], longest_s):
        async with asyncio.timeout(longest_s), _answer(row, type_, asked) as answer:
            content = bytearray()
            async for chunk in _chunks(row["node"], answer, most_bytes):
                content += chunk
            return bytes(content)


class Download:
    """A file that an agent sends, whose bytes are still to come; to be closed."""

    def __init__(self, node: str, answer: httpx.Response, most_bytes: int, stack: AsyncExitStack) -> None:
        self._node = node
        self._answer = answer
        self._most_bytes = most_bytes
        self._stack = stack
        self.length = answer.headers.get("content-length")
        """As the agent announces it; None when it does not."""

    async def chunks(self) -> AsyncIterator[bytes]:
        """The bytes as they come; RequestError as soon as they are too many, or no more come."""
        with _in_words(self._node, TIMEOUT_S):
            async for chunk in _chunks(self._node, self._answer, self._most_bytes):
                yield chunk

    async def close(self) -> None:
        """Hang up."""
        await self._stack.aclose()


async def open_download(row: Mapping[str, Any], asked: Any, most_bytes: int) -> Download:
    """A file of the agent's; RequestError in words when there is none, or one that says to be longer."""
    node = row["node"]
    async with AsyncExitStack() as stack:
        with _in_words(node, LONGEST_S):
            async with asyncio.timeout(LONGEST_S):
                answer = await stack.enter_async_context(_answer(row, "download", asked))
        if int(answer.headers.get("content-length", "0")) > most_bytes:
            raise _too_long(node, most_bytes)
        return Download(node, answer, most_bytes, stack.pop_all())


@asynccontextmanager
async def _answer(row: Mapping[str, Any], type_: str, asked: Any) -> AsyncIterator[httpx.Response]:
    """What the agent answers, but for its content."""
    # From its parts: put together as text, a host could become a user name, and what follows it the host.
    url = httpx.URL(
        scheme="https" if row["protocol"] == "https" else "http",
        host=row["host"],
        port=row["port"],
        path=f"/{row['path'].strip('/')}/{type_}",
    )
    async with (
        httpx.AsyncClient(timeout=TIMEOUT_S, follow_redirects=False, trust_env=False) as client,
        client.stream("POST", url, content=msgspec.json.encode(asked), headers=HEADERS) as answer,
    ):
        if not answer.is_success:
            raise RequestError(f"the agent {row['node']} has answered {answer.status_code}")
        # Some kilobytes that are unpacked could be gigabytes.
        if answer.headers.get("content-encoding", "identity") != "identity":
            raise RequestError(f"the agent {row['node']} has answered in an encoding not asked for")
        yield answer


async def _chunks(node: str, answer: httpx.Response, most_bytes: int) -> AsyncIterator[bytes]:
    size = 0
    async for chunk in answer.aiter_raw():
        size += len(chunk)
        if size > most_bytes:
            raise _too_long(node, most_bytes)
        yield chunk


def _too_long(node: str, most_bytes: int) -> RequestError:
    return RequestError(f"the agent {node} has sent more than {most_bytes} bytes")


@contextmanager
def _in_words(node: str, longest_s: float) -> Iterator[None]:
    """What goes wrong with an agent as RequestError."""
    try:
        yield
    except TimeoutError as error:
        raise RequestError(f"the agent {node} has not answered in full within {longest_s:g} s") from error
    except (httpx.HTTPError, httpx.InvalidURL, OSError) as error:
        words = f"the agent {node} cannot be asked: {type(error).__name__} {error}".rstrip()
        raise RequestError(words) from error


def _range(value: Any) -> tuple[int, int]:
    if isinstance(value, list) and len(value) == 2 and all(isinstance(each, int) for each in value):
        return value[0], value[1]
    return 0, 0


def _milliseconds(value: Any) -> int:
    return int(value) if isinstance(value, int | float) and not isinstance(value, bool) else 0
