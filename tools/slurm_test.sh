#!/usr/bin/env bash
# The name that users of OpenMMLab type; see slurm.sh.
exec bash "$(dirname "${BASH_SOURCE[0]}")/slurm.sh" test "$@"
