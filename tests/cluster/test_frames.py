"""`examples/batch/` with the real Ray, Dask and Spark: every row answered, and asked for once."""

from __future__ import annotations

import importlib.metadata
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.cluster.conftest import EXAMPLES
from tests.support.program import KEY
from tests.support.row_server import RowServer

pytestmark = [pytest.mark.cluster, pytest.mark.unmeasured]

COUNT = 300
DEADLINE = 240
"""Seconds. Each starts a cluster of its own on this machine."""


@pytest.mark.parametrize(
    ("example", "package"),
    [("ray_data.py", "ray"), ("dask_frame.py", "dask"), ("spark.py", "pyspark")],
)
def test_an_example_answers_each_row_once(
    rows: RowServer,
    tmp_path: Path,
    record_property: Callable[[str, object], None],
    example: str,
    package: str,
) -> None:
    pytest.importorskip(package, reason=f"no {package}: make test-cluster installs it")
    parquet = pytest.importorskip("pyarrow.parquet")
    import pyarrow

    if package == "pyspark" and shutil.which("java") is None:
        pytest.skip("no java, which Spark needs: apt-get install default-jre-headless")
    texts = [f"row {number}" for number in range(COUNT)]
    (tmp_path / "in").mkdir()
    for part in range(3):
        table = pyarrow.table({"text": texts[part::3]})
        parquet.write_table(table, tmp_path / "in" / f"part-{part}.parquet")
    env = {
        **{name: os.environ[name] for name in ("PATH", "JAVA_HOME") if name in os.environ},
        "HOME": str(tmp_path),
        "OCX_BASE_URL": rows.base_url,
        "OCX_API_KEY": KEY,
        "PYSPARK_PYTHON": sys.executable,
        "SPARK_LOCAL_IP": "127.0.0.1",
        "RAY_USAGE_STATS_ENABLED": "0",
    }
    done = subprocess.run(
        [sys.executable, str(EXAMPLES / example), str(tmp_path / "in"), str(tmp_path / "out")],
        env=env,
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=DEADLINE,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    record_property(package, importlib.metadata.version(package))
    found = parquet.read_table(tmp_path / "out").to_pylist()
    assert sorted((row["text"], row["mood"], row["error"]) for row in found) == sorted(
        (text, text.upper(), "") for text in texts
    )
    assert set(rows.asked.values()) == {1}
    assert len(rows.asked) == COUNT
