"""Many prompts in one run: read, sent at the speed that the server allows, written once each."""
