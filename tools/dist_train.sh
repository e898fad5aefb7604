#!/usr/bin/env bash
# The name that users of OpenMMLab type; see dist.sh.
exec bash "$(dirname "${BASH_SOURCE[0]}")/dist.sh" train "$@"
