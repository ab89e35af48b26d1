#!/usr/bin/env bash
# Sets up everything that is needed and trains: on an Ascend NPU where there is one, otherwise on the CPU.
#
#   bash scripts/run_ascend.sh [--python PATH | --mindspore VERSION] [--require-ascend] [arguments of `ms-gan train`...]
#
#   --python PATH        use this Python as it is, instead of an active environment or .venv in the repository
#   --mindspore VERSION  use .venv-VERSION in the repository, made with this MindSpore
#   --require-ascend     end with status 2 where no NPU works, instead of training on the CPU
#
# --workers 8 trains on eight NPUs at once, through MindSpore's msrun (docs/workers.md).
# Without --config or --resume it trains the main job, `--config mlp`. DEVICE_ID chooses the NPU, with --workers
# ASCEND_RT_VISIBLE_DEVICES=4,5 the NPUs. Works from any folder: paths, and the folder runs/ with the results and a
# log, are relative to where it was started.
# Ends with the training's own status.
set -euo pipefail
# shellcheck source=scripts/_environment.sh
source "$(dirname -- "$(readlink -f -- "${BASH_SOURCE[0]}")")/_environment.sh"

main() {
  local argument recipe=(--config mlp) logged=1
  split_arguments "$@"
  for argument in ${arguments[@]+"${arguments[@]}"}; do
    case "$argument" in
      --config | --config=* | --resume | --resume=*) recipe=() ;;
      --help | -h) sed -n '2,/^set /{/^#/s/^# \{0,1\}//p}' "${BASH_SOURCE[0]}" && logged="" ;;
      --dry-run) logged="" ;;
    esac
  done
  [[ -z "$logged" ]] || start_log

  find_cann
  # Before CANN is sourced, because pip would take the packages on CANN's PYTHONPATH for installed ones.
  prepare_environment
  [[ -z "$cann" ]] || (add_missing "$root/scripts/requirements-cann.txt") ||
    say "going on without: the trial on the NPU shows whether CANN needs it"
  enter_cann
  show_npus

  # Its lines go through a pipe and would otherwise arrive in blocks.
  export PYTHONUNBUFFERED=1
  # By its path, because `python -m ms_gan` would take a folder ms_gan of the current folder first.
  # exec: signals (Ctrl-C, the TERM of a job scheduler) reach the training itself, and its status is ours.
  exec "$python" "$root/scripts/train.py" ${recipe[@]+"${recipe[@]}"} ${arguments[@]+"${arguments[@]}"}
}

# From here on both streams go to the screen and to a log. So the training sees no terminal and prints plain
# lines instead of a progress bar. tee -i outlives Ctrl-C, for the last words of the training.
start_log() {
  local log
  log="runs/run_ascend-$(date +%Y%m%d-%H%M%S)-$$.log"
  if { mkdir -p runs && : >"$log"; } 2>/dev/null; then
    exec > >(exec tee -i -- "$log") 2>&1
    say "log: $PWD/$log"
  else
    say "no log is kept, because $PWD/runs cannot be written"
  fi
}

# Sets $cann to CANN's set_env.sh: the one that the environment points to, then where the installers put it
# (CANN 8.5 and later: .../cann, before: .../ascend-toolkit; root: /usr/local/Ascend, others: ~/Ascend); and
# $other_canns to the folders of the others.
find_cann() {
  local folder file home="${HOME:-/nonexistent}" candidates=() seen=:
  cann="" other_canns=()
  for folder in "${ASCEND_HOME_PATH:-}" "${ASCEND_TOOLKIT_HOME:-}"; do
    [[ -z "$folder" ]] || candidates+=("$folder/set_env.sh" "$folder/../set_env.sh")
  done
  for file in /etc/Ascend/ascend_cann_install.info "$home/Ascend/ascend_cann_install.info"; do
    [[ ! -f "$file" ]] || candidates_in "$(sed -n 's/^Install_Path=//p' "$file" | tail -n 1)"
  done
  candidates_in /usr/local/Ascend
  candidates_in "$home/Ascend"
  for file in "${candidates[@]}"; do
    [[ -f "$file" ]] || continue
    # One CANN has several: cann is a link to cann-VERSION, ascend-toolkit/latest lies in ascend-toolkit.
    folder="$(readlink -f -- "$(dirname -- "$file")")"
    folder="${folder/\/ascend-toolkit\/*//ascend-toolkit}"
    [[ "$seen" != *":$folder:"* ]] || continue
    seen+="$folder:"
    if [[ -z "$cann" ]]; then cann="$file"; else other_canns+=("$folder"); fi
  done
}

# Adds the places of set_env.sh below an installation folder, the newest version first.
candidates_in() {
  local folder="$1" versioned
  candidates+=("$folder/cann/set_env.sh")
  while IFS= read -r versioned; do
    candidates+=("$versioned")
  done < <(printf '%s\n' "$folder"/cann-*/set_env.sh | sort -rV)
  candidates+=("$folder/ascend-toolkit/set_env.sh" "$folder/ascend-toolkit/latest/set_env.sh")
  candidates+=("$folder/latest/set_env.sh" "$folder/nnae/set_env.sh")
}

enter_cann() {
  local home="${ASCEND_HOME_PATH:-${ASCEND_TOOLKIT_HOME:-}}" folder
  if [[ -n "$home" && ":${LD_LIBRARY_PATH:-}" == *":$home/"* ]]; then
    say "CANN is set up already: $home"
  elif [[ -n "$cann" ]]; then
    say "CANN: sourcing $cann"
    [[ -n "$home" || ${#other_canns[@]} -eq 0 ]] ||
      say "CANN is also in ${other_canns[*]}; ASCEND_HOME_PATH=FOLDER before the command chooses"
    # It is not ours: it reads variables that are not set, and its commands may fail.
    set +eu
    # shellcheck disable=SC1090
    source "$cann" </dev/null
    set -eu
  else
    say "CANN: no set_env.sh found (\$ASCEND_HOME_PATH, /usr/local/Ascend, ~/Ascend)"
    return
  fi
  # The driver's libraries, which set_env.sh leaves to the system and containers often lack.
  for folder in /usr/local/Ascend/driver/lib64/{common,driver}; do
    [[ ! -d "$folder" ]] || export LD_LIBRARY_PATH="${LD_LIBRARY_PATH:+$LD_LIBRARY_PATH:}$folder"
  done
}

# For the reader of the log only: whether an NPU works is found out by the program itself.
show_npus() {
  local report
  command -v npu-smi >/dev/null || return 0
  if report="$(timeout 30 npu-smi info 2>&1)"; then
    say "npu-smi info:"
    printf '%s\n' "$report" | head -n 40 >&2
  else
    say "npu-smi info failed: $(printf '%s\n' "$report" | head -n 3 | tr '\n' ' ')"
  fi
}

main "$@"
