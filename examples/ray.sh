#!/bin/bash
# Samples the teacher's answers on a Ray cluster whose nodes share the checkout at one path:
#   CONFIG=my.yaml SHARDS=8 examples/ray.sh
# Each shard is a job with one GPU. Run the script again to resume unfinished shards.
set -euo pipefail
config="${CONFIG:?CONFIG=my.yaml SHARDS=8 examples/ray.sh}" shards="${SHARDS:-8}"
python="${PYTHON:-$PWD/.venv/bin/python}"

submit() {  # waits for the job, and fails if it fails
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
