# awk -v step=NAME -f .ci/failures.awk LOG LOG: prints each failed test of a log, with the first lines of its message.
# ava lists failures as they occur (`✘`), and explains them at the end, under the title; a trial explains them at once, in 40 lines at most.
function title(line) {
  sub(/^ +✘ /, "", line)
  sub(/^\[fail\]: /, "", line)
  return line
}
FNR == NR {
  if (/^ +✘ /) failed[++n] = title($0)
  else if (/^  [^ ]/) heading[substr($0, 3)] = FNR
  next
}
FNR == 1 {
  for (i = 1; i <= n; i++) if (failed[i] in heading) starts[heading[failed[i]]] = 1
}
/^  (✔ |✘ |─)/ { left = 0 }
/^ +✘ / && !(title($0) in heading) { printf "\n%s: %s\n", step, title($0); left = 40; next }
FNR in starts { printf "\n%s: %s\n", step, title(substr($0, 3)); left = 15; next }
/^  Uncaught exception|^  Unhandled rejection/ { printf "\n%s: %s\n", step, substr($0, 3); left = 15; next }
left > 0 && NF > 0 { print; left-- }
