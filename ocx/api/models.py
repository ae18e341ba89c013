"""The list of models, put together from its pages."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from ocx.api.http import with_query
from ocx.api.types import Reply, model_ids

PATH = "/models"
_PAGES = 100


def list_models(get: Callable[[str], Reply]) -> Reply:
    """The answer to GET /models; pages are read as OpenAI's other lists have them.

    Args:
        get: fetches a path that is a list of models.
    """
    reply = get(PATH)
    document, ids = reply.json, model_ids(reply.json)
    for _ in range(_PAGES - 1):
        if not (isinstance(document, dict) and document.get("has_more") is True and ids):
            break
        page = get(with_query(PATH, {"after": ids[-1]})).json
        more = [name for name in model_ids(page) if name not in ids]
        if not more:  # a server that does not know `after`
            break
        ids += more
        rows = [*document["data"], *page["data"]]
        document = {**document, "data": rows, "has_more": page.get("has_more", False)}
    return reply if document is reply.json else replace(reply, json=document)
