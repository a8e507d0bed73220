#!/bin/sh
# One phase of the redeploy test: run.sh simulate | begin RECEIPT | verify RECEIPT
#
# LEVEL and PROBES are those of `python -m memory_core redeploy-test --help`. The report goes to
# the output; on GitHub its first line goes to the job's summary, and the verdict to the outputs.
# The exit code is that of the command: 0 only if the verdict is PASS, or every probe was stored.
set -u

mode=${1:-} receipt=${2:-receipt.json}
case $mode in
    simulate) set -- --level "${LEVEL:-redeploy}" --probes "${PROBES:-12}" ;;
    begin) set -- --receipt "$receipt" --probes "${PROBES:-12}" ;;
    verify) set -- --receipt "$receipt" ;;
    *)
        echo "run.sh: '$mode' is no phase; use simulate, begin or verify" >&2
        exit 2
        ;;
esac

report=$(python -m memory_core redeploy-test "$mode" "$@")
code=$?
printf '%s\n' "$report"
first=$(printf '%s\n' "$report" | head -n 1)
if [ "$mode" != begin ] && [ -n "${GITHUB_OUTPUT:-}" ]; then
    printf 'verdict=%s\n' "${first%%:*}" >>"$GITHUB_OUTPUT"
fi
if [ -n "${GITHUB_STEP_SUMMARY:-}" ]; then
    printf '### Redeploy test, %s\n\n%s\n' "$mode" "${first:-No report; see the log.}" >>"$GITHUB_STEP_SUMMARY"
fi
exit "$code"
