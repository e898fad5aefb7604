#!/usr/bin/env bash
# Train or test on several GPUs, on one machine or several, by torchrun; see
# the usage below. dist_train.sh and dist_test.sh call it.
set -euo pipefail

command=${1:-}
case $command in
    train) inputs=(CONFIG) ;;
    test) inputs=(CONFIG CHECKPOINT) ;;
    *) printf 'Usage: bash tools/dist.sh train|test ...\n' >&2; exit 2 ;;
esac
shift
count=${#inputs[@]}

if [ "$#" -le "$count" ]; then
    cat >&2 <<USAGE
Usage: bash tools/dist_$command.sh ${inputs[@]} GPUS [options]

  GPUS     number of GPUs on this machine
  options  those of \`localsup $command\`

On several machines run it on each, with these in the environment:
  NNODES       number of machines (1)
  NODE_RANK    number of this machine, from 0 (0)
  MASTER_ADDR  address of machine 0 (127.0.0.1)
  PORT         free port on machine 0 (29500)
USAGE
    exit 2
fi

inputs=("${@:1:count}")
shift "$count"
gpus=$1
shift
port=${PORT:-29500}
# torchrun would say so only after all of its imports, and at length
if [ "${NODE_RANK:-0}" = 0 ] && (exec 3<>"/dev/tcp/127.0.0.1/$port") 2>/dev/null
then
    printf 'PORT should be free, but %s is in use. Set PORT=%s, say.\n' \
        "$port" "$((port + 1))" >&2
    exit 1
fi
tools=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)

PYTHONPATH="$(dirname "$tools")${PYTHONPATH:+:$PYTHONPATH}" \
exec python -m torch.distributed.run \
    --nnodes="${NNODES:-1}" \
    --node_rank="${NODE_RANK:-0}" \
    --master_addr="${MASTER_ADDR:-127.0.0.1}" \
    --master_port="$port" \
    --nproc_per_node="$gpus" \
    "$tools/$command.py" "${inputs[@]}" --launcher pytorch "$@"
