"""What the tests share: the program as a subprocess, and servers that answer as scripted."""
