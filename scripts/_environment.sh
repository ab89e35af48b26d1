# shellcheck shell=bash
# Sourced by run_ascend.sh, test.sh and test_aarch64.sh: finds or makes the Python environment that they use.
#
# The order: --python PATH; then .venv-VERSION for --mindspore VERSION; then an active environment (VIRTUAL_ENV,
# CONDA_PREFIX), used as it is, so that a ModelArts image's own MindSpore is used; then .venv. Both .venv and
# .venv-VERSION lie in the repository and are made on the first start.

# Physical path of the repository, also when the script was called through a link from another folder.
root="$(cd -P -- "$(dirname -- "$(readlink -f -- "${BASH_SOURCE[0]}")")/.." && pwd)"
own_environment="$root/.venv"
python=""       # set by prepare_environment: the Python to use, by its full path
named_python="" # set by split_arguments: what --python gave
mindspore=""    # set by split_arguments: what --mindspore gave
arguments=()    # set by split_arguments: everything else
test_tools=""   # set by test.sh: an environment that is used as it is needs those of the tests too
# What the supported releases of MindSpore have wheels for on PyPI.
pythons="3.10, 3.11, 3.12"

say() {
  printf '%s: %s\n' "$(basename -- "$0")" "$*" >&2
}

refuse() {
  say "$@"
  exit 2
}

# Takes --python PATH and --mindspore VERSION out of the arguments of a script.
split_arguments() {
  while (($#)); do
    case "$1" in
      --python)
        [[ -n "${2:-}" ]] || refuse "--python needs the path of a Python, such as --python /usr/bin/python3.11"
        named_python="$2"
        shift
        ;;
      --python=*) named_python="${1#--python=}" ;;
      --mindspore)
        choose_mindspore "${2:-}"
        shift
        ;;
      --mindspore=*) choose_mindspore "${1#--mindspore=}" ;;
      *) arguments+=("$1") ;;
    esac
    shift
  done
  [[ -z "$named_python" || -z "$mindspore" ]] || refuse "--mindspore makes an environment of its own; leave --python away"
}

choose_mindspore() {
  [[ "$1" =~ ^[0-9]+(\.[0-9]+)+(\.post[0-9]+)?$ ]] || refuse "--mindspore needs a version, such as --mindspore 2.7.1"
  mindspore="$1"
  # 2.7.2 is the first release with wheels for 3.12.
  [[ "$(printf '%s\n' 2.7.2 "$mindspore" | sort -V | head -n 1)" == 2.7.2 ]] || pythons="3.10, 3.11"
  own_environment="$root/.venv-$mindspore"
}

# Prints "3.11" for a Python that really runs (the shims of pyenv exist for versions that are not there).
version_of() {
  "$1" -c 'import sys; print("%d.%d" % sys.version_info[:2])' 2>/dev/null
}

has_wheels() {
  [[ ", $pythons," == *", $1,"* ]]
}

# Sets $python, and installs what is missing for it.
prepare_environment() {
  local version active="${VIRTUAL_ENV:-${CONDA_PREFIX:-}}"
  if [[ -n "$named_python" ]]; then
    version="$(version_of "$named_python")" || refuse "--python $named_python cannot be run"
    has_wheels "$version" || refuse "--python $named_python is Python $version; MindSpore has wheels for $pythons"
    use_as_it_is "$named_python"
  elif [[ -z "$mindspore" && -n "$active" && ! "$active" -ef "$own_environment" ]]; then
    version="$(version_of "$active/bin/python")" || version="one that does not run"
    if has_wheels "$version"; then
      use_as_it_is "$active/bin/python"
    else
      say "the Python of the active environment $active is $version, which MindSpore has no wheels for; using .venv instead"
      use_own_environment
    fi
  else
    use_own_environment
  fi
}

# An environment that somebody else made: nothing in it is changed, only what is missing is added.
use_as_it_is() {
  python="$(command -v -- "$1")"
  [[ "$python" == /* ]] || python="$PWD/$python"
  say "using $python as it is"
  add_missing "$root/requirements.txt"
}

# Installs those requirements of a file whose modules are missing.
add_missing() {
  local listed line missing=()
  listed="$("$python" "$root/ms_gan/device/requirements.py" ${test_tools:+--tests} "$1")" || exit $?
  [[ -n "$listed" ]] || return 0
  while IFS= read -r line; do missing+=("$line"); done <<<"$listed"
  say "installing what is missing there: ${missing[*]}"
  "$python" -m pip --version >/dev/null 2>&1 ||
    refuse "$python has no pip; run: $python -m ensurepip (or: uv pip install --python $python -r $1)"
  # The requirements are the constraints too, or a new package might bring numpy 2.
  "$python" -m pip install -qq --disable-pip-version-check --constraint "$root/requirements.txt" "${missing[@]}" ||
    fail "pip could not install that into the environment of $python (its words are above)"
}

fail() {
  say "$@"
  exit 1
}

# The environment in the repository: made once, updated when what it was made from has changed.
use_own_environment() {
  python="$own_environment/bin/python"
  is_complete && return
  # Two scripts started at once must not both install; the lock goes with its process.
  exec 9<"$root"
  ! command -v flock >/dev/null || flock 9
  is_complete || make_own_environment
  exec 9<&-
}

# What it depends on. The repository's path is part of it: a copied or moved environment points to the old place.
stamp() {
  printf '%s\n' "$root"
  cat -- "$root/pyproject.toml" "$root/requirements.txt"
}

is_complete() {
  [[ -f "$own_environment/.complete" ]] && cmp -s -- "$own_environment/.complete" <(stamp) && version_of "$python" >/dev/null
}

make_own_environment() {
  local base
  if ! has_wheels "$(version_of "$python")" || ! "$python" -m pip --version >/dev/null 2>&1; then
    base="$(find_python)" || exit $?
    say "making the environment $own_environment with $base (Python $(version_of "$base"))"
    "$base" -m venv --clear "$own_environment" || fail "$base could not make $own_environment"
  fi
  # The stamp goes first and comes back last, so that an interrupted installation is done again.
  rm -f -- "$own_environment/.complete"
  say "installing the packages of requirements.txt into ${own_environment##*/} (the first time about 400 MB and a minute or two)"
  # What is imported is compiled then; to compile all packages costs a third of pip's CPU time.
  local install=("$python" -m pip install -qq --disable-pip-version-check --no-compile)
  "${install[@]}" --requirement "$root/requirements.txt" ${mindspore:+"mindspore==$mindspore"} ||
    fail "pip could not install the requirements (its words are above); start again to go on"
  if ! "$python" -c 'import cv2' 2>/dev/null; then
    say "cv2 cannot be imported (machines without a screen lack libGL): taking opencv-python-headless instead"
    # Both go, because they share their files and removing one spoils the other.
    "$python" -m pip uninstall -qq --yes opencv-python opencv-python-headless
    "${install[@]}" --constraint "$root/requirements.txt" 'opencv-python-headless<5' || fail "pip could not install it"
  fi
  "${install[@]}" --no-deps --editable "$root" || fail "pip could not install ms_gan itself (its words are above)"
  stamp >"$own_environment/.complete"
}

# Prints the first Python on PATH that MindSpore has wheels for and that can make environments.
find_python() {
  local name version found=""
  for name in python3.11 python3.10 python3.12 python3 python; do
    version="$(version_of "$name")" || continue
    # An active .venv cannot be remade by itself.
    [[ "$(command -v -- "$name")" != "$own_environment"/* ]] || continue
    if ! has_wheels "$version"; then
      found+="$name is $version; "
    elif "$name" -c 'import ensurepip, venv' 2>/dev/null; then
      command -v -- "$name"
      return
    else
      found+="$name has no venv module (on Debian and Ubuntu: apt-get install python$version-venv); "
    fi
  done
  refuse "MindSpore${mindspore:+ $mindspore} needs one of Python $pythons, with venv; found: ${found:-none; }install one (apt-get install python3.11 python3.11-venv; yum install python3) or name one with --python PATH"
}
