"""The accounts, keys and credits of the local server."""
