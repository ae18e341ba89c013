"""A value's source: one type for what decides, and one text for what is shown."""

from typing import Any, get_args, get_type_hints

import pytest

from ocx.config.schema import Source


@pytest.mark.parametrize(
    ("source", "text"),
    [
        (Source("flag"), "flag"),
        (Source("environment", "OCX_MODEL"), "environment OCX_MODEL"),
        (Source("profile", "work"), "profile work"),
        (Source("default_profile"), "default_profile"),
        (Source("default"), "default"),
    ],
)
def test_as_text(source: Source, text: str) -> None:
    assert f"{source}" == text


@pytest.mark.parametrize("layer", get_args(get_type_hints(Source)["layer"]))
def test_only_flags_and_variables_are_of_this_call(layer: Any) -> None:
    """This decides where a key may go: a profile named `flag` must not pass for one."""
    explicit = layer in {"flag", "environment"}
    assert Source(layer, "flag").is_explicit == explicit
