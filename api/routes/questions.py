"""What the answer to a search says of its question, where that can hardly be what was meant."""

from api.context import ApiContext
from api.schemas.search import SearchObject


def question_warnings(context: ApiContext, body: SearchObject) -> list[str]:
    """For `answer_headers`: a window that nothing can be in, data nodes that do not exist."""
    unknown = context.nodes.unknown(body.nodes)
    return [*body.window_warnings, *(f"unknown data node: {name}" for name in unknown)]
