#!/bin/bash
# Samples the teacher's answers on a SLURM cluster whose nodes share the checkout:
#   CONFIG=my.yaml examples/slurm.sh
# Afterwards `python -m pipeline my.yaml` continues with the merged answers.
set -euo pipefail
export CONFIG="${CONFIG:?CONFIG=my.yaml examples/slurm.sh}" PYTHON="${PYTHON:-.venv/bin/python}"

"$PYTHON" -m pipeline.prepare_data "$CONFIG"
array=$(sbatch --parsable --export=ALL examples/slurm.sbatch)
sbatch --parsable --export=ALL --dependency="afterok:${array%%;*}" --job-name=merge \
  --wrap='exec "$PYTHON" -m teacher "$CONFIG" merge'
