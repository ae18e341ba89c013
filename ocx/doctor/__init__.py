"""What can be wrong between a command and its answer, looked at one thing at a time."""
