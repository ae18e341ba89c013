"""Write completions/, man/, the guides and pictures of docs/: `make docs`, or with a folder."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from ocx.cli.table import root as program
from ocx.docs.completion import FILES, script
from ocx.docs.guide import guide_file
from ocx.docs.manual import manual
from ocx.docs.roff import roff
from ocx.docs.topics import GUIDES
from ocx.docs.tree import check, tree


def main(folder: Path) -> None:
    """Write every file below `folder`, and remove the pages of commands that are gone.

    Raises:
        ValueError: a command or an option has no help.
    """
    written = documents()
    guides = {f"docs/{name}.md": guide_file(name).read_text("utf-8") for name in GUIDES}
    for path, text in (written | guides).items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_text(text, "utf-8")
    for page in (folder / "man").iterdir():
        if f"man/{page.name}" not in written:
            page.unlink()


def documents() -> dict[str, str]:
    """Every generated file, by its path in the repository."""
    root = tree(program())
    check(root)
    scripts = {f"completions/{name}": script(shell, root) for shell, name in FILES.items()}
    return scripts | {f"man/{page.file}": roff(page) for page in manual(root)}


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else Path.cwd())
    # The pictures are made by programs of their own, in terminals of their own.
    subprocess.run(
        [sys.executable, Path(__file__).with_name("picture.py"), *sys.argv[1:]], check=True
    )
