"""A value's source: one type for what decides, and one text for what is shown."""

import pytest

from ocx.config.schema import Source, SourceKind


@pytest.mark.parametrize(
    ("source", "text"),
    [
        (Source(SourceKind.FLAG), "flag"),
        (Source(SourceKind.ENVIRONMENT, "OCX_MODEL"), "environment OCX_MODEL"),
        (Source(SourceKind.PROFILE, "work"), "profile work"),
        (Source(SourceKind.DEFAULT_PROFILE), "default_profile"),
        (Source(SourceKind.DEFAULT), "default"),
    ],
)
def test_as_text(source: Source, text: str) -> None:
    assert f"{source}" == text


@pytest.mark.parametrize("kind", SourceKind)
def test_only_flags_and_variables_are_of_this_call(kind: SourceKind) -> None:
    """This decides where a key may go: a profile named `flag` must not pass for one."""
    explicit = kind in {SourceKind.FLAG, SourceKind.ENVIRONMENT}
    assert Source(kind, "flag").is_explicit == explicit
