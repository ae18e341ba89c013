"""`make soak`: mixed commands for minutes against a server with faults; nothing may be left."""
