"""Whether the API answers: a listening socket alone says nothing, as the supervisor keeps it open for it."""

import contextlib
import http.client
import json
from collections.abc import Iterable, Iterator
from typing import Any

from rhapsode.health import connect
from rhapsode.look.finding import Finding
from rhapsode.look.ports import Listener

PATIENCE_S = 5.0
"""The API itself waits three seconds for its database."""
_ANY = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104 # nothing is bound


def examine_api(listeners: Iterable[Listener], patience_s: float = PATIENCE_S) -> Iterator[Finding]:
    """One finding for each API among these; a port that only shows figures is none."""
    for address, where in {each.address: _numeric(each) for each in listeners}.items():
        answer = _ask(where, patience_s)
        if answer is None:
            yield Finding(
                "api",
                "problem",
                f"the API on {address} does not answer within {patience_s:.0f} s",
                "its log says why. One that ended is started again within a second by `rhapsode up` or its"
                " service; end one that hangs",
            )
        elif search := answer.get("search"):
            if search["ok"]:
                yield Finding("api", "ok", f"the API answers on {address}")
            else:
                yield Finding(
                    "api",
                    "problem",
                    f"the API on {address} {search['message']}",
                    "see what is said about the database; if that is well, the log of the API says why",
                )


def _numeric(listener: Listener) -> str:
    """Where to ask one that listens on all addresses."""
    return listener._replace(host=_ANY.get(listener.host, listener.host)).address


def _ask(address: str, patience_s: float) -> dict[str, Any] | None:
    """What `/health` says, with or without TLS; None when nothing answers, empty when it is not the API."""
    for tls in (False, True):
        try:
            return _get(address, patience_s, tls=tls)
        except TimeoutError:
            return None
        except (OSError, http.client.HTTPException):
            continue
    return None


def _get(address: str, patience_s: float, *, tls: bool) -> dict[str, Any]:
    with contextlib.closing(connect(address, tls=tls, timeout_s=patience_s)) as connection:
        connection.request("GET", "/health")
        body = connection.getresponse().read()
    try:
        answer = json.loads(body)
    except ValueError:
        return {}
    return answer if isinstance(answer, dict) else {}
