"""Processing an answer: extract its code, check it against a schema, read its cost."""
