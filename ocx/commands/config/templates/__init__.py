"""`ocx config templates`."""
