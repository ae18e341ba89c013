"""The server's description of itself, OpenAPI 3.1, served at `/api/v1/openapi.json`."""

from __future__ import annotations

from typing import Any

from ocx import __version__
from ocx.serve.routing import BUILT_IN

_STRING = {"type": "string"}
_COUNT = {"type": "integer", "minimum": 0}
_AMOUNT = {"type": "number"}


def document() -> dict[str, Any]:
    """The description; every status and body that the server sends is in it."""
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "ocx serve",
            "version": __version__,
            "description": "The documented OpenCodex API on loopback. Beyond it, the header"
            " X-OCX-Fault makes a request fail on demand: 429,first=1 or cut:3.",
        },
        "servers": [{"url": "/api/v1"}],
        "security": [{"key": []}],
        "paths": {
            "/chat/completions": {"post": _chat()},
            "/models": {"get": _get("listModels", "The models of this server.", "ModelList")},
            "/models/{id}": {"get": _model()},
            "/balance": {"get": _get("getBalance", "The credits left.", "Balance")},
            "/openapi.json": {"get": _self()},
        },
        "components": {
            "securitySchemes": {"key": {"type": "http", "scheme": "bearer"}},
            "schemas": _schemas(),
            "headers": _headers(),
        },
    }


def _get(name: str, text: str, schema: str) -> dict[str, Any]:
    return {
        "operationId": name,
        "summary": text,
        "responses": {"200": _reply(text, _json(_ref(schema))), **_errors(*_QUICK)},
    }


def _model() -> dict[str, Any]:
    operation = _get("retrieveModel", "One model.", "Model")
    operation["parameters"] = [
        {"name": "id", "in": "path", "required": True, "schema": {"type": "string", "minLength": 1}}
    ]
    operation["responses"].update(_errors(404))
    return operation


def _self() -> dict[str, Any]:
    operation = _get("describe", "This document.", "Balance")
    operation["responses"]["200"] = _reply("This document.", _json({"type": "object"}))
    return operation


def _chat() -> dict[str, Any]:
    answer = {
        "application/json": {"schema": _ref("Completion")},
        "text/event-stream": {"schema": {"type": "string"}},
    }
    return {
        "operationId": "createChatCompletion",
        "summary": "An answer, whole or as server-sent events that end with `data: [DONE]`.",
        "requestBody": {"required": True, "content": _json(_ref("ChatRequest"))},
        "responses": {
            "200": _reply("The answer.", answer),
            **_errors(*_QUICK, 404, 413, 502, 504),
        },
    }


_QUICK = (400, 401, 402, 405, 429, 500, 503)
_MEANINGS = {
    400: "A required field is missing or a value is out of range; the Host is not loopback.",
    401: "The key is missing, malformed, unknown, expired or revoked.",
    402: "Not enough credits.",
    404: "No such model.",
    405: "No such method here.",
    413: "The body is larger than 4 MiB.",
    429: "Too many requests; `retry-after` says when to try again.",
    500: "The server failed.",
    502: "The upstream failed.",
    503: "The server is stopping or, on demand, overloaded.",
    504: "The upstream did not answer in time.",
}


def _errors(*statuses: int) -> dict[str, Any]:
    return {str(status): _reply(_MEANINGS[status], _json(_ref("Error"))) for status in statuses}


def _reply(text: str, content: dict[str, Any]) -> dict[str, Any]:
    headers = {name: {"$ref": f"#/components/headers/{name}"} for name in _headers()}
    return {"description": text, "headers": headers, "content": content}


def _json(schema: dict[str, Any]) -> dict[str, Any]:
    return {"application/json": {"schema": schema}}


def _ref(name: str) -> dict[str, Any]:
    return {"$ref": f"#/components/schemas/{name}"}


def _headers() -> dict[str, Any]:
    texts = {
        "x-request-id": "The id of this request in the log.",
        "x-ratelimit-limit-requests": "Requests a minute.",
        "x-ratelimit-remaining-requests": "Requests left at once.",
        "x-ratelimit-reset-requests": "Seconds until all are free again, as in `1.5s`.",
    }
    return {
        name: {"description": text, "required": True, "schema": _STRING}
        for name, text in texts.items()
    }


def _schemas() -> dict[str, Any]:
    return {
        "Error": _object(
            {
                "error": _object(
                    {
                        "message": _STRING,
                        "type": _STRING,
                        "param": {"type": ["string", "null"]},
                        "code": {"type": ["string", "null"]},
                    }
                )
            }
        ),
        "Model": _object(
            {
                "id": _STRING,
                "object": {"const": "model"},
                "created": _COUNT,
                "owned_by": _STRING,
            }
        ),
        "ModelList": _object(
            {"object": {"const": "list"}, "data": {"type": "array", "items": _ref("Model")}}
        ),
        "Balance": _object(
            {
                "object": {"const": "balance"},
                "balance": _AMOUNT,
                "unit": {"const": "credits"},
                "granted": _AMOUNT,
                "used": _AMOUNT,
            }
        ),
        "ChatRequest": _chat_request(),
        "Message": _message(),
        "Completion": _completion(),
    }


def _object(properties: dict[str, Any], required: list[str] | None = None) -> dict[str, Any]:
    return {
        "type": "object",
        "properties": properties,
        "required": list(properties) if required is None else required,
    }


def _or_null(schema: dict[str, Any]) -> dict[str, Any]:
    return {"anyOf": [schema, {"type": "null"}]}


def _chat_request() -> dict[str, Any]:
    whole = {"type": "integer", "minimum": 1, "maximum": 2**31 - 1}
    text = {"type": "string", "minLength": 1}
    return _object(
        {
            "model": {"anyOf": [{"enum": [model.id for model in BUILT_IN]}, text]},
            "messages": {"type": "array", "minItems": 1, "items": _ref("Message")},
            "max_tokens": _or_null(whole),
            "max_completion_tokens": _or_null(whole),
            "temperature": _or_null({"type": "number", "minimum": 0, "maximum": 2}),
            "top_p": _or_null({"type": "number", "minimum": 0, "maximum": 1}),
            "stream": {"type": ["boolean", "null"]},
            "stream_options": _or_null(
                _object({"include_usage": {"type": ["boolean", "null"]}}, [])
            ),
            "stop": {"anyOf": [text, {"type": "array", "items": text}, {"type": "null"}]},
            "n": {"enum": [1, None]},
            "response_format": _or_null(_response_format()),
        },
        ["model", "messages"],
    )


def _response_format() -> dict[str, Any]:
    """Of the schemas that are taken only the scalar ones: the rest is OpenAI's strict subset."""
    kinds = {"enum": ["string", "number", "integer", "boolean", "null"]}
    named = _object({"name": _STRING, "schema": _object({"type": kinds})})
    named["properties"]["schema"]["additionalProperties"] = False
    plain = _object({"type": {"enum": ["text", "json_object"]}})
    return {"anyOf": [plain, _object({"type": {"const": "json_schema"}, "json_schema": named})]}


def _message() -> dict[str, Any]:
    part = _object({"type": _STRING, "text": _STRING}, ["type"])
    content = {"anyOf": [_STRING, {"type": "array", "items": part}]}
    return _object(
        {
            "role": {"enum": ["system", "developer", "user", "assistant", "tool", "function"]},
            "content": content,
        }
    )


def _completion() -> dict[str, Any]:
    message = _object(
        {
            "role": {"const": "assistant"},
            "content": {"type": ["string", "null"]},
            "reasoning_content": _STRING,
        },
        ["role"],
    )
    choice = _object(
        {"index": _COUNT, "message": message, "finish_reason": {"type": ["string", "null"]}}
    )
    usage = _object({"prompt_tokens": _COUNT, "completion_tokens": _COUNT, "total_tokens": _COUNT})
    return _object(
        {
            "id": _STRING,
            "object": {"const": "chat.completion"},
            "created": _COUNT,
            "model": _STRING,
            "choices": {"type": "array", "items": choice},
            "usage": usage,
        },
        ["id", "object", "created", "model", "choices"],
    )
