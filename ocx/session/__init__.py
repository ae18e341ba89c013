"""The interactive conversation on a terminal."""
