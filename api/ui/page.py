"""The index page of a web UI as it is sent: its home below a prefix, no other hosts, and what it may do.

Source: the contract of homer-ui 7.11 (`window.GLOBAL_CONFIG`), HTML 4.2.3 (`base`), Content Security Policy
Level 3. The hash of an inline script is that of the page's text as it is sent, so a browser runs the scripts
of this build and no other. Pure.
"""

import base64
import hashlib
import html
import json
import re
from collections.abc import Iterable

_CONFIG = re.compile(r"(window\.GLOBAL_CONFIG\s*=\s*\{)(.*?)(\}\s*;)", re.DOTALL)
_PREFIX_LINE = re.compile(r"(?m)^([ \t]*)(?://[ \t]*)?PREFIX[ \t]*:[^\n]*$")
_OLD_BASE = re.compile(r"(window\[(['\"])base-href\2\]\s*=\s*)(['\"]).*?\3")
_BASE = re.compile(r"<base\b[^>]*>", re.IGNORECASE)
_HEAD = re.compile(r"<head\b[^>]*>", re.IGNORECASE)
_FOREIGN_LINK = re.compile(
    r"[ \t]*<link\b[^>]*\bhref\s*=\s*[\"']?(?:https?:)?//[^>]*>[ \t]*\n?", re.IGNORECASE
)
_SCRIPT = re.compile(r"<script\b([^>]*)>(.*?)</script\s*>", re.IGNORECASE | re.DOTALL)
_SOURCE = re.compile(r"\bsrc\s*=", re.IGNORECASE)
_HANDLER = re.compile(r"\son[a-z]+\s*=\s*(?:\"([^\"]*)\"|'([^']*)')", re.IGNORECASE)
LATER_HANDLERS = ("this.blur()",)
"""What scripts of the stock UI make tags run: its buttons give up the focus."""
_TAG = re.compile(r"<[a-zA-Z][^<>]*>")


def page_for(index: str, prefix: str) -> str:
    """The page for this prefix (`/homer`, or empty), without links to other hosts.

    Those are fonts that the build brings along itself: a browser without a way to the internet would wait for
    them, and with one would tell another company of its user.
    """
    page = _FOREIGN_LINK.sub("", index)
    if not prefix:
        return page
    home = f"{prefix}/"
    for change in (_in_config, _in_old_base, _in_base):
        changed = change(page, home)
        if changed is not None:
            return changed
    tag = f'<base href="{html.escape(home)}">'
    return _HEAD.sub(lambda head: head[0] + tag, page, count=1) if _HEAD.search(page) else tag + page


def _quoted(text: str) -> str:
    """As a string of JavaScript that can stand in HTML."""
    return json.dumps(text).replace("<", "\\u003c")


def _in_config(page: str, home: str) -> str | None:
    found = _CONFIG.search(page)
    if found is None:
        return None
    line = f"PREFIX: {_quoted(home)},"
    opening, inner, closing = found.groups()
    if _PREFIX_LINE.search(inner):
        inner = _PREFIX_LINE.sub(lambda old: old[1] + line, inner, count=1)
    else:
        inner = f"\n      {line}{inner}"
    return page[: found.start()] + opening + inner + closing + page[found.end() :]


def _in_old_base(page: str, home: str) -> str | None:
    if not _OLD_BASE.search(page):
        return None
    return _OLD_BASE.sub(lambda old: old[1] + _quoted(home), page, count=1)


def _in_base(page: str, home: str) -> str | None:
    if not _BASE.search(page):
        return None
    return _BASE.sub(f'<base href="{html.escape(home)}">'.replace("\\", r"\\"), page, count=1)


def policy_of(page: str, frames: Iterable[str] = ()) -> str:
    """The Content-Security-Policy of a page: its own files, its own inline scripts, and frames of `frames`.

    The API is the only server that it may send anything to. Pictures may come from elsewhere, as an
    administrator can name a logo.
    """
    scripts = [_hash(text) for attributes, text in _SCRIPT.findall(page) if not _SOURCE.search(attributes)]
    handlers = [
        _hash(html.unescape(double or single))
        for tag in _TAG.findall(_SCRIPT.sub("", page))
        for double, single in _HANDLER.findall(tag)
    ]
    scripts += ["'unsafe-hashes'", *handlers, *map(_hash, LATER_HANDLERS)]
    return "; ".join(
        [
            "default-src 'self'",
            " ".join(["script-src 'self' 'wasm-unsafe-eval'", *dict.fromkeys(scripts)]),
            "style-src 'self' 'unsafe-inline'",
            "img-src 'self' data: blob: https:",
            "font-src 'self' data:",
            "media-src 'self' data: blob:",
            "worker-src 'self' blob:",
            "connect-src 'self' data: blob:",
            " ".join(["frame-src 'self'", *frames]),
            "object-src 'none'",
            "base-uri 'self'",
            "form-action 'self'",
            "frame-ancestors 'self'",
        ]
    )


def _hash(text: str) -> str:
    # A browser hashes the text that it has parsed: line ends are LF by then (HTML 13.2.3.5).
    parsed = text.replace("\r\n", "\n").replace("\r", "\n")
    return f"'sha256-{base64.b64encode(hashlib.sha256(parsed.encode()).digest()).decode()}'"
