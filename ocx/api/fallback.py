"""Which model is asked after another could not answer; pure, for one call and for many."""

from __future__ import annotations

import re
from collections.abc import Sequence

from ocx.errors import OcxError, RateLimitError, RejectedError, ServerError

_NO_MODEL = (
    r"(?i)\bmodels?\b.{0,80}(not (be )?found|not exist|not available|unknown|not supported)"
    r"|\bmodels?\b.{0,80}\b(is|was) (invalid|unsupported|not (a )?valid)"
    r"|(invalid|unknown|unsupported|unrecognized|not a valid) model\b"
    r"(?! (param|option|field|arg|setting|config|input|output|response))"
    r"|model names are .{0,200} you passed"  # DeepSeek
    r"|模型.{0,40}(不存在|未找到|找不到|不可用|不支持|无效|无可用)|(未知|无效|不存在|不支持)的?模型"
    r"|model.{0,80}tidak (wujud|ditemui|dijumpai|ditemukan|dikenali|disokong)"
)
_CODES = frozenset({"model_not_found", "model_not_exist", "invalid_model", "unknown_model"})


def next_model(model: str, fallbacks: Sequence[str], error: OcxError) -> str | None:
    """The model to ask after `model` failed; None if none is left, or another cannot help.

    Args:
        fallbacks: in the order in which they are asked; `model` may be one of them.
        error: what ended the request, its retries included, before any text had come.
    """
    if not fallbacks or not may_fall_back(error):
        return None
    later = fallbacks[fallbacks.index(model) + 1 :] if model in fallbacks else fallbacks
    return later[0] if later else None


def may_fall_back(error: OcxError) -> bool:
    """Whether the model is unknown, or it or its server takes no more at the moment.

    A redirect is a wrong base URL, and credits, keys and the network are those of every model.
    """
    if isinstance(error, ServerError):
        return not 300 <= (error.status or 0) < 400
    return isinstance(error, RateLimitError) or is_unknown_model(error)


def is_unknown_model(error: OcxError) -> bool:
    """Whether the server refused a request since it has no such model."""
    if not isinstance(error, RejectedError) or error.status not in {400, 404, 422}:
        return False
    return (error.api_code or "").lower() in _CODES or bool(re.search(_NO_MODEL, error.message))
