# Sourced by the scripts: makes .venv with the package and the tools it names, once for each state of pyproject.toml.
# Set venv_group before: a dependency group of pyproject.toml, or "" for the package alone.
: "${venv_group?}"
venv_dir=${BUILDKIT_SPEC_VENV:-$PWD/.venv}

venv_python() {
  for name in ${PYTHON:-python3 python3.13 python3.12 python3.11 python3.10}; do
    if command -v "$name" >/dev/null 2>&1 &&
      "$name" -c 'import sys; sys.exit(sys.version_info < (3, 10))' 2>/dev/null; then
      command -v "$name"
      return
    fi
  done
  echo "Python 3.10 or newer is needed: apt-get install python3" >&2
  return 1
}

venv_make() {
  python=$(venv_python)
  if ! "$python" -c 'import ensurepip, venv' 2>/dev/null; then
    if [ "$(id -u)" != 0 ] || ! command -v apt-get >/dev/null; then
      echo "$python has no venv module: install python3-venv with your package manager" >&2
      return 1
    fi
    echo "installing python3-venv" >&2
    apt-get -qq update && apt-get -qq install --yes --no-install-recommends python3-venv >/dev/null
  fi
  "$python" -m venv --clear "$venv_dir"
  "$venv_dir/bin/python" -m pip install --quiet --upgrade 'pip>=25.1' 2>/dev/null
}

venv_stamp="$venv_dir/.stamp-${venv_group:-package}"
venv_state=$(cat pyproject.toml scripts/_venv.sh | sha256sum)
if [ ! -x "$venv_dir/bin/python" ] || [ "$(cat "$venv_stamp" 2>/dev/null)" != "$venv_state" ]; then
  [ -x "$venv_dir/bin/python" ] || venv_make
  "$venv_dir/bin/python" -m pip install --quiet --editable . ${venv_group:+--group "$venv_group"}
  printf '%s' "$venv_state" >"$venv_stamp"
fi
PATH="$venv_dir/bin:$PATH"
export PATH
