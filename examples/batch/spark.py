"""Spark: a partition keeps its pool for all of its rows.

    spark-submit spark.py reviews.parquet moods.parquet

The key, model and base URL are those of `ocx` on each executor (spark.executorEnv.…).
"""

import sys

from pyspark.sql import Row, SparkSession


def add_moods(rows):
    import ocx.batch  # noqa: PLC0415 - on the executor

    rows = list(rows)
    with ocx.batch.Pool(system="Happy or not? One word.", workers=32) as pool:
        results = pool.run([row["text"] for row in rows], ordered=True)
        for row, result in zip(rows, results, strict=True):
            error = result.error.message if result.error else ""
            yield Row(**row.asDict(), mood=result.text or "", error=error)


if __name__ == "__main__":
    source, target = sys.argv[1:]
    spark = SparkSession.builder.appName("ocx").getOrCreate()
    frame = spark.read.parquet(source)
    schema = frame.schema.add("mood", "string").add("error", "string")
    spark.createDataFrame(frame.rdd.mapPartitions(add_moods), schema).write.parquet(target)
    spark.stop()
