"""instructor: objects by tools and by JSON schema."""

from __future__ import annotations

import instructor
import openai
from checks import check, raises
from pydantic import BaseModel


class Person(BaseModel):
    name: str
    age: int


def ask(mode: instructor.Mode, prompt: str, model: str = "gpt-4o") -> Person:
    client = instructor.from_openai(openai.OpenAI(max_retries=0), mode=mode)
    messages = [{"role": "user", "content": prompt}]
    return client.create(model=model, messages=messages, response_model=Person, max_retries=0)


TOOLS, SCHEMA = instructor.Mode.TOOLS, instructor.Mode.JSON_SCHEMA
ANN = {"name": "Ann", "age": 3}
check("tools", lambda: ask(TOOLS, 'Person(name="Ann", age=3)').model_dump() == ANN)
check("JSON schema", lambda: isinstance(ask(SCHEMA, "Who?"), Person))
check("no credits", lambda: raises(Exception, lambda: ask(TOOLS, "x", "fault/402")))
