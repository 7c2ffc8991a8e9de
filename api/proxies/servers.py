"""The other servers of one application: those that the settings name."""

from api.errors import NotConfigured
from api.proxies.grafana import Grafana
from api.proxies.server import Server, authorization
from api.settings import ApiOptions, ServerSettings

INFLUXDB_TOKEN = "Token"  # noqa: S105 - the word before it
"""InfluxDB 2 takes its tokens by this word where it is asked as if it were 1.x."""


class Servers:
    """Each is made once and holds its connections; nothing connects before it is asked."""

    def __init__(self, options: ApiOptions) -> None:
        loki = options.loki
        tenant = {"X-Scope-OrgID": loki.tenant} if loki.tenant else {}
        self._prometheus = _server("Prometheus", "prometheus", options.prometheus)
        self._loki = _server("Loki", "loki", loki, headers=tenant)
        self._influxdb = _server("InfluxDB", "influxdb", options.influxdb, INFLUXDB_TOKEN)
        self.grafana = Grafana(options.grafana)
        """Also without a Grafana: the web UI asks whether there is one."""

    @property
    def prometheus(self) -> Server:
        """NotConfigured, in Homer's words, without one; so for the others."""
        return _there(self._prometheus, "Prometheus service is not enabled")

    @property
    def loki(self) -> Server:
        """Loki."""
        return _there(self._loki, "Loki service is not enabled")

    @property
    def influxdb(self) -> Server:
        """InfluxDB."""
        return _there(self._influxdb, "Influxdb service is not enabled")

    async def close(self) -> None:
        """Close every connection."""
        for server in (self._prometheus, self._loki, self._influxdb, self.grafana):
            if server is not None:
                await server.close()


def _server(
    name: str,
    part: str,
    settings: ServerSettings,
    word: str = "Bearer",
    headers: dict[str, str] | None = None,
) -> Server | None:
    if settings.url is None:
        return None
    return Server(name, part, settings, authorization(settings, word) | (headers or {}))


def _there(server: Server | None, words: str) -> Server:
    if server is None:
        raise NotConfigured(words)
    return server
