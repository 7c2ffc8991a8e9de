"""Grafana: whose credentials go with a request, and what the web UI asks of it.

Source: Grafana's HTTP API (`/api/org`, `/api/search`, `/api/dashboards/uid/…`). Knows nothing of routes.
"""

from http import HTTPStatus

import msgspec

from api.errors import NotConfigured
from api.proxies.server import Answer, Query, Server, authorization, segment
from api.settings import GrafanaSettings

NAME = "Grafana"
OWN_BASE = b'<base href="/"'
"""As Grafana writes it into its pages when it thinks that it stands at the root."""


class Grafana:
    """The Grafana of the settings, or none."""

    def __init__(self, settings: GrafanaSettings) -> None:
        self.path = settings.path
        self._of_users = _bearer(settings)
        self._of_admins = authorization(settings) or self._of_users
        self._server = None if settings.url is None else Server(NAME, "grafana", settings, {})

    @property
    def is_there(self) -> bool:
        """Whether the settings name one."""
        return self._server is not None

    @property
    def server(self) -> Server:
        """NotConfigured, in Homer's words, without one."""
        if self._server is None:
            raise NotConfigured("Grafana service is not configured")
        return self._server

    def credentials(self, *, is_admin: bool) -> dict[str, str]:
        """The headers that a user's request gets: `token` is for administrators alone."""
        return self._of_admins if is_admin else self._of_users

    async def get(self, path: str, query: Query = (), *, is_admin: bool) -> Answer:
        """An answer in JSON, whatever its status."""
        answer = await self.server.get(path, query, self.credentials(is_admin=is_admin))
        if answer.status < HTTPStatus.BAD_REQUEST:
            try:
                msgspec.json.decode(answer.body)
            except (msgspec.MsgspecError, UnicodeError, RecursionError) as error:
                raise self.server.failed("answers what is not in its API", error) from error
        return answer

    async def page(self, uid: str, slug: str, query: Query, base: str, *, is_admin: bool) -> bytes:
        """The page of a dashboard as HTML, which finds what belongs to it below `base`."""
        path = f"/d/{segment(uid)}/{segment(slug)}"
        answer = await self.server.get(path, query, self.credentials(is_admin=is_admin))
        if answer.status != HTTPStatus.OK:
            raise self.server.refused(answer)
        return answer.body.replace(OWN_BASE, f'<base href="{base}/"'.encode(), 1)

    async def close(self) -> None:
        """Close every connection."""
        if self._server is not None:
            await self._server.close()


def _bearer(settings: GrafanaSettings) -> dict[str, str]:
    token = settings.viewer_token
    return {} if token is None else {"Authorization": f"Bearer {token.get_secret_value()}"}
