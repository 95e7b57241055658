#!/bin/bash
# The teacher's answers on a Ray cluster whose nodes see one checkout, at the same path:
#   CONFIG=my.yaml SHARDS=8 examples/ray.sh
# Every shard is a job of its own with a GPU. Submitted again, each goes on where it was.
set -euo pipefail
config="${CONFIG:?CONFIG=my.yaml SHARDS=8 examples/ray.sh}" shards="${SHARDS:-8}"
python="${PYTHON:-$PWD/.venv/bin/python}"

submit() {  # waits until the job has ended, and fails if it has
  ray job submit "${@:2}" -- bash -c "cd '$PWD' && exec '$python' $1"
}

submit "-m pipeline.prepare_data '$config'"
jobs=()
for shard in $(seq 1 "$shards"); do
  submit "-m teacher '$config' generate --shard $shard/$shards" --entrypoint-num-gpus 1 &
  jobs+=($!)
done
for job in "${jobs[@]}"; do wait "$job"; done
submit "-m teacher '$config' merge"
