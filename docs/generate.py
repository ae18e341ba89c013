"""Write completions/, man/ and the pictures of docs/: `make docs`, or with a folder."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))  # run by its path, it would not find `docs`
from docs.generator.completion import script
from docs.generator.manual import manual
from docs.generator.roff import roff
from docs.generator.tree import check, tree
from ocx.commands.help import SCRIPTS


def main(folder: Path) -> None:
    """Write every file below `folder`, and remove the pages of commands that are gone.

    Raises:
        ValueError: a command or an option has no help.
    """
    written = documents()
    for path, text in written.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_text(text, "utf-8")
    for page in (folder / "man").iterdir():
        if f"man/{page.name}" not in written:
            page.unlink()


def documents() -> dict[str, str]:
    """Every generated file, by its path in the repository."""
    root = tree()
    check(root)
    scripts = {f"completions/{name}": script(shell, root) for shell, name in SCRIPTS.items()}
    return scripts | {f"man/{page.file}": roff(page) for page in manual(root)}


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else Path.cwd())
    # The pictures are made by programs of their own, in terminals of their own.
    subprocess.run(
        [sys.executable, Path(__file__).with_name("picture.py"), *sys.argv[1:]], check=True
    )
