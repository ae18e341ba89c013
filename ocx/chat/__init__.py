"""One call: from what was typed to what was delivered."""
