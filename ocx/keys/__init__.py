"""API keys: where they are kept, which endpoint gets which, and a client that has one."""
