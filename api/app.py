"""The application: routes below Homer's base path, errors in Homer's shapes, docs, health and metrics.

Nothing is read from environment or files here: all comes in `ApiOptions`.
"""

import importlib.metadata
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fastapi import FastAPI
from starlette.middleware.cors import CORSMiddleware

from api.context import ApiContext
from api.edge import Edge
from api.handlers import install_handlers
from api.routes import (
    agents,
    audit,
    auth,
    dashboards,
    dissect,
    docs,
    export,
    filters,
    grafana,
    imports,
    live,
    mapping,
    nodes,
    prometheus,
    remote,
    reports,
    search,
    settings,
    statistic,
    status,
    tokens,
    transaction,
    transfer,
    users,
)
from api.routes.grafana_pages import grafana_pages
from api.routes.ui import ui_routes
from api.settings import ApiOptions

METHODS = ["GET", "PUT", "PATCH", "POST", "DELETE"]
EXPOSED_HEADERS = [
    "X-Rhapsode-Incomplete",
    "X-Rhapsode-Missing-Nodes",
    "X-Rhapsode-Warning",
    "X-Rhapsode-Skipped",
    "Retry-After",
]


def create_app(options: ApiOptions) -> FastAPI:
    """An application that has not connected to anything yet."""
    context = ApiContext(options)

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        yield
        await context.close()

    app = FastAPI(
        title="Rhapsode",
        description="Search what was captured, by the API of Homer 7 (v3).",
        version=_version(),
        lifespan=lifespan,
        # Our own page: FastAPI's loads its scripts from another host.
        docs_url=None,
        redoc_url=None,
        # A path with a slash too many is as unknown as any other, and a redirect would lose a body.
        redirect_slashes=False,
        # Paths have the prefix in them, wherever the description was read.
        servers=[{"url": "/"}],
    )
    app.state.context = context
    install_handlers(app)
    for router in (auth.router, mapping.router, search.router, transaction.router, filters.router):
        app.include_router(router, prefix=context.base_path)
    for router in (reports.router, export.router):
        app.include_router(router, prefix=context.base_path)
    for router in (
        users.router,
        tokens.router,
        dashboards.router,
        settings.router,
        agents.router,
        audit.router,
        nodes.router,
        transfer.router,
    ):
        app.include_router(router, prefix=context.base_path)
    for router in (prometheus.router, remote.router, statistic.router, grafana.router):
        app.include_router(router, prefix=context.base_path)
    for router in (imports.router, dissect.router):
        app.include_router(router, prefix=context.base_path)
    app.include_router(live.router, prefix=context.base_path)
    app.include_router(grafana_pages(context))
    app.include_router(status.router)
    # Before the page of the API, which is what `/` shows without a web UI.
    app.include_router(ui_routes(context))
    app.include_router(docs.router)
    app.include_router(docs.description_routes(context))
    # The last one added is the outermost.
    app.add_middleware(Edge)
    app.add_middleware(
        CORSMiddleware,
        allow_origins=["*"],
        allow_methods=METHODS,
        allow_headers=["*"],
        expose_headers=EXPOSED_HEADERS,
    )
    return app


def _version() -> str:
    try:
        return importlib.metadata.version("rhapsode")
    except importlib.metadata.PackageNotFoundError:
        return "uninstalled"
