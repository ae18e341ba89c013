"""`ocx history`: the calls that were kept, and what they took."""
