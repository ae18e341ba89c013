"""Every kind of message, hint, table and empty state, as a newcomer meets them in 80 columns.

`pytest -n 0 -s --full tests/e2e/test_every_message.py` prints them.
"""

from __future__ import annotations

import re
import shlex
import sys

import pytest

from ocx.typography import cells
from tests.support.program import Ocx
from tests.support.sizes import some

STYLES = re.compile(r"\x1b\[[0-9;?]*[a-zA-Z]")

LINES = """
ocx
ocx keys
ocx config
ocx config profiles
ocx config templates
ocx history
ocx login
ocx config use local
ocx hi there
ocx chat --modle x hi
ocx models --format json
ocx api models
ocx chat --timeout soon hi
ocx history list --limit 0
ocx serve --port 99999
ocx chat -m
ocx chat --temperature 3 hi
ocx chat hi
ocx chat -c -n hi
ocx chat -f nowhere.txt hi
ocx chat -f picture.png hi
ocx chat -f latin.txt hi
ocx chat -a nowhere.png hi
ocx chat -t nowhere hi
ocx chat -O model=x hi
ocx chat --schema mood( hi
ocx chat --conversation 99 hi
ocx -P nowhere chat hi
ocx -P local chat hi --retries 0
ocx -P local balance --retries 0
ocx --sandbox chat hi
ocx --sandbox chat -u --cost hi
ocx --sandbox chat -m gpt4o hi
ocx --sandbox chat -m fault/401 hi
ocx --sandbox chat -m fault/402 hi
ocx --sandbox chat -m fault/429 --retries 0 hi
ocx --sandbox chat -m fault/500 --retries 0 hi
ocx --sandbox chat -m fault/cut:3 one two three four
ocx --sandbox chat --max-tokens 1 one two three
ocx --sandbox chat -x hi
ocx --sandbox chat --conversation trip hi
ocx --sandbox chat --conversation trip again
ocx --sandbox models
ocx --sandbox models gpt5 --exists
ocx --sandbox balance
ocx --sandbox balance --min 1000
ocx --sandbox batch rows.csv "Happy? $txt"
ocx --sandbox batch rows.csv "Happy? $text" -o out.jsonl
ocx --sandbox batch rows.csv "Happy? $text" -o out.jsonl
ocx --sandbox batch rows.csv "Happy? $text" -m gpt4o -o other.jsonl
ocx --sandbox batch verify rows.csv out.jsonl
ocx --sandbox serve keys add app --account bob
ocx --sandbox serve keys
ocx --sandbox serve ledger
ocx history list
ocx history show
ocx history stats
ocx history search zebra
ocx history rm 99 -y
ocx history rm 1
ocx keys list
ocx keys rm nowhere
ocx keys add
ocx keys check
ocx config show
ocx config get nowhere
ocx config set nowhere 1
ocx config set timeout soon
ocx config profiles list
ocx config profiles rm nowhere
ocx config templates list
ocx exec
ocx env
ocx completion fosh
ocx help nowhere
"""


@pytest.fixture
def new(ocx: Ocx) -> Ocx:
    """A new user, with a profile of a server that is not running and some files."""
    ocx("config", "set", "-P", "local", "base_url", "http://127.0.0.1:9/v1").has(0)
    ocx("config", "set", "-P", "local", "auth", "none").has(0)
    (ocx.work / "rows.csv").write_text("id,text\n1,good\n2,bad\n3,fine\n")
    (ocx.work / "picture.png").write_bytes(b"\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR")
    (ocx.work / "latin.txt").write_bytes("caf\u00e9 na\u00efve".encode("latin-1"))
    return ocx


def test_every_message_on_a_screen_and_in_a_pipe(new: Ocx) -> None:
    """No line wider than the screen, colour there and none in a pipe, one hint, no traceback."""
    for line in some(LINES.strip().splitlines(), 12):
        words = shlex.split(line)[1:]
        process = new.in_terminal(*words, size=(24, 80), env={"CI": "1"})
        # A lone \r begins another frame of the progress bar: under load there is more than one.
        written = process.finish().text.replace("\r\n", "\n")
        shown = STYLES.sub("", written)
        piped = new(*words, env={"COLUMNS": "80"})
        sys.stdout.write(f"$ {line}\n{written}[{piped.status}]\n")
        wide = [each for each in shown.splitlines() if cells(each) > 80]
        assert not [each for each in wide if max(map(len, each.split())) < 60], line
        for text in (shown, piped.stderr):
            assert text.count("hint: ") <= 1, line
            assert "Traceback" not in text, line
            assert not re.search(r"(?<![\d.])1 (?:rows|calls|messages|tokens)\b", text), line
        assert "\x1b" not in piped.text + piped.stderr, line
        assert "ocx: error: " not in written, f"{line}: the word is red"
