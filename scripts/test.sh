#!/usr/bin/env bash
# Sets up everything that is needed, then checks format and style and runs the tests:
#
#   bash scripts/test.sh [--python PATH | --mindspore VERSION] [pytest arguments...]
#
#   --python PATH         use this Python as it is, instead of an active environment or .venv in the repository
#   --mindspore VERSION   use .venv-VERSION in the repository, made with this MindSpore: the oldest supported is 2.7.1
#
# Works from any folder; paths among the pytest arguments are relative to the repository.
# Ends with the status of the step that failed, or 0.
set -euo pipefail
# shellcheck source=scripts/_environment.sh
source "$(dirname -- "$(readlink -f -- "${BASH_SOURCE[0]}")")/_environment.sh"

split_arguments "$@"
test_tools=1
prepare_environment
cd -- "$root"
# A notebook is run and event files are written too; what only these need is kept apart from the requirements.
add_missing "$root/requirements-notebooks.txt"
add_missing "$root/requirements-tensorboard.txt"
# Tests start programs in other folders, and an environment that is used as it is does not know ms_gan.
export PYTHONPATH="$root${PYTHONPATH:+:$PYTHONPATH}"
"$python" -m ruff check .
"$python" -m ruff format --check .
# By file: what a file shares is made once. Each process takes about 3 GB.
exec "$python" -m pytest -n auto --maxprocesses 4 --dist loadfile ${arguments[@]+"${arguments[@]}"}
