#!/usr/bin/env bash
# test/bench/xla/on-gpu.sh FOLDER: what there is to check and to measure of engine xla on a machine with a GPU, in ten
# minutes, into a folder: parity, verify-resume, the bench beside PyTorch, and a profile. Run it in a built checkout.
# PEER_PYTHON names a Python with torch; ESPALIER_PARITY a folder of parity cases. Without either, that part is left out.
# Every part runs, and the exit code says whether all went well.
set -uo pipefail
mkdir -p "$1"
out=$(cd "$1" && pwd)
cd "$(dirname "$0")/../../.."
espalier=(node dist/plugins/command-line/shell/main.js)
failed=0

# part NAME SECONDS COMMAND...
part() {
  local name=$1 limit=$2 from=$SECONDS
  shift 2
  timeout "$limit" "$@" >"$out/$name.log" 2>&1
  local status=$?
  [ $status -eq 0 ] || failed=1
  printf '%-14s %s (%d s)\n' "$name" "$([ $status -eq 0 ] && echo ok || echo "FAILED, exit code $status")" $((SECONDS - from))
}

nvidia-smi >"$out/nvidia-smi.log" 2>&1
part install 180 "${espalier[@]}" engine install xla
part doctor 60 "${espalier[@]}" doctor --parity
[ -z "${ESPALIER_PARITY:-}" ] || part parity 60 "${espalier[@]}" parity --engine xla "$ESPALIER_PARITY"
part verify-resume 60 "${espalier[@]}" verify-resume --preset debug --set engine=xla
part bench 210 node dist/test/bench/main.js --parts gpu --no-write --json "$out/bench.json"
# Its log ends with the times of every section and plugin.
part profile 30 "${espalier[@]}" train --preset debug --set engine=xla --set "run.dir=$out/run"
cat "$out/doctor.log"
exit $failed
