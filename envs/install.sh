#!/bin/sh
# Make or mend the environment .venv from requirements.lock. `make` calls this; by hand: sh envs/install.sh install .venv python3
#
#   check VENV           succeed when VENV is whole: its Python starts, and what was installed is still there
#   install VENV PYTHON  install uv into VENV, unless it is on PATH, and with it the packages of the lock
#
# VENV/.ready lists what a finished install left, the files of packages and those one folder below; VENV/.installing is there
# while one runs, so an interrupted one is seen.
set -eu
LOCK=requirements.lock
NEEDED_MB=${NEEDED_MB:-7500}  # measured: 6.9 GB on Linux with CUDA's libraries, and what unpacking needs on the way

fail() {
  echo "Error: $1" >&2
  exit 1
}

# Run in VENV.
packages() {
  find lib/python*/site-packages -mindepth 1 -maxdepth 2 ! -name __pycache__ 2> /dev/null
}

# What a finished install left in VENV and is there no more, a line each.
lost() {
  (cd "$1" && { echo . && packages; } | awk 'NR == FNR {there[$0]; next} !($0 in there)' - .ready)
}

# The packages of which something is lost, by their lists of files, as options of uv: it takes them for installed.
broken() {
  lost "$1" | sed 's,^lib/[^/]*/site-packages/,,' > "$1/.lost"
  (cd "$1" && awk -F, 'NR == FNR {gone[$0]; next} {split($1, part, "/")}
    part[1] in gone || part[1] "/" part[2] in gone {print FILENAME}' .lost lib/python*/site-packages/*.dist-info/RECORD 2> /dev/null) |
    sed -n 's,.*/\([^/]*\)-[^-]*\.dist-info/RECORD,--reinstall-package \1,p' | sort -u
}

check() {
  "$1/bin/python" -c '' 2> /dev/null && [ -x "$1/bin/snakemake" ] && [ ! -e "$1/.installing" ] &&
    [ -e "$1/.ready" ] && [ -z "$(lost "$1")" ]
}

need_python() {
  command -v "$1" > /dev/null && "$1" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2> /dev/null ||
    fail "Synthorax needs Python 3.11 or newer, and '$1' is none: set PYTHON=/path/to/python3.11"
}

# What VENV already holds need not be stored again.
need_room() {
  free=$(df -Pk . | awk 'NR == 2 {print int($4 / 1024)}')
  held=$(du -skL "$1" 2> /dev/null | awk '{print int($1 / 1024)}')
  wanted=$((NEEDED_MB - ${held:-0}))
  [ "$free" -ge "$wanted" ] ||
    fail "the environment needs $wanted MB of disk in $PWD, and $free MB are free (to try all the same: NEEDED_MB=0)"
}

# uv's entry of the lock, with its hashes.
uv_of_the_lock() {
  awk '/^[A-Za-z]/ {inside = /^uv==/} inside' "$LOCK"
}

# An environment whose Python is gone is made anew; its packages come from uv's cache.
make_venv() {
  if [ -e "$1" ] && ! "$1/bin/python" -c '' 2> /dev/null; then
    echo "$1 has no working Python: made anew"
    find "$1/" -mindepth 1 -maxdepth 1 -exec rm -rf {} +
  fi
  [ -x "$1/bin/python" ] || "$2" -m venv --without-pip "$1" ||
    fail "'$2' cannot make a virtual environment: install your system's package of it (Debian: python3-venv)"
  touch "$1/.installing"
}

install_uv() {
  echo "uv is not on PATH: installed into $1"
  uv_of_the_lock > "$1/uv.lock"
  "$1/bin/python" -m ensurepip > "$1/ensurepip.log" 2>&1 ||
    fail "'$2' has no pip (ensurepip): install uv, or your system's package of it (Debian: python3-venv)"
  "$1/bin/python" -m pip install --disable-pip-version-check --progress-bar on --no-deps --require-hashes -r "$1/uv.lock" ||
    fail "uv could not be installed from the package index (the lines above say why)"
}

install() {
  need_python "$2"
  need_room "$1"
  again=
  [ ! -e "$1/.ready" ] || again=$(broken "$1")
  [ ! -e "$1/.installing" ] || again=--reinstall
  rm -f "$1/.ready"
  make_venv "$1" "$2"
  uv=$(command -v uv) && "$uv" --version > /dev/null 2>&1 || uv=
  if [ -z "$uv" ]; then
    "$1/bin/uv" --version > /dev/null 2>&1 && [ -z "$again" ] || install_uv "$1" "$2"
    uv=$1/bin/uv
  fi
  case $again in
    --reinstall) echo "an interrupted install in $1: every package is installed again" ;;
    ?*) echo "files are gone from $1, installed again:" $(echo "$again" | sed 's/.* //') ;;
  esac
  "$uv" pip sync $again --python "$1/bin/python" --require-hashes "$LOCK" ||
    fail "the packages of $LOCK could not be installed (the lines above say why); the same command goes on"
  (cd "$1" && packages) > "$1/.listed"
  rm -f "$1/.installing"
  mv "$1/.listed" "$1/.ready"
}

"$@"
