"""The message classes and their fields."""

from fastapi import APIRouter

from api.auth.dependencies import CurrentUser
from api.context import Context
from api.mapping import mapping_rows
from api.schemas.common import REFUSED
from api.schemas.mapping import MappingAnswer
from api.wire import JsonAnswer, Responses, describe_answer

router = APIRouter(tags=["mapping"])

RESPONSES: Responses = {
    200: describe_answer(MappingAnswer, "One row a message class"),
    401: REFUSED[401],
    503: REFUSED[503],
}


@router.get("/mapping/protocol", responses=RESPONSES)
async def list_mappings(user: CurrentUser, context: Context) -> JsonAnswer:
    """Every message class with its searchable fields."""
    names = context.searcher.script_names
    await names.refresh()
    rows = mapping_rows(context.options.http.node_name, context.options.custom_headers, names.known)
    return JsonAnswer({"count": len(rows), "data": rows})
