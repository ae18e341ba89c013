"""What the wheel installs where; built without fetching anything."""

from __future__ import annotations

import shutil
import subprocess
import sys
import tarfile
import zipfile
from importlib.util import find_spec
from pathlib import Path

import pytest

from tests.support.sizes import only_in_full

ROOT = Path(__file__).parents[2]

pytestmark = pytest.mark.skipif(
    find_spec("hatchling") is None or find_spec("pip") is None,
    reason="no hatchling or no pip: pip install -e '.[dev]'",
)


def pip(*words: str) -> None:
    subprocess.run(
        [sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check", *words],
        check=True,
        capture_output=True,
    )


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Built from a copy: a build writes beside its sources."""
    folder = tmp_path_factory.mktemp("wheel")
    left_out = shutil.ignore_patterns(".*_cache", ".git", ".venv*", "__pycache__", "build", "tests")
    shutil.copytree(ROOT, folder / "source", ignore=left_out)
    source = folder / "source"
    command = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder)]
    subprocess.run(command, cwd=source, check=True, capture_output=True)
    return next(folder.glob("*.whl"))


def test_contents_of_the_wheel(wheel: Path) -> None:
    """The package, what it installs below share, and its metadata: no test, no cache, no secret."""
    names = zipfile.ZipFile(wheel).namelist()
    package = {
        str(path.relative_to(ROOT))
        for path in (ROOT / "ocx").rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    shown = [*(ROOT / "man").iterdir(), *(ROOT / "completions").iterdir()]
    shown += [ROOT / "docs/ms.md", ROOT / "docs/zh.md"]
    package |= {f"ocx/share/{path.relative_to(ROOT)}" for path in shown}
    assert {name for name in names if name.startswith("ocx/")} == package
    assert "ocx/py.typed" in names
    rest = {name.partition("/")[2] for name in names if not name.startswith("ocx/")}
    share = {name for name in rest if name.startswith("data/share/")}
    assert rest - share == {
        "METADATA", "WHEEL", "RECORD", "entry_points.txt", "licenses/LICENSE"
    }  # fmt: skip
    assert len(share) == 3 + len(list((ROOT / "man").iterdir()))


def test_contents_of_the_sdist(wheel: Path) -> None:
    """`.ci/dist` builds it from a clone; this copy has no tests."""
    source = wheel.parent / "source"
    command = [sys.executable, "-m", "hatchling", "build", "-t", "sdist", "-d", str(wheel.parent)]
    subprocess.run(command, cwd=source, check=True, capture_output=True)
    with tarfile.open(next(wheel.parent.glob("*.tar.gz"))) as archive:
        top = {name.split("/")[1] for name in archive.getnames()}
    assert top == {
        ".ci", ".github", ".gitignore", "CHANGELOG.md", "CONTRIBUTING.md", "LICENSE", "Makefile",
        "PKG-INFO", "README.md", "SECURITY.md", "action.yml", "completions", "docs", "examples",
        "man", "ocx", "packaging", "pyproject.toml",
    }  # fmt: skip


@only_in_full
def test_prefix(wheel: Path, tmp_path: Path) -> None:
    """Pages and scripts are where man and the shells look below a prefix like /usr/local."""
    # Without --ignore-installed pip would first remove the package under test from here.
    options = ("--ignore-installed", "--no-deps", "--no-index", "--prefix", str(tmp_path))
    pip("install", "--no-compile", *options, str(wheel))
    share = tmp_path / "share"
    assert (share / "bash-completion/completions/ocx").is_file()
    assert (share / "fish/vendor_completions.d/ocx.fish").is_file()
    assert (share / "zsh/site-functions/_ocx").read_text().startswith("#compdef ocx")
    for page in (ROOT / "man").iterdir():
        installed = share / f"man/man{page.suffix[1:]}/{page.name}"
        assert installed.read_text() == page.read_text()


@only_in_full
def test_environment_of_its_own(wheel: Path, tmp_path: Path) -> None:
    """As pipx does it; the packages that it needs are lent by this environment."""
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(tmp_path)], check=True)
    python = tmp_path / "bin/python"
    install = ("install", "--no-compile", "--no-deps", "--no-index")
    pip("--python", str(python), *install, str(wheel))
    site = next(tmp_path.glob("lib/python*/site-packages"))
    lent = next(path for path in map(Path, sys.path) if (path / "typer").is_dir())
    (site / "lent.pth").write_text(f"{lent}\n")
    env = {"PATH": "/usr/bin:/bin", "HOME": str(tmp_path)}

    def ocx(*words: str) -> str:
        command = [str(tmp_path / "bin/ocx"), *words]
        return subprocess.run(command, env=env, check=True, capture_output=True, text=True).stdout

    assert ocx("completion", "bash") == (ROOT / "completions/ocx.bash").read_text()
    manual = ocx("help", "chat")
    assert manual.startswith("ocx-chat - ")
    assert "EXAMPLES" in manual
    assert "Examples:" in ocx("chat", "--help"), "manual_text.toml is in the wheel"
    assert ocx("help", "ms").startswith("Panduan ringkas ocx")
    assert (tmp_path / "share/man/man1/ocx.1").is_file()
    assert (tmp_path / "share/bash-completion/completions/ocx").is_file()
    assert (site / "ocx/serve/openapi.json").is_file()
