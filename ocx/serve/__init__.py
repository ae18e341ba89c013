"""`ocx serve`: the documented API on loopback, with keys, credits and faults on demand."""
