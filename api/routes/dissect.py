"""Messages taken apart by tshark, for the web UI's tab with the layers of a packet."""

import asyncio
from typing import Annotated

from fastapi import APIRouter, Depends, Request

from api.auth.dependencies import CurrentUser
from api.context import Context
from api.dissect import Undissected
from api.export.captured import captured
from api.leaving import unless_gone
from api.routes.questions import question_warnings
from api.routes.search import messages_by_id
from api.schemas.common import REFUSED
from api.schemas.dissect import DecodedMessage, DissectAnswer
from api.schemas.rows import oldest_first
from api.schemas.search import MESSAGE_EXAMPLE, SearchObject, answer_headers, strict_classes_of
from api.search.decide import Found
from api.wire import JsonAnswer, describe_answer, describe_body, json_body

router = APIRouter(tags=["search"])

MOST_MESSAGES = 10
"""At once: each is a process of its own."""

Body = Annotated[SearchObject, Depends(json_body(SearchObject))]


@router.post(
    "/search/call/decode/message",
    status_code=201,
    responses=REFUSED | {201: describe_answer(DissectAnswer, "The messages, oldest first")},
    openapi_extra=describe_body(SearchObject, MESSAGE_EXAMPLE),
)
async def dissect_message(request: Request, user: CurrentUser, context: Context, body: Body) -> JsonAnswer:
    """Messages by their ids, taken apart; `X-Rhapsode-Warning` says why where that cannot be."""
    if _names_no_message(body):
        return JsonAnswer(DissectAnswer(0, []), 201, answer_headers(None, ["an id is no number"]))
    page, missing, _ = await messages_by_id(request, user, context, body)
    found = oldest_first(page.rows)
    warnings = question_warnings(context, body)
    if len(found) > MOST_MESSAGES:
        warnings.append(f"only the first {MOST_MESSAGES} of {len(found)} messages are taken apart")

    async def dissect(message: Found) -> DecodedMessage:
        try:
            if message.note is not None:
                raise Undissected(message.note)
            return DecodedMessage(await context.tshark.dissect(captured(message)))
        except Undissected as error:
            warnings.append(str(error))
            return DecodedMessage()

    async def dissect_all() -> list[DecodedMessage]:
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(dissect(message)) for message in found[:MOST_MESSAGES]]
        return [task.result() for task in tasks]

    data = await unless_gone(request, dissect_all())
    headers = answer_headers(page.incomplete, list(dict.fromkeys(warnings)), missing=missing)
    return JsonAnswer(DissectAnswer(len(data), data), 201, headers)


def _names_no_message(body: SearchObject) -> bool:
    """Whether words stand where ids should: the web UI sends those of a log line that is clicked on."""
    asked = strict_classes_of(body).values()
    listed = [each["uuid"] for each in asked if each.get("id") is None and isinstance(each.get("uuid"), list)]
    return any(isinstance(each, str) and not each.isdigit() for ids in listed for each in ids)
