"""Settings: flags, environment and files as one frozen value that knows its sources."""
