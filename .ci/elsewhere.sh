# Sourced by the scripts that run the built package on another platform. Their trials are counted in ava's words, so
# that .ci/run adds them to its totals. A script that cannot run says why and counts as one that is skipped.
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
passed=0 failed=0

# trial NAME COMMAND...: what the command prints is shown where it fails.
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
  [ "$failed" -eq 0 ]
  exit
}

# skip PLATFORM REASON
skip() {
  printf '  - %s is skipped: %s\n\n  1 test skipped\n' "$1" "$2"
  exit 0
}

# debian PACKAGE...: installs them; false where that is not possible.
debian() {
  command -v apt-get >/dev/null && [ "$(id -u)" -eq 0 ] || return
  apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "$@"
} >/dev/null 2>&1

# node_for PACKAGE FILE: the path of a Node that npm has for another platform.
node_for() {
  mkdir -p "$work/node" && echo '{}' >"$work/node/package.json" &&
    npm install --prefix "$work/node" --force --ignore-scripts --loglevel=error "$1" >/dev/null 2>&1 &&
    ls "$work/node/node_modules/${1%@*}/bin/$2"
}

# package_for OS CPU: what a user there installs, in $package: the packed files, with the dependencies for that platform.
package_for() {
  package=$work/package
  mkdir "$package" && npm pack --ignore-scripts --silent --pack-destination "$work" >/dev/null &&
    tar -xzf "$work"/espalier-*.tgz -C "$package" --strip-components=1 && cp package-lock.json "$package" &&
    npm ci --prefix "$package" --omit=dev --os="$1" --cpu="$2" --ignore-scripts --loglevel=error
}

# A text of some thousand characters, the same each time.
text() {
  local i
  for ((i = 0; i < 400; i++)); do echo "line $i: the quick brown fox jumps over $((i * 7919 % 1000)) lazy dogs"; done
}
