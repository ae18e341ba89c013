"""`ocx batch`: many prompts in one run, and what checks its output."""
