"""Anthropic's SDK: whichever header has the key, the 404 says what is not there."""

from __future__ import annotations

import os

import anthropic
from checks import check

ROOT = os.environ["OPENAI_BASE_URL"].removesuffix("/api/v1")


def refused(base_url: str, **key: str) -> bool:
    client = anthropic.Anthropic(base_url=base_url, max_retries=0, **key)
    messages = [{"role": "user", "content": "hi"}]
    try:
        client.messages.create(model="claude-3-sonnet", max_tokens=9, messages=messages)
    except anthropic.NotFoundError as error:
        return "does not have Anthropic's Messages API" in error.message
    return False


KEY = os.environ["OPENAI_API_KEY"]
check("an API key", lambda: refused(ROOT, api_key=KEY))
check("a token", lambda: refused(f"{ROOT}/api/v1", auth_token=KEY))
