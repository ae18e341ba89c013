"""Many processes at once, and processes that are killed: the history of every shell at work."""

from __future__ import annotations

from pathlib import Path

from ocx.errors import DeadlineError
from ocx.history.filters import Filters
from ocx.history.store import Account, History, points
from tests.support.processes import all_at_once, start
from tests.support.sizes import size

PROCESSES = size(50, 8)

# A call as `chat` makes it: the conversation is held from reading it to storing the answer.
WRITER = """
import sys, time
from decimal import Decimal
from pathlib import Path
from ocx.history.call import Call
from ocx.history.store import Account, History, Reading, keep_readings

state, number = Path(sys.argv[1]), sys.argv[2]

def call(answer):
    return Call(started=time.time(), profile="p", base_url="u", model="m", outcome="finished",
                exit_code=0, seconds=0.0, answer=answer)

print("ready", flush=True)
sys.stdin.readline()
keep_readings(state, Account("p", "u"), [Reading(float(number), "credits", Decimal("0.1"))])
with History(state) as history:
    history.record(call("alone " + number), [{"role": "user", "content": "alone " + number}])
    talk = history.conversation("talk", "p")
    with history.locked(talk, 120, lambda: None):
        messages, last = history.turns(talk)
        prompt = {"role": "user", "content": "turn " + number}
        history.record(call("answer " + number), [*messages, prompt], talk)
"""

HANGING = """
import sys, time
from pathlib import Path
from ocx.history.call import Call
from ocx.history.store import History
from ocx.history.database import writing

history = History(Path(sys.argv[1]))
talk = history.conversation("talk", "p")
call = Call(started=1.0, profile="p", base_url="u", model="m", outcome="finished", exit_code=0,
            seconds=0.0, answer="kept")
history.record(call, [{"role": "user", "content": "kept"}], talk)
with history.locked(talk, 1, lambda: None), writing(history._connection):
    home = history._ensure(talk, call)
    history._connection.execute("UPDATE call SET answer = 'in flight'")
    history._connection.execute("INSERT INTO message(digest, json) VALUES (x'00', '{}')")
    print("ready", flush=True)
    time.sleep(60)
"""


def test_many_processes_at_once(tmp_path: Path) -> None:
    """Nothing lost, nothing mixed, no "database is locked"; the file is new for all of them."""
    all_at_once(WRITER, *((tmp_path, number) for number in range(PROCESSES)))
    numbers = set(map(str, range(PROCESSES)))
    with History(tmp_path) as history:
        assert history.count(Filters()) == 2 * PROCESSES
        alone = {e.prompt.removeprefix("alone ") for e in history.entries(Filters(text="alone"))}
        assert alone == numbers
        turns, last = history.turns(history.conversation("talk", "p"))
        assert len(points(tmp_path, Account("p", "u"), "credits", -1)) == PROCESSES
        (check,) = history._connection.execute("PRAGMA integrity_check").fetchone()
    assert last is not None
    assert check == "ok"
    contents = [turn["content"] for turn in turns]
    assert [turn["role"] for turn in turns] == ["user", "assistant"] * PROCESSES
    assert {content.removeprefix("turn ") for content in contents[::2]} == numbers
    for asked, answered in zip(contents[::2], contents[1::2], strict=True):
        assert asked.removeprefix("turn ") == answered.removeprefix("answer ")


def test_kill_9_loses_only_the_call_in_flight(tmp_path: Path) -> None:
    """Killed inside the transaction, with the conversation locked: both are free at once."""
    child = start(HANGING, str(tmp_path))
    child.kill()
    child.communicate()
    with History(tmp_path) as history:
        talk = history.conversation("talk", "p")
        with history.locked(talk, 5, lambda: None):
            turns, _last = history.turns(talk)
        assert [turn["content"] for turn in turns] == ["kept", "kept"]
        (messages,) = history._connection.execute("SELECT count(*) FROM message").fetchone()
        assert messages == 1


HOLDING = """
import sys
from pathlib import Path
from ocx.history.store import History

history = History(Path(sys.argv[1]))
with history.locked(history.conversation("talk", "p"), 1, lambda: None):
    print("ready", flush=True)
    sys.stdin.readline()
"""


def test_a_second_writer_waits_or_is_refused(tmp_path: Path) -> None:
    """Another conversation is not in its way."""
    child = start(HOLDING, str(tmp_path))
    told: list[str] = []
    with History(tmp_path) as history:
        talk = history.conversation("talk", "p")
        with history.locked(history.conversation("other", "p"), 0, lambda: told.append("never")):
            pass
        assert not told
        try:
            with history.locked(talk, 0, lambda: told.append("waiting")):
                raise AssertionError("two writers in one conversation")
        except DeadlineError as error:
            assert "in use" in error.message
        assert told == ["waiting"]
        assert child.stdin is not None

        def let_go() -> None:
            child.stdin.write("\n")  # type: ignore[union-attr]
            child.stdin.flush()  # type: ignore[union-attr]

        with history.locked(talk, 60, let_go):
            pass
    child.communicate(timeout=10)
    assert child.returncode == 0
