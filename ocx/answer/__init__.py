"""What is done with an answer after it came: code taken out, a schema checked, its cost read."""
