#!/bin/bash
# The teacher's answers on a SLURM cluster, from a checkout that all nodes see:
#   CONFIG=my.yaml examples/slurm.sh
# Then `python -m pipeline my.yaml` goes on with what was merged.
set -euo pipefail
export CONFIG="${CONFIG:?CONFIG=my.yaml examples/slurm.sh}" PYTHON="${PYTHON:-.venv/bin/python}"

"$PYTHON" -m pipeline.prepare_data "$CONFIG"
array=$(sbatch --parsable --export=ALL examples/slurm.sbatch)
sbatch --parsable --export=ALL --dependency="afterok:${array%%;*}" --job-name=merge \
  --wrap='exec "$PYTHON" -m teacher "$CONFIG" merge'
