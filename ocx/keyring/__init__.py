"""API keys: finding, storing, checking and adding them."""
