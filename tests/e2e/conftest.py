"""Fixtures of the end-to-end tests of batches."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.support.program import KEY, Ocx
from tests.support.row_server import RowServer


@pytest.fixture
def rows(ocx: Ocx) -> Iterator[RowServer]:
    """A server that answers rows; the program has its address and a key in its environment."""
    with RowServer() as server:
        ocx.env |= {"OCX_BASE_URL": server.base_url, "OCX_API_KEY": KEY}
        yield server
    assert not server.faults, f"the test's own server failed: {server.faults}"
