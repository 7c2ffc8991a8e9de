"""Options that several commands share. None means: not given here, so environment, file or default decide."""

from pathlib import Path
from typing import Annotated

import typer

DataDir = Annotated[
    Path | None,
    typer.Option(
        "--data-dir", metavar="DIR", help="Where everything is kept. Default: ./data", show_default=False
    ),
]
Config = Annotated[
    Path | None,
    typer.Option(
        "--config", metavar="FILE", help="TOML file of settings (or RHAPSODE_CONFIG).", show_default=False
    ),
]
DatabaseUrl = Annotated[
    str | None,
    typer.Option(
        "--database-url",
        metavar="URL",
        help="postgresql://… of a PostgreSQL 15 or later. Default: the embedded one.",
        show_default=False,
    ),
]
Hep = Annotated[
    str | None,
    typer.Option(
        "--hep",
        metavar="HOST:PORT",
        help="Where HEP arrives, UDP and TCP. Default: *:9060, all addresses.",
        show_default=False,
    ),
]
Http = Annotated[
    str | None,
    typer.Option(
        "--http",
        metavar="HOST:PORT",
        help="Where the API listens. Default: *:9080, all addresses.",
        show_default=False,
    ),
]
HttpCert = Annotated[
    Path | None,
    typer.Option("--http-cert", metavar="FILE", help="PEM certificate chain, for HTTPS.", show_default=False),
]
HttpKey = Annotated[
    Path | None, typer.Option("--http-key", metavar="FILE", help="PEM private key.", show_default=False)
]
UiDir = Annotated[
    Path | None,
    typer.Option(
        "--ui-dir",
        metavar="DIR",
        help="Directory or .tar.gz with a build of the Homer web UI, to serve it.",
        show_default=False,
    ),
]
LuaDir = Annotated[
    Path | None,
    typer.Option("--lua-dir", metavar="DIR", help="Directory of filter scripts.", show_default=False),
]
Workers = Annotated[
    int | None,
    typer.Option("--workers", metavar="N", help="Worker processes. Default: 1", show_default=False),
]
Metrics = Annotated[
    str | None,
    typer.Option(
        "--metrics",
        metavar="HOST:PORT",
        help="Serve this machine's figures to Prometheus there.",
        show_default=False,
    ),
]
