"""`make fuzz`: what outsiders write, read for minutes. What it finds becomes a test elsewhere."""
