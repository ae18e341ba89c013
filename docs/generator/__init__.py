"""Man pages and completion scripts: one fact with the command tree, and written from it."""
