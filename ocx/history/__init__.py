"""The history of calls: one SQLite file in the state folder, shared by every `ocx`."""
