"""A shortcut past the JSON parser: chunks that differ from an earlier one only in their content."""

from __future__ import annotations

import json
import re
from typing import NamedTuple

_CONTENT = re.compile(r'"content"[ \t\r\n]*:[ \t\r\n]*')
_decode = json.JSONDecoder().raw_decode


class ChunkTemplate(NamedTuple):
    """The JSON of a chunk before and after the value of its content.

    Most servers repeat all the rest in every chunk of an answer.
    """

    before: str
    after: str

    def content(self, data: str) -> str | None:
        """The content of `data`, or None if anything else differs from this chunk."""
        before, after = self.before, self.after
        if not data.startswith(before) or not data.endswith(after):
            return None
        try:
            content, end = _decode(data, len(before))
        except (ValueError, RecursionError):
            return None
        fits = content.__class__ is str and end == len(data) - len(after)
        return content if fits else None


def template_of(data: str, content: str) -> ChunkTemplate | None:
    """The template of a chunk whose `choices[0].delta.content` is `content`."""
    found = _CONTENT.search(data)
    if found is None:
        return None
    try:
        _, end = _decode(data, found.end())
        template = ChunkTemplate(data[: found.end()], data[end:])
        # Another field may have that name. Only what changes with this value is the content.
        other = content + "."
        changed = json.loads(template.before + json.dumps(other) + template.after)
    except (ValueError, RecursionError):
        return None
    return template if changed["choices"][0]["delta"].get("content") == other else None
