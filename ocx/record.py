"""Frozen dataclasses without generated code.

`dataclasses` writes and compiles an `__init__`, a `__setattr__` and a `__delattr__` for each class:
half a millisecond a class at every start. Records share theirs.
"""

from __future__ import annotations

from dataclasses import MISSING, FrozenInstanceError, dataclass, field
from typing import Any, NoReturn, TypeVar, dataclass_transform

C = TypeVar("C")


@dataclass_transform(frozen_default=True, eq_default=False, field_specifiers=(field,))
def record(cls: type[C]) -> type[C]:
    """Like `@dataclass(frozen=True, eq=False, repr=False)`; `fields` and `replace` know it too."""
    for name in ("__init__", "__setattr__", "__delattr__"):
        setattr(cls, name, vars(_Shared)[name])
    return dataclass(init=False, eq=False, repr=False)(cls)


class _Shared:
    def __init__(self, /, *values: Any, **named: Any) -> None:
        names: tuple[str, ...] = vars(type(self))["__match_args__"]
        if len(values) == len(names) and not named:
            self.__dict__.update(zip(names, values, strict=True))
            return
        given = dict(zip(names, values, strict=False)) | named
        if len(given) < len(values) + len(named) or not given.keys() <= {*names}:
            raise TypeError(f"{type(self).__name__} takes each of {', '.join(names)} once")
        for name in names:
            if name not in given:
                given[name] = _default(type(self), name)
        self.__dict__.update(given)

    def __setattr__(self, name: str, _value: Any) -> NoReturn:
        raise FrozenInstanceError(f"cannot assign to field {name!r}")

    def __delattr__(self, name: str) -> NoReturn:
        raise FrozenInstanceError(f"cannot delete field {name!r}")


def _default(cls: type, name: str) -> Any:
    described = vars(cls)["__dataclass_fields__"][name]
    if described.default_factory is not MISSING:
        return described.default_factory()
    if described.default is MISSING:
        raise TypeError(f"{cls.__name__} lacks {name}")
    return described.default
