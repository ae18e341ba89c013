"""Dask: each partition of a data frame is a block of rows for one pool.

    python dask_frame.py reviews.parquet moods.parquet

The key, model and base URL are those of `ocx` on each worker.
"""

import sys

import dask.dataframe as dd

import ocx.batch


def add_mood(part):
    with ocx.batch.Pool(system="Happy or not? One word.", workers=32) as pool:
        results = list(pool.run(part["text"].astype(str), ordered=True))
    return part.assign(
        mood=[result.text or "" for result in results],
        error=[result.error.message if result.error else "" for result in results],
    )


if __name__ == "__main__":
    source, target = sys.argv[1:]
    frame = dd.read_parquet(source)
    meta = frame._meta.assign(mood="", error="")
    frame.map_partitions(add_mood, meta=meta).to_parquet(target)
