"""`rhapsode dictionary`: what payloads are compressed with, and training without waiting for its day."""

import asyncio
import os
from typing import TYPE_CHECKING

import typer

from rhapsode.commands.options import Config, DatabaseUrl, DataDir
from rhapsode.errors import RhapsodeError
from rhapsode.settings import load_settings
from rhapsode.temporary import usable_database

if TYPE_CHECKING:
    from capture.store.dictionaries import ListedDictionary
    from capture.store.trainer import Report

LIST_EXAMPLE = "Example: rhapsode dictionary list --data-dir /var/lib/rhapsode"
TRAIN_EXAMPLE = "Example: rhapsode dictionary train --data-dir /var/lib/rhapsode"


def list_dictionaries(
    data_dir: DataDir = None, database_url: DatabaseUrl = None, config: Config = None
) -> None:
    """List the payload dictionaries: id, when it was made, what it was trained on, and what it brought."""
    settings = load_settings({"data_dir": data_dir, "database_url": database_url}, config)
    with usable_database(settings) as url:
        listed = asyncio.run(_listed(url))
    for each in listed:
        typer.echo(f"{each.id:3}  {each.created_at}  {describe(each)}")


def train_dictionary(
    data_dir: DataDir = None, database_url: DatabaseUrl = None, config: Config = None
) -> None:
    """Train a payload dictionary on what is stored now. Workers use it within a minute, if it is worth it."""
    from capture.store.trainer import Order, train_once

    settings = load_settings({"data_dir": data_dir, "database_url": database_url}, config)
    with usable_database(settings) as url:
        trained = [each.id for each in asyncio.run(_listed(url)) if each.trained_on is not None]
        order = Order(url, settings.storage.zstd_level, os.getpid(), max(trained, default=None))
        report = asyncio.run(train_once(order))
    typer.echo(answer(report))


async def _listed(url: str) -> "list[ListedDictionary]":
    from capture.store.connection import Connection
    from capture.store.dictionaries import listed_dictionaries
    from capture.store.schema import check_schema

    connection = await Connection.open(url)
    try:
        await check_schema(connection)
        return await listed_dictionaries(connection)
    finally:
        await connection.close()


def describe(listed: "ListedDictionary") -> str:
    if listed.trained_on is None:
        return "came with a release"
    ratio = (listed.plain_bytes or 0) / max(1, listed.stored_bytes or 0)
    return f"trained on {listed.trained_on} messages: {ratio:.1f} times smaller"


def answer(report: "Report") -> str:
    """RhapsodeError where nothing could be trained."""
    from capture.training import figures

    match report.outcome:
        case "trained":
            return f"dictionary {report.dictionary} trained on {report.messages} messages: {figures(report)}"
        case "kept":
            return f"no other dictionary is worth it: {report.words or figures(report)}"
        case "few":
            raise RhapsodeError(f"only {report.messages} different messages are stored: too few to train on")
        case "busy" | "changed" | "failed":
            raise RhapsodeError("a worker is training a dictionary at this moment: try again")
