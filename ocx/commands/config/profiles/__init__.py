"""`ocx config profiles`."""
