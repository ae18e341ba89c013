"""LangChain's standard suite for chat models against `ocx serve`: `make test-compat` runs it."""

from __future__ import annotations

import os
from typing import Any

import pytest

if not os.environ.get("OPENAI_BASE_URL", "").startswith("http://127.0.0.1:"):
    pytest.skip("no ocx serve around: make test-compat", allow_module_level=True)
pytest.importorskip("langchain_tests", reason="no langchain-tests: make test-compat installs it")

from langchain_core.language_models import BaseChatModel
from langchain_openai import ChatOpenAI
from langchain_tests.integration_tests import ChatModelIntegrationTests


class TestChat(ChatModelIntegrationTests):
    """The suite with what the documented API can do switched on."""

    @property
    def chat_model_class(self) -> type[BaseChatModel]:
        return ChatOpenAI

    @property
    def chat_model_params(self) -> dict[str, Any]:
        return {"model": "gpt-4o", "stream_usage": True}

    @property
    def supports_json_mode(self) -> bool:
        return True

    @property
    def model_override_value(self) -> str:
        return "deepseek-chat"
