#!/usr/bin/env bash
# Evaluate on several GPUs, on one machine or several; see the usage below.
set -euo pipefail

if [ "$#" -lt 3 ]; then
    cat >&2 <<USAGE
Usage: bash tools/dist_test.sh CONFIG CHECKPOINT GPUS \\
           [arguments of tools/test.py]

  CONFIG      test config file
  CHECKPOINT  checkpoint file
  GPUS        number of GPUs on this machine

On several machines run it on each, with these in the environment:
  NNODES       number of machines (1)
  NODE_RANK    number of this machine, from 0 (0)
  MASTER_ADDR  address of machine 0 (127.0.0.1)
  PORT         free port on machine 0 (29500)
USAGE
    exit 2
fi

config=$1
checkpoint=$2
gpus=$3
tools=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)

PYTHONPATH="$(dirname "$tools")${PYTHONPATH:+:$PYTHONPATH}" \
exec python -m torch.distributed.run \
    --nnodes="${NNODES:-1}" \
    --node_rank="${NODE_RANK:-0}" \
    --master_addr="${MASTER_ADDR:-127.0.0.1}" \
    --master_port="${PORT:-29500}" \
    --nproc_per_node="$gpus" \
    "$tools/test.py" "$config" "$checkpoint" --launcher pytorch "${@:4}"
