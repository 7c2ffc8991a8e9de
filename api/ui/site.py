"""A build as it is answered: which file for which path, with the headers that do not depend on who asks.

Source: the contract of homer-ui 7.11; RFC 8246 (immutable). Knows nothing of requests.
"""

import hashlib
import logging
import re
from pathlib import PurePosixPath
from typing import NamedTuple

from api.settings import RESERVED_PATHS
from api.ui.build import INDEX, Build, BuiltFile
from api.ui.page import page_for, policy_of

log = logging.getLogger(__name__)

CLIENT_ROUTES = ("call", "dashboard", "direct-login", "preference", "registration", "search", "transaction")
"""First parts of the paths that exist in the browser only."""
KINDS = {
    ".css": "text/css; charset=utf-8",
    ".eot": "application/vnd.ms-fontobject",
    ".gif": "image/gif",
    ".html": "text/html; charset=utf-8",
    ".ico": "image/x-icon",
    ".jpeg": "image/jpeg",
    ".jpg": "image/jpeg",
    ".js": "text/javascript; charset=utf-8",
    ".json": "application/json",
    ".map": "application/json",
    ".md": "text/markdown; charset=utf-8",
    ".mjs": "text/javascript; charset=utf-8",
    ".mp3": "audio/mpeg",
    ".ogg": "audio/ogg",
    ".otf": "font/otf",
    ".pdf": "application/pdf",
    ".png": "image/png",
    ".svg": "image/svg+xml",
    ".ttf": "font/ttf",
    ".txt": "text/plain; charset=utf-8",
    ".wasm": "application/wasm",
    ".wav": "audio/wav",
    ".webmanifest": "application/manifest+json",
    ".webp": "image/webp",
    ".woff": "font/woff",
    ".woff2": "font/woff2",
    ".xml": "text/xml; charset=utf-8",
}
"""Of our own, for what a machine's tables say differs, and a browser runs no script of another kind."""
_HASHED = re.compile(r"[.-](?=[0-9a-f]*[0-9])[0-9a-f]{16,64}\.[a-z0-9]+$")
FOREVER = "public, max-age=31536000, immutable"
ASK_AGAIN = "no-cache"
PICTURE_POLICY = "default-src 'none'; img-src data:; style-src 'unsafe-inline'; frame-ancestors 'none'"
"""Opened by itself a drawing may look as it was drawn, and run nothing."""


class SentFile(NamedTuple):
    """A file with all that does not depend on who asks."""

    file: BuiltFile
    kind: str
    tag: str
    caching: str
    policy: str | None


class Site:
    """A build as it is answered."""

    def __init__(self, build: Build, prefix: str, frames: tuple[str, ...]) -> None:
        page = page_for(build.page, prefix)
        policy = policy_of(page, frames)
        self.prefix = prefix
        self.index = _sent(BuiltFile(page.encode(), None), INDEX, ASK_AGAIN, policy)
        self.files = {
            name: _sent(
                file,
                name,
                FOREVER if _HASHED.search(name) else ASK_AGAIN,
                policy if PurePosixPath(name).suffix in (".js", ".mjs", ".html") else None,
            )
            for name, file in build.files.items()
            if _is_free(name, build)
        }

    def find(self, path: str) -> SentFile | None:
        """What to send for a path below the prefix; None: there is no such thing."""
        if (found := self.files.get(path)) is not None:
            return found
        first = path.partition("/")[0]
        is_route = path in ("", INDEX) or first in CLIENT_ROUTES or first.startswith("(")
        return self.index if is_route else None

    def beside_the_page(self, path: str) -> str | None:
        """The file that was meant by a path below a route inside of the UI.

        The page says where its files are by a script, and a browser that looks ahead knows nothing of that.
        """
        first, _, rest = path.partition("/")
        name = rest.rpartition("/")[2]
        return name if first in CLIENT_ROUTES and name in self.files else None

    @property
    def tops(self) -> set[str]:
        """What lies beside the index page: files by their names, folders with a slash at the end."""
        return {"".join(name.partition("/")[:2]) for name in self.files}


def _is_free(name: str, build: Build) -> bool:
    """Not where the API or the UI's own routes are: those come first, and are never hidden."""
    first = name.partition("/")[0]
    taken = (RESERVED_PATHS - {"assets"}) | {"docs.css", "docs.js", "openapi.json"}
    if first in taken:
        log.warning("the web UI in %s: %s is not served, as /%s is the API's", build.source, name, first)
    return first not in taken


def _sent(file: BuiltFile, name: str, caching: str, policy: str | None) -> SentFile:
    suffix = PurePosixPath(name).suffix.lower()
    kind = KINDS.get(suffix, "application/octet-stream")
    content = file.packed if file.packed is not None else file.plain or b""
    tag = hashlib.sha256(content).hexdigest()[:32]
    return SentFile(file, kind, tag, caching, PICTURE_POLICY if suffix == ".svg" else policy)
