"""pydantic-ai: an answer, a stream, an object, a tool that runs, an error."""

from __future__ import annotations

import asyncio

from checks import check, raises
from pydantic import BaseModel
from pydantic_ai import Agent
from pydantic_ai.exceptions import ModelHTTPError
from pydantic_ai.models.openai import OpenAIChatModel


class Person(BaseModel):
    name: str
    age: int


def agent(model: str = "gpt-4o", **options: object) -> Agent:
    return Agent(OpenAIChatModel(model), retries=0, **options)


async def streamed() -> str:
    async with agent().run_stream("one two three") as found:
        return "".join([piece async for piece in found.stream_text(delta=True)])


def with_tool() -> bool:
    asked = []
    made = agent()

    @made.tool_plain
    def add(a: int, b: int) -> int:
        asked.append((a, b))
        return a + b

    return "42" in str(made.run_sync("add(a=2, b=40)").output) and asked == [(2, 40)]


def person() -> bool:
    prompt = 'final_result(name="Ann", age=3)'
    return agent(output_type=Person).run_sync(prompt).output == Person(name="Ann", age=3)


check("an answer", lambda: agent().run_sync("one two three").output == "one two three")
check("a stream", lambda: asyncio.run(streamed()) == "one two three")
check("an object", person)
check("a tool that runs", with_tool)
check("no credits", lambda: raises(ModelHTTPError, lambda: agent("fault/402").run_sync("x")))
