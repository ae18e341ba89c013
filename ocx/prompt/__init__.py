"""Prompts: from what the user typed and piped to the body of a request."""
