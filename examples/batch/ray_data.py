"""Ray Data: an actor keeps its pool from one block to the next.

    python ray_data.py reviews.parquet moods.parquet

The key, model and base URL are those of `ocx` on each node: set OPENCODEX_API_KEY for the workers.
"""

import sys

import ray

import ocx.batch


class Mood:
    def __init__(self):
        self.pool = ocx.batch.Pool(system="Happy or not? One word.", workers=32)

    def __call__(self, block):
        prompts = [str(text) for text in block["text"]]
        results = list(self.pool.run(prompts, ordered=True))
        block["mood"] = [result.text or "" for result in results]
        block["error"] = [result.error.message if result.error else "" for result in results]
        return block


if __name__ == "__main__":
    source, target = sys.argv[1:]
    rows = ray.data.read_parquet(source)
    # Two actors of 32 requests each: 64 at once in all. They wait, so they take little of a CPU.
    rows.map_batches(Mood, concurrency=2, num_cpus=0.1, batch_size=256).write_parquet(target)
