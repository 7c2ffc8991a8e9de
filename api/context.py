"""What one application of the API holds from its first request to its last."""

import asyncio
import logging
from datetime import timedelta
from pathlib import Path
from typing import Annotated, Any
from urllib.parse import urlsplit

import msgspec
from fastapi import Depends, Request
from sqlalchemy.ext.asyncio import AsyncEngine
from starlette.requests import HTTPConnection

from api.audit import Audit
from api.auth.accounts import token_key
from api.auth.api_tokens import ApiTokens
from api.auth.limits import LoginLimits
from api.auth.passwords import PasswordChecker
from api.auth.standing import Standings
from api.callflow.aliases import Aliases
from api.database import connect
from api.dissect import Tshark
from api.feed.feed import Feed
from api.imports import Imports
from api.mapping import mapping_rows
from api.presence import Presence
from api.proxies.servers import Servers
from api.records.kinds import ALIAS
from api.records.mappings import correlation_rules
from api.records.remembered import Remembered
from api.records.store import find_rows
from api.schemas.rows import RowShape
from api.search.nodes import Nodes
from api.search.run import Searcher
from api.settings import ApiOptions, NodeSettings, SearchSettings
from api.ui.build import read_build
from api.ui.site import Site
from capture.errors import ConfigError
from capture.route import MessageClass

log = logging.getLogger(__name__)

HEALTH_TIMEOUT_S = 3
OTHER_CONNECTIONS = 3
"""For everything that is no search: accounts, settings, the audit."""


class ApiContext:
    """Settings, the pool, and what logins need; nothing connects before it is asked."""

    def __init__(self, options: ApiOptions) -> None:
        self.options = options
        self.base_path = f"{options.http.prefix}/api/v3"
        self._search_engine = connect(options.database_url, options.search)
        # Of its own, so that nobody waits for long searches to log in, or to be known.
        few = min(options.search.pool_size, OTHER_CONNECTIONS)
        self.engine: AsyncEngine = connect(
            options.database_url, options.search.model_copy(update={"pool_size": few})
        )
        # Of its own, so that a pool full of long searches does not look like a database that is away.
        self.health_engine: AsyncEngine = connect(
            options.database_url, SearchSettings(pool_size=1, statement_timeout_s=HEALTH_TIMEOUT_S)
        )
        self.searcher = Searcher(
            self._search_engine, options.search, options.custom_headers, options.http.node_name
        )
        self.servers = Servers(options)
        self._rules = Remembered(self._read_rules)
        self._aliases = Remembered(self._read_aliases)
        self._node_engines = {
            name: connect(node.url.get_secret_value(), _limits(options.search, node), name)
            for name, node in options.nodes.items()
        }
        others = [
            Searcher(engine, _limits(options.search, options.nodes[name]), options.custom_headers, name)
            for name, engine in self._node_engines.items()
        ]
        self.nodes = Nodes([self.searcher, *others])
        self.presence = Presence({name: node.url.get_secret_value() for name, node in options.nodes.items()})
        """Of the other data nodes."""
        self.limits = LoginLimits(options.auth)
        self.passwords = PasswordChecker()
        self.standings = Standings(self.engine)
        self.api_tokens = ApiTokens(self.engine)
        self.audit = Audit(self.engine, timedelta(days=options.auth.audit_days))
        self.imports = Imports(options)
        self.tshark = Tshark(options.tshark)
        self.home_dashboard = _read_json(options.ui.home_dashboard)
        """What users begin with in place of the program's own; None: that one."""
        self.feed = Feed(
            options.database_url,
            self.engine,
            self.searcher,
            self.row_shape,
            most=options.http.listeners,
            statement_timeout_s=options.search.statement_timeout_s,
        )
        self.strangers = 0
        """Connections to the live feed that have not said yet who they are."""
        self.site, self.ui_trouble = _read_site(options)
        """The web UI, and why there is none though the settings name one."""
        self._token_key: bytes | None = None
        self._key_lock = asyncio.Lock()

    def mapping_defaults(self) -> list[dict[str, Any]]:
        """The mappings that follow from the program, with the tags of scripts that are known now."""
        options = self.options
        return mapping_rows(options.http.node_name, options.custom_headers, self.nodes.script_names)

    def settings_changed(self) -> None:
        """What is known of settings is old."""
        self._rules.forget()
        self._aliases.forget()

    async def correlation_mapping(self, message_class: MessageClass) -> Any:
        """Of the class's mapping, as JSON, whatever people have made of it; empty where there is none."""
        return (await self._rules.get()).get((message_class.hepid, message_class.profile), [])

    async def row_shape(self) -> RowShape:
        """How rows of messages are shown now."""
        options = self.options
        return RowShape(
            options.http.node_name.lower(),
            options.custom_headers,
            await self._aliases.get(),
            options.search.whole_milliseconds,
        )

    async def _read_rules(self) -> dict[tuple[int, str], Any]:
        return await correlation_rules(self.engine, self.mapping_defaults())

    async def _read_aliases(self) -> Aliases:
        async with self.engine.connect() as connection:
            rows = await find_rows(connection, ALIAS)
        return Aliases(
            sorted(rows, key=lambda row: row["id"]), by_capture_id=self.options.search.alias_by_capture_id
        )

    async def token_key(self) -> bytes:
        """The key of this installation's tokens; DatabaseError while it has not been read yet."""
        if self._token_key is None:
            async with self._key_lock:
                if self._token_key is None:
                    self._token_key = await token_key(self.engine)
        return self._token_key

    def remember_token_key(self, key: bytes) -> None:
        """Use this key from now on, whatever the database holds."""
        self._token_key = key

    async def close(self) -> None:
        """Close every connection."""
        await self.feed.close()
        self.passwords.close()
        await self.imports.close()
        await self.audit.close()
        await self.api_tokens.close()
        await self.servers.close()
        await self.nodes.close()
        await self.presence.close()
        for engine in self._node_engines.values():
            await engine.dispose()
        await self._search_engine.dispose()
        await self.engine.dispose()
        await self.health_engine.dispose()


def _read_json(path: Path | None) -> Any:
    """ConfigError when there is no JSON object in the file."""
    if path is None:
        return None
    try:
        value = msgspec.json.decode(path.read_bytes())
    except (OSError, msgspec.MsgspecError) as error:
        raise ConfigError(f"{path}: {error}") from error
    if not isinstance(value, dict):
        raise ConfigError(f"{path} holds no JSON object")
    return value


def _read_site(options: ApiOptions) -> tuple[Site | None, str | None]:
    """A build that cannot be read is no reason to answer nobody: capturing goes on, and so do scripts."""
    if options.ui.dir is None:
        return None, None
    try:
        build = read_build(options.ui.dir)
    except ConfigError as error:
        log.error("%s", error)
        return None, str(error)
    frames = list(options.ui.frames)
    if options.grafana.url is not None:
        parts = urlsplit(options.grafana.url)
        frames.append(f"{parts.scheme}://{parts.netloc}")
    return Site(build, options.http.prefix, tuple(frames)), None


def _limits(search: SearchSettings, node: NodeSettings) -> SearchSettings:
    """Of searches on another data node."""
    return search.model_copy(
        update={
            "deadline_s": node.deadline_s,
            "statement_timeout_s": min(search.statement_timeout_s, node.deadline_s),
        }
    )


def get_context(connection: HTTPConnection) -> ApiContext:
    """What `create_app` made."""
    context: ApiContext = connection.app.state.context
    return context


async def _context(request: Request) -> ApiContext:
    """The same as a coroutine: FastAPI calls a plain function in a thread of its own."""
    return get_context(request)


Context = Annotated[ApiContext, Depends(_context)]
