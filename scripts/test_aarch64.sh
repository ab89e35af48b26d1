#!/usr/bin/env bash
# Runs MindSpore's aarch64 wheel on an x86-64 machine, by emulation, and compares it with the x86-64 one:
#
#   bash scripts/test_aarch64.sh [--python PATH] [--mindspore VERSION] [--work DIR]
#
#   --work DIR    where the arm64 system and the results are kept (by default ~/.cache/ms_gan/aarch64)
#
# Needs root (for chroot), Debian or Ubuntu, and patience: half an hour or more, and the first start
# downloads. Started again it goes on after the last finished stage. No part of the tests: start it by hand.
# Ends with 0 only if both sides agree within the tolerances of tests/aarch64/smoke.py.
set -euo pipefail
# shellcheck source=scripts/_environment.sh
source "$(dirname -- "$(readlink -f -- "${BASH_SOURCE[0]}")")/_environment.sh"

suite=bookworm # its Python is 3.11
system_packages=python3.11,libgl1,libglib2.0-0,libgomp1
platforms=(manylinux_2_28_aarch64 manylinux2014_aarch64 manylinux_2_17_aarch64 linux_aarch64 any)
rule=/usr/lib/binfmt.d/qemu-aarch64.conf

main() {
  split_arguments "$@"
  choose_work ${arguments[@]+"${arguments[@]}"}
  check_tools
  prepare_environment
  version="$("$python" -c 'import importlib.metadata as found; print(found.version("mindspore"))')"
  packages="$work/packages-$version"
  results="$work/results-$version"
  mkdir -p "$results"
  enable_emulation
  make_system
  add_packages
  say "x86-64: MindSpore $version"
  smoke x86_64 env PYTHONPATH="$root" "$python" "$root/tests/aarch64/smoke.py" run "$results" "$results/data"
  say "aarch64, emulated: MindSpore $version; minutes go by between its lines"
  smoke aarch64 unshare --mount -- bash -euc "$in_system" bash "$work/system" "$root" "$packages" "$results"
  PYTHONPATH="$root" "$python" "$root/tests/aarch64/smoke.py" compare "$results" | tee "$results/compared.txt"
}

choose_work() {
  work="${XDG_CACHE_HOME:-$HOME/.cache}/ms_gan/aarch64"
  case "${1:-}" in
    "") ;;
    --work) work="${2:-}" ;;
    --help | -h) sed -n '2,/^set /{/^#/s/^# \{0,1\}//p}' "${BASH_SOURCE[0]}" && exit 0 ;;
    *) refuse "unknown argument $1; there are --python, --mindspore and --work" ;;
  esac
  [[ -n "$work" && $# -le 2 ]] || refuse "--work needs one folder, such as --work /tmp/aarch64"
  mkdir -p -- "$work" && work="$(cd -- "$work" && pwd)" || refuse "--work $work cannot be made"
}

check_tools() {
  local tool missing=()
  [[ "$HOSTTYPE" == x86_64 ]] || refuse "this machine is $HOSTTYPE: bash scripts/test.sh tests the wheel without emulation"
  for tool in qemu-aarch64-static:qemu-user-static mmdebstrap:mmdebstrap arch-test:arch-test unshare:util-linux; do
    command -v "${tool%%:*}" >/dev/null || missing+=("${tool##*:}")
  done
  ((${#missing[@]} == 0)) || refuse "missing: ${missing[*]}; run: apt-get install qemu-user-static binfmt-support arch-test mmdebstrap"
  ((EUID == 0)) || refuse "needs root, for chroot and mount: sudo bash scripts/test_aarch64.sh"
}

# Makes the kernel start arm64 programs through qemu; containers often lack the mount and the rule.
enable_emulation() {
  local registered=/proc/sys/fs/binfmt_misc
  [[ -e "$registered/register" ]] || mount -t binfmt_misc binfmt_misc "$registered" ||
    fail "$registered cannot be mounted (modprobe binfmt_misc, or a container with --privileged)"
  [[ -e "$registered/qemu-aarch64" ]] || cat -- "$rule" >"$registered/register"
  arch-test arm64 >/dev/null || fail "arm64 programs do not run, although $rule is registered"
}

# An unfinished stage leaves no stamp and is done again from its start.
make_system() {
  [[ ! -f "$work/system.complete" ]] || return 0
  say "making an arm64 Debian in $work/system (about 6 minutes)"
  rm -rf -- "$work/system"
  mmdebstrap --quiet --variant=minbase --architectures=arm64 --include="$system_packages" "$suite" "$work/system"
  touch "$work/system.complete"
}

# The host's pip fetches the wheels for the other machine: the emulated one would take an hour.
add_packages() {
  local stamp="$packages.complete" install=("$python" -m pip install --quiet --disable-pip-version-check)
  ! cmp -s -- "$stamp" "$root/requirements.txt" || return 0
  say "fetching the packages for aarch64 into $packages"
  rm -rf -- "$packages"
  "${install[@]}" --only-binary=:all: "${platforms[@]/#/--platform=}" --python-version=3.11 --target="$packages" \
    --requirement "$root/requirements.txt" "mindspore==$version"
  cp -- "$root/requirements.txt" "$stamp"
}

# In a mount namespace of its own, so that nothing stays mounted, whatever happens. The repository is read-only there.
# shellcheck disable=SC2016
in_system='
  mkdir -p "$1/ms_gan" "$1/packages" "$1/results"
  mount -t proc proc "$1/proc"
  mount --rbind /dev "$1/dev"
  mount --bind "$2" "$1/ms_gan"
  mount -o remount,ro,bind "$1/ms_gan"
  mount --bind "$3" "$1/packages"
  mount --bind "$4" "$1/results"
  # Nothing of the host goes in: a setting made for x86-64 would be one of ours.
  exec env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/root LANG=C.UTF-8 OMP_NUM_THREADS=1 PYTHONDONTWRITEBYTECODE=1 \
    PYTHONPATH=/ms_gan:/packages PYTHONUNBUFFERED=1 \
    chroot "$1" python3.11 /ms_gan/tests/aarch64/smoke.py run /results /results/data
'

# Runs one side; it writes NAME.npz when all of it is done, and NAME.log.
smoke() {
  local name="$1" began=$SECONDS
  shift
  if [[ -f "$results/$name.npz" ]]; then
    say "done before: $results/$name.npz (remove it to run it again)"
    return
  fi
  "$@" 2>&1 | tee "$results/$name.log" || fail "the smoke test failed on $name; its words: $results/$name.log"
  say "$name took $((SECONDS - began)) s"
}

main "$@"
