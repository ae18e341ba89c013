"""What was asked and answered: one SQLite file in the state folder, shared by every `ocx`."""
