#!/usr/bin/env bash
# Train or test on a Slurm cluster; see the usage below. slurm_train.sh and
# slurm_test.sh call it.
set -euo pipefail

command=${1:-}
case $command in
    train) inputs=(CONFIG) ;;
    test) inputs=(CONFIG CHECKPOINT) ;;
    *) printf 'Usage: bash tools/slurm.sh train|test ...\n' >&2; exit 2 ;;
esac
shift
count=${#inputs[@]}

if [ "$#" -lt $((count + 2)) ]; then
    cat >&2 <<USAGE
Usage: bash tools/slurm_$command.sh PARTITION JOB_NAME ${inputs[@]} [options]

  PARTITION  partition of the cluster
  JOB_NAME   name of the job
  options    those of \`localsup $command\`

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
shift 2
inputs=("${@:1:count}")
shift "$count"
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
    python -u "$tools/$command.py" "${inputs[@]}" --launcher slurm "$@"
