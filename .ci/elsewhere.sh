# Sourced by the scripts that run the built package on another platform. Results are printed in ava's format, so that
# .ci/run adds them to its totals. A script that cannot run prints the reason and counts as a skipped test.
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
passed=0 failed=0 skipped=0

# trial NAME COMMAND...: runs a test; shows the command's output if it fails.
trial() {
  local name=$1 from=$SECONDS
  shift
  if "$@" >"$work/trial.log" 2>&1; then
    passed=$((passed + 1))
    printf '  ✔ %s (%d s)\n' "$name" $((SECONDS - from))
  else
    failed=$((failed + 1))
    printf '  ✘ %s\n' "$name"
    tail -n 40 "$work/trial.log" | sed 's/^/      /'
  fi
}

finish() {
  printf '\n  %d tests passed\n' "$passed"
  [ "$failed" -eq 0 ] || printf '  %d tests failed\n' "$failed"
  [ "$skipped" -eq 0 ] || printf '  %d tests skipped\n' "$skipped"
  [ "$failed" -eq 0 ]
  exit
}

# without PLATFORM REASON: counts a skipped test, and continues.
without() {
  skipped=$((skipped + 1))
  printf '  - %s is skipped: %s\n' "$1" "$2"
}

# skip PLATFORM REASON
skip() {
  printf '  - %s is skipped: %s\n\n  1 test skipped\n' "$1" "$2"
  exit 0
}

# debian PACKAGE...: installs packages; fails if that is not possible.
debian() {
  command -v apt-get >/dev/null && [ "$(id -u)" -eq 0 ] || return
  apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "$@"
} >/dev/null 2>&1

# find_wine: prints the path of Wine, which it installs if it is missing.
find_wine() {
  wine_here() { command -v wine64 || command -v wine || ls /usr/lib/wine/wine64; } 2>/dev/null
  wine_here || { debian wine64 && wine_here; }
}

# node_for PACKAGE FILE: prints the path of a Node binary for another platform, from npm.
node_for() {
  mkdir -p "$work/node" && echo '{}' >"$work/node/package.json" &&
    npm install --prefix "$work/node" --force --ignore-scripts --loglevel=error "$1" >/dev/null 2>&1 &&
    ls "$work/node/node_modules/${1%@*}/bin/$2"
}

# package_for OS CPU [TARBALL]: installs a packed espalier (by default, what is built here) into $package, with the
# dependencies that the lock file has for that platform, as a user would.
package_for() {
  local packed=${3:-}
  package=$work/package
  [ -n "$packed" ] || packed=$work/$(npm pack --ignore-scripts --silent --pack-destination "$work") || return
  mkdir "$package" && tar -xzf "$packed" -C "$package" --strip-components=1 && cp package.json package-lock.json "$package" &&
    npm ci --prefix "$package" --omit=dev --os="$1" --cpu="$2" --ignore-scripts --loglevel=error
}

# Writes a text of a few thousand characters, always the same.
text() {
  local i
  for ((i = 0; i < 400; i++)); do echo "line $i: the quick brown fox jumps over $((i * 7919 % 1000)) lazy dogs"; done
}
