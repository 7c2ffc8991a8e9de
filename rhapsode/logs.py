"""Log lines on standard error: structlog over the standard library's logging, for people or for machines.

A line that comes again and again is written a few times and then counted, so that an outage does not fill the
disk.
"""

import logging
import sys
import time
from collections.abc import Callable

import structlog

from rhapsode.settings import LogSettings

BURST = 5
"""Equal lines (same template, any values) written within `WINDOW_S`; the others are counted."""
WINDOW_S = 10.0
CHATTY = ("alembic.runtime.plugins", "httpx", "httpcore")
"""Loggers that tell at every start what is no news to anybody, or with every request what users ask."""
FINITE = ("alembic.runtime.migration",)
"""Loggers whose lines are alike and few: one for each step of a migration, and none must be missing."""
TEMPLATES = 1000
"""Most templates remembered; when there are more, all are forgotten."""


class Repeats(logging.Filter):
    """Lets the first few of a template through in each window, and says later how many it held back."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        super().__init__()
        self._clock = clock
        self._seen: dict[tuple[str, str], tuple[float, int]] = {}

    def filter(self, record: logging.LogRecord) -> bool:
        if record.name in FINITE:
            return True
        key = (record.name, str(record.msg))
        now = self._clock()
        began, count = self._seen.get(key, (now, 0))
        if now - began >= WINDOW_S:
            held = count - BURST
            began, count = now, 0
            if held > 0:
                record.msg = f"{record.msg} (and {held} more like it before)"
        if len(self._seen) >= TEMPLATES:
            self._seen.clear()
        self._seen[key] = (began, count + 1)
        return count < BURST


def set_up_logs(settings: LogSettings, role: str) -> None:
    """Send every logger's lines to standard error, each with the name of this process's role."""

    def add_role(_: object, __: str, event: structlog.typing.EventDict) -> structlog.typing.EventDict:
        event["role"] = role
        event.pop("color_message", None)  # uvicorn's second copy of the line
        return event

    shared: list[structlog.typing.Processor] = [
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.stdlib.ExtraAdder(),
        add_role,
    ]
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *_renderers(settings)],
        )
    )
    handler.addFilter(Repeats())
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(settings.level.upper())
    for chatty in CHATTY:
        logging.getLogger(chatty).setLevel(logging.WARNING)
    logging.captureWarnings(capture=True)
    structlog.configure(
        processors=[
            structlog.stdlib.filter_by_level,
            structlog.stdlib.PositionalArgumentsFormatter(),
            *shared,
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=True,
    )


def _renderers(settings: LogSettings) -> list[structlog.typing.Processor]:
    if settings.format == "json":
        return [structlog.processors.format_exc_info, structlog.processors.JSONRenderer()]
    return [
        structlog.dev.ConsoleRenderer(
            colors=sys.stderr.isatty(), exception_formatter=structlog.dev.plain_traceback, pad_event_to=0
        )
    ]
