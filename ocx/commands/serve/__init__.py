"""`ocx serve`: the documented API on loopback, and the database of its credits."""
