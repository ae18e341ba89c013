#!/usr/bin/env bash
# Usage: parallel.sh IN [OPTIONS of ocx batch]
#
# Sends IN in SHARDS processes (default 8) with GNU parallel and writes out-0.jsonl, out-1.jsonl
# and so on. A shard that fails is resumed twice. Safe to repeat: finished rows are not sent again.
# Exits with the status of the first shard that failed, else of `ocx batch verify`.
set -euo pipefail

input=${1:?usage: parallel.sh IN [OPTIONS]}
shards=${SHARDS:-8}

# All shards run at once, so "soon" ends none of them: it only makes parallel exit as they did.
seq 0 $((shards - 1)) |
  parallel --quote --jobs "$shards" --retries 3 --halt soon,fail=1 --line-buffer --tag \
    ocx batch "$@" --shard "{}/$shards" -o 'out-{shard}.jsonl' --resume

for ((shard = 0; shard < shards; shard++)); do outputs+=("out-$shard.jsonl"); done
ocx batch verify "$input" "${outputs[@]}"
