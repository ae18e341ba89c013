# Ten commands for a tape of a real server: test_tape.py records it, and plays it without a network.
ocx chat one
ocx chat --no-stream two
ocx chat --json three
ocx chat --json --stream four
ocx models
ocx chat -m other five
ocx chat --tools '{"name": "add", "parameters": {"type": "object"}}' six
printf seven | ocx chat -u eight
ocx chat -m no-such-model nine || echo "exit $?"
ocx api GET models
