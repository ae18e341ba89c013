"""Values in and out of the API."""

from __future__ import annotations

from typing import Any

import pytest

from ocx.api.models import model_ids
from ocx.api.types import Endpoint
from ocx.errors import ServerError
from ocx.secret import Secret


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


def test_an_endpoint_does_not_show_its_key() -> None:
    assert "0123456789" not in repr(Endpoint("https://h", Secret("sk-live-0123456789abcdef")))
