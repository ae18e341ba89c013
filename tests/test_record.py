from __future__ import annotations

from dataclasses import FrozenInstanceError, field, fields, replace
from typing import Any, ClassVar

import pytest

from ocx.record import record


@record
class Base:
    heading: ClassVar[str] = "none"

    name: str
    sizes: list[int] = field(default_factory=list)


@record
class Call(Base):
    heading = "Call"

    seconds: float = 1.5


@pytest.mark.parametrize(
    ("made", "expected"),
    [
        (Call("a"), ("a", [], 1.5)),
        (Call("a", [1], 2), ("a", [1], 2)),
        (Call("a", seconds=2), ("a", [], 2)),
        (Call(seconds=2, name="a"), ("a", [], 2)),
        (replace(Call("a", [1]), name="b"), ("b", [1], 1.5)),
    ],
)
def test_values_by_position_by_name_and_by_default(made: Call, expected: tuple[Any, ...]) -> None:
    assert (made.name, made.sizes, made.seconds) == expected
    assert [item.name for item in fields(made)] == ["name", "sizes", "seconds"]


def test_each_has_a_default_of_its_own() -> None:
    assert Call("a").sizes is not Call("a").sizes


@pytest.mark.parametrize(
    ("values", "named"),
    [
        ((), {}),
        ((), {"seconds": 2}),
        (("a", [], 1, 1), {}),
        (("a",), {"name": "b"}),
        (("a",), {"other": 1}),
        (("a",), {"heading": "b"}),
    ],
)
def test_what_a_dataclass_refuses(values: tuple[Any, ...], named: dict[str, Any]) -> None:
    make: Any = Call
    with pytest.raises(TypeError, match="Call"):
        make(*values, **named)


def test_nothing_changes_it() -> None:
    made: Any = Call("a")
    with pytest.raises(FrozenInstanceError, match="name"):
        made.name = "b"
    with pytest.raises(FrozenInstanceError, match="name"):
        del made.name
    assert made.name == "a"
