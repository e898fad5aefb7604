#!/usr/bin/env bash
# Evaluate on a Slurm cluster; see the usage below.
set -euo pipefail

if [ "$#" -lt 4 ]; then
    cat >&2 <<USAGE
Usage: bash tools/slurm_test.sh PARTITION JOB_NAME CONFIG CHECKPOINT \\
           [arguments of tools/test.py]

  PARTITION   partition of the cluster
  JOB_NAME    name of the job
  CONFIG      test config file
  CHECKPOINT  checkpoint file

From the environment:
  GPUS           number of GPUs in all (4)
  GPUS_PER_NODE  number of GPUs on each machine (4)
  CPUS_PER_TASK  number of CPU cores for each GPU (5)
  SRUN_ARGS      more arguments of srun, separated by spaces
USAGE
    exit 2
fi

partition=$1
job_name=$2
config=$3
checkpoint=$4
gpus_per_node=${GPUS_PER_NODE:-4}
tools=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
read -r -a srun_args <<<"${SRUN_ARGS:-}"

PYTHONPATH="$(dirname "$tools")${PYTHONPATH:+:$PYTHONPATH}" \
exec srun \
    --partition="$partition" \
    --job-name="$job_name" \
    --gres="gpu:$gpus_per_node" \
    --ntasks="${GPUS:-4}" \
    --ntasks-per-node="$gpus_per_node" \
    --cpus-per-task="${CPUS_PER_TASK:-5}" \
    --kill-on-bad-exit=1 \
    ${srun_args[@]+"${srun_args[@]}"} \
    python -u "$tools/test.py" "$config" "$checkpoint" --launcher slurm \
    "${@:5}"
