#!/usr/bin/env bash
# Sets up what a make target needs: `python` makes the virtual environment, `peers` installs Debian packages.
# Where it may not install something it says what to install, and fails.
set -euo pipefail
cd "$(dirname "$0")/.."

apt_install() {
  if [ "$(id -u)" -ne 0 ] || ! command -v apt-get >/dev/null; then
    echo "missing: $*" >&2
    echo "install them, on Debian: sudo apt-get install $*" >&2
    exit 1
  fi
  export DEBIAN_FRONTEND=noninteractive
  apt-get update -qq
  apt-get install -y -qq --no-install-recommends "$@" >/dev/null
}

python_env() {
  local python=${PYTHON:-python3} venv=${VENV:-.venv}
  command -v "$python" >/dev/null || apt_install python3 python3-venv
  "$python" -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))' ||
    { echo "hypercare needs Python 3.11 to 3.13; $python is $("$python" -V). Give another one: make PYTHON=python3.11" >&2; exit 1; }
  "$python" -c 'import ensurepip, venv' 2>/dev/null || apt_install python3-venv
  [ -x "$venv/bin/python" ] || "$python" -m venv "$venv"
  "$venv/bin/python" -m pip install --quiet --disable-pip-version-check --editable '.[dev]'
  "$venv/bin/python" -m compileall -q src # as pip does with what it installs
}

peers() {
  local missing=()
  command -v prometheus >/dev/null || missing+=(prometheus)
  command -v prometheus-alertmanager >/dev/null || missing+=(prometheus-alertmanager)
  command -v victoria-metrics >/dev/null || missing+=(victoria-metrics)
  command -v chromium >/dev/null || missing+=(chromium)
  # Containers to discover; only root may run them there.
  [ "$(id -u)" -ne 0 ] || command -v podman >/dev/null || missing+=(podman runc)
  [ "$(id -u)" -ne 0 ] || command -v busybox >/dev/null || missing+=(busybox-static)
  [ ${#missing[@]} -eq 0 ] || apt_install "${missing[@]}"
}

case "${1:-}" in
  python) python_env ;;
  peers) peers ;;
  *) echo "usage: $0 python|peers" >&2; exit 2 ;;
esac
