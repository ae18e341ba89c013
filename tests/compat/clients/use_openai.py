"""The official SDK for Python: an answer, a stream, the Responses API that is not there."""

from __future__ import annotations

from checks import check
from openai import NotFoundError, OpenAI

client = OpenAI(max_retries=0)
ASKED = {"model": "gpt-4o", "messages": [{"role": "user", "content": "one two three"}]}


def whole() -> bool:
    answer = client.chat.completions.create(**ASKED)
    return answer.choices[0].message.content == "one two three"


def streamed() -> bool:
    chunks = client.chat.completions.create(**ASKED, stream=True)
    return "".join(chunk.choices[0].delta.content or "" for chunk in chunks) == "one two three"


def responses() -> bool:
    try:
        client.responses.create(model="gpt-4o", input="x")
    except NotFoundError as error:
        return "does not have the Responses API" in error.message
    return False


check("an answer", whole)
check("a stream", streamed)
check("no /responses", responses)
