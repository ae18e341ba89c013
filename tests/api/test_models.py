"""What /models says, under the names of several servers."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ocx.api.models import ModelFacts, model_facts, model_ids
from ocx.api.prices import Price
from ocx.errors import ServerError

OPENROUTER = {
    "context_length": 1048576,
    "pricing": {"prompt": "0.00000125", "completion": "0.00001", "input_cache_read": "3.1e-7",
                "request": "0", "image": "0"},
    "architecture": {"input_modalities": ["text", "image"], "output_modalities": ["text"],
                     "modality": "text+image->text"},
    "top_provider": {"context_length": 65536, "max_completion_tokens": 8192},
    "expiration_date": "2026-12-31",
}  # fmt: skip
LITELLM = {
    "owned_by": "openai", "max_input_tokens": 128000, "input_cost_per_token": 2.5e-06,
    "output_cost_per_token": 1e-05, "supports_vision": True, "deprecation_date": "2027-01-01",
}  # fmt: skip
LITELLM_FACTS = {
    "owner": "openai", "context": 128000, "modalities": "text+image",
    "price": Price(Decimal("2.5"), Decimal(10)), "shutdown": "2027-01-01",
}  # fmt: skip


@pytest.mark.parametrize(
    ("row", "facts"),
    [
        ({}, {}),
        # OpenAI
        ({"owned_by": "openai", "created": 1, "shutdown_date": "2026-12-27"},
         {"owner": "openai", "shutdown": "2026-12-27"}),
        ({"owned_by": "openai", "shutdown_date": None}, {"owner": "openai"}),
        (OPENROUTER, {
            "context": 1048576, "modalities": "text+image->text", "shutdown": "2026-12-31",
            "price": Price(Decimal("1.25"), Decimal(10), Decimal("0.31")),
        }),
        # vLLM
        ({"owned_by": "vllm", "max_model_len": 32768, "root": "x"},
         {"owner": "vllm", "context": 32768}),
        (LITELLM, LITELLM_FACTS),
        ({"model_info": LITELLM}, LITELLM_FACTS),
        # Groq, Mistral, llama.cpp, Together, Vercel
        ({"context_window": 8192}, {"context": 8192}),
        ({"max_context_length": 131072, "deprecation": "2026-12-01T12:00:00Z"},
         {"context": 131072, "shutdown": "2026-12-01"}),
        ({"meta": {"n_ctx_train": 8192}}, {"context": 8192}),
        ({"pricing": {"input": 0.3, "output": 0.6, "hourly": 0}},
         {"price": Price(Decimal("0.3"), Decimal("0.6"))}),
        ({"pricing": {"input": "0.0000003", "output": "0.0000006"}},
         {"price": Price(Decimal("0.3"), Decimal("0.6"))}),
        ({"modalities": {"input": ["text", "audio"], "output": ["text"]}},
         {"modalities": "text+audio->text"}),
        # credits, and what else is charged
        ({"pricing": {"unit": "credits", "prompt": "0.000005", "completion": "0"}},
         {"price": Price(Decimal(5), Decimal(0)), "in_credits": True}),
        ({"pricing": {"unit": "credits per million tokens", "prompt": "3", "completion": 6}},
         {"price": Price(Decimal(3), Decimal(6)), "in_credits": True}),
        ({"pricing": {"unit": "Credits/1K tokens", "prompt": "0.003", "completion": "0.006"}},
         {"price": Price(Decimal(3), Decimal(6)), "in_credits": True}),
        ({"pricing": {"unit": "USD/Mtok", "input": "3", "output": "6"}},
         {"price": Price(Decimal(3), Decimal(6))}),
        ({"pricing": {"unit": "credits per token", "input": "0.000003", "output": "0"}},
         {"price": Price(Decimal(3), Decimal(0)), "in_credits": True}),
        ({"pricing": {"currency": "USD", "prompt": "0.000005", "completion": "0", "request": "1"}},
         {"price": Price(Decimal(5), Decimal(0)), "more_charged": True}),
        # no facts
        ({"pricing": {"prompt": "-1", "completion": "-1"}}, {}),
        ({"pricing": {"prompt": "0.1"}}, {}),
        ({"pricing": [1], "context_length": "many", "owned_by": 7, "architecture": "text"}, {}),
        ({"context_length": -1, "shutdown_date": "", "modality": None}, {}),
        ({"context_length": True, "input_modalities": "text", "shutdown_date": 10**30}, {}),
        ({"context_length": None, "max_model_len": 4096}, {"context": 4096}),
        ({"shutdown_date": 1798329600}, {"shutdown": "2026-12-27"}),
        ({"shutdown_date": 1798329600000}, {"shutdown": "2026-12-27"}),
    ],
)  # fmt: skip
def test_facts(row: dict[str, Any], facts: dict[str, Any]) -> None:
    assert model_facts({"data": [{"id": "m", **row}]}) == [ModelFacts("m", **facts)]


def test_ids_alone_are_models_too() -> None:
    assert model_facts(["a", "b", "a"]) == [ModelFacts("a"), ModelFacts("b")]


NAMES = st.sampled_from([
    "context_length", "max_model_len", "pricing", "prompt", "completion", "input", "output", "unit",
    "architecture", "input_modalities", "output_modalities", "modalities", "owned_by", "meta",
    "shutdown_date", "expiration_date", "model_info", "input_cost_per_token", "supports_vision",
])  # fmt: skip
LEAVES = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=6)
ROWS = st.recursive(
    LEAVES, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAMES, inner, max_size=5)
)


@given(st.dictionaries(NAMES, ROWS, max_size=8))
def test_whatever_a_row_holds(row: dict[str, Any]) -> None:
    (found,) = model_facts(json.loads(json.dumps([{"id": "m", **row}])))
    assert found.context is None or 0 < found.context < 2**53
    assert found.price is None or found.price.prompt.is_finite()


@pytest.mark.parametrize(
    ("document", "ids"),
    [
        ({"object": "list", "data": [{"id": "a", "object": "model"}, {"id": "b"}]}, ["a", "b"]),
        ({"data": []}, []),
        ([{"id": "a"}], ["a"]),
        (["a", "b"], ["a", "b"]),
        ({"models": [{"id": "a"}]}, ["a"]),
        ({"data": [{"id": "a"}, {"id": "a"}, {"id": "b"}]}, ["a", "b"]),
    ],
)
def test_model_ids(document: Any, ids: list[str]) -> None:
    assert model_ids(document) == ids


@pytest.mark.parametrize(
    "document",
    [None, 1, "a", {}, {"data": None}, {"data": {"id": "a"}}, {"data": [{}]}, [1], [{"id": 5}],
     [{"id": ""}], [None]],
)  # fmt: skip
def test_no_list_of_models(document: Any) -> None:
    with pytest.raises(ServerError):
        model_ids(document)
