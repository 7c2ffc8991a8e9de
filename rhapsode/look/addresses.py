"""Whether the addresses can be had: by those who run, or, when nobody does, by trying to bind them."""

from collections.abc import Callable

from capture.errors import ConfigError
from capture.intake.sockets import open_sockets, split_address
from rhapsode.errors import SettingsError
from rhapsode.look.api import examine_api
from rhapsode.look.finding import Finding
from rhapsode.look.machine import MachineLook
from rhapsode.look.ports import Listener, Protocol, owner_of
from rhapsode.settings import Settings
from rhapsode.web_socket import open_web_socket

_BUSY = "end that process, or give another address"


def examine_ports(settings: Settings, machine: MachineLook) -> list[Finding]:
    """Of a running system what it listens on; else whether it could."""
    if machine.runs:
        return _listening(machine)
    return [
        _try("receiving", "hep", settings.hep, ("udp", "tcp"), lambda: _open_hep(settings)),
        _try("api", "http", settings.http, ("tcp",), lambda: open_web_socket(settings.http).close()),
    ]


def _listening(machine: MachineLook) -> list[Finding]:
    udp = [each for each in machine.listeners if each.protocol == "udp"]
    hep_ports = {each.port for each in udp}
    web = [each for each in machine.listeners if each.protocol == "tcp" and each.port not in hep_ports]
    receiving = any(journal.has_intake for journal in machine.journals)
    findings = []
    if receiving and udp:
        findings.append(Finding("receiving", "ok", f"HEP is received on {_shown(udp)}"))
    elif receiving:
        findings.append(
            Finding("receiving", "ok", "intake runs (its sockets can be seen by its account only)")
        )
    else:
        findings.append(
            Finding(
                "receiving",
                "problem",
                "intake does not run: nothing is received",
                "`rhapsode up` starts it again within a second, or its log says why; with the roles alone:"
                " `rhapsode intake`",
            )
        )
    return [*findings, *examine_api(web)]


def _shown(listeners: list[Listener]) -> str:
    return ", ".join(dict.fromkeys(each.address for each in listeners))


def _open_hep(settings: Settings) -> None:
    open_sockets(settings.hep, settings.intake).close()


def _try(
    check: str, option: str, address: str, protocols: tuple[Protocol, ...], bind: Callable[[], None]
) -> Finding:
    try:
        bind()
    except (ConfigError, SettingsError) as error:
        port = split_address(address)[1]
        owner = next(filter(None, (owner_of(protocol, port) for protocol in protocols)), "")
        words = f"{error}" + (f": {owner} has it" if owner else "")
        return Finding(check, "problem", words, f"{_BUSY} by --{option}")
    return Finding(check, "ok", f"{address} can be had")
