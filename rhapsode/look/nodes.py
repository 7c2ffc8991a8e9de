"""The other data nodes that searches ask: whether they can be."""

import asyncio
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from api.presence import troubles_of
from rhapsode.look.finding import Finding
from rhapsode.settings import Settings

PATIENCE_S = 3.0


@dataclass(frozen=True, slots=True)
class NodeLook:
    """One look at a data node."""

    name: str
    error: str = ""
    """Why it cannot be searched."""


def look_at_nodes(settings: Settings) -> list[NodeLook]:
    """Ask all at once, for three seconds at most."""
    urls = {name: node.url.get_secret_value() for name, node in settings.nodes.items()}
    troubles: Mapping[str, str] = asyncio.run(troubles_of(urls, PATIENCE_S)) if urls else {}
    return [NodeLook(name, troubles.get(name, "")) for name in urls]


def examine_nodes(nodes: Sequence[NodeLook]) -> Iterator[Finding]:
    """One that is away is worth knowing, but this installation works without it."""
    for node in nodes:
        if node.error:
            yield Finding(
                "nodes",
                "note",
                f"data node {node.name} cannot be searched: {node.error}",
                f"answers lack what it has: see that it runs, and that nodes.{node.name}.url names it",
            )
    if names := [node.name for node in nodes if not node.error]:
        yield Finding("nodes", "ok", f"data nodes answer: {', '.join(names)}")
