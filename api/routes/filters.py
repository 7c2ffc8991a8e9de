"""The filter scripts of this machine: what they do, and switching them off and on. Our own, not Homer's."""

import asyncio
import logging
from pathlib import Path

from fastapi import APIRouter, Request

from api.auth.dependencies import AdminUser, CurrentUser
from api.context import ApiContext, Context
from api.errors import FiltersUnavailable, UnknownScript
from api.filters import as_stopped, read_filters
from api.schemas.common import DataError, PlainError
from api.schemas.filters import FiltersAnswer, ScriptAnswer, filters_answer, script_row
from api.wire import JsonAnswer, JsonSchema, Responses, describe_answer
from capture.errors import JournalError
from capture.script_report_files import FILTERS_DIR
from capture.script_switches import Switches

log = logging.getLogger(__name__)

router = APIRouter(prefix="/rhapsode/filters", tags=["filters"])

RESPONSES: Responses = {
    200: describe_answer(FiltersAnswer, "Every script, in the order in which they run"),
    401: describe_answer(PlainError, "No login, or one that has expired"),
    503: describe_answer(DataError, "The workers run on another machine: ask there"),
}
SWITCH_RESPONSES: Responses = {
    200: describe_answer(ScriptAnswer, "The script as it is switched now"),
    401: RESPONSES[401],
    403: describe_answer(PlainError, "Not an administrator"),
    404: describe_answer(DataError, "No script of this name"),
    503: describe_answer(DataError, "The switch cannot be written, or the workers run on another machine"),
}
NAME: JsonSchema = {
    "parameters": [
        {
            "name": "name",
            "in": "path",
            "required": True,
            "description": "The script's file, `.lua` included",
            "schema": {"type": "string"},
        }
    ]
}


@router.get("", responses=RESPONSES)
async def list_filters(user: CurrentUser, context: Context) -> JsonAnswer:
    """What filter scripts there are, whether they run, and what they did."""
    filters = await asyncio.to_thread(read_filters, _data_dir(context))
    return JsonAnswer(filters_answer(filters))


@router.post("/{name}/disable", responses=SWITCH_RESPONSES, openapi_extra=NAME)
async def disable_filter(request: Request, user: AdminUser, context: Context) -> JsonAnswer:
    """Let no worker run a script, whatever is in its file, until it is enabled again."""
    return await asyncio.to_thread(_switch, request, _data_dir(context), user.username, on=False)


@router.post("/{name}/enable", responses=SWITCH_RESPONSES, openapi_extra=NAME)
async def enable_filter(request: Request, user: AdminUser, context: Context) -> JsonAnswer:
    """Run a script again that a person disabled or that was switched off by what it did."""
    return await asyncio.to_thread(_switch, request, _data_dir(context), user.username, on=True)


def _switch(request: Request, data_dir: Path, user: str, *, on: bool) -> JsonAnswer:
    name = request.path_params["name"]
    before = read_filters(data_dir).script(name)
    if before is None:
        raise UnknownScript(name)
    switches = Switches(data_dir / "journal" / FILTERS_DIR)
    try:
        if on:
            switches.enable(name, user)
        else:
            switches.disable(name, user)
    except JournalError as error:
        raise FiltersUnavailable(str(error)) from error
    log.warning("filter script %s is %s by %s", name, "enabled" if on else "disabled", user)
    # Without any worker's report only the switch knew of it.
    now = read_filters(data_dir).script(name) or as_stopped(before)
    return JsonAnswer(ScriptAnswer(script_row(now)))


def _data_dir(context: ApiContext) -> Path:
    data_dir = context.options.data_dir
    if data_dir is None:
        raise FiltersUnavailable("the workers, and what they know of filter scripts, are on another machine")
    return data_dir
