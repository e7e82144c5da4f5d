#!/usr/bin/env bash
# Lets the fuzzer work on each target for so many seconds (first argument). What it finds of interest is
# kept in target/fuzz and built upon the next time; what breaks a property is named and ends the run.
set -euo pipefail
cd "$(dirname "$0")"
seconds=$1
built=../../target/fuzz
cp ../../Cargo.lock .
options=(--sanitizer none --fuzz-dir . --target-dir "$built")
cargo +nightly fuzz build "${options[@]}"
for target in targets/*.rs; do
    target=$(basename "$target" .rs)
    corpus=$built/corpus/$target
    mkdir -p "$corpus"
    status=0
    cargo +nightly fuzz run "${options[@]}" "$target" "$corpus" "seeds/$target" -- \
        -max_total_time="$seconds" -timeout=30 -print_final_stats=1 -artifact_prefix="$built/found-$target-" \
        >"$built/$target.log" 2>&1 || status=$?
    if [ "$status" != 0 ]; then
        grep -a -m 3 -A 3 -E 'panicked at|ERROR: libFuzzer' "$built/$target.log" || tail -n 20 "$built/$target.log"
        echo "$target: broken by $(ls -t "$built"/found-"$target"-* | head -n 1); put it into seeds/$target under a name" >&2
        exit 1
    fi
    printf '%-13s %s runs\n' "$target" "$(sed -n 's/^stat::number_of_executed_units: *//p' "$built/$target.log")"
done
