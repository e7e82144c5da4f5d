#!/usr/bin/env bash
# Our hashing against the reference C library's optimised code, built here with -march=native: both
# on one core, in turns, best of three, hashes per second of CPU time. The library's source comes
# from Debian's source package, else from the npm package `argon2`, which carries it whole; or from
# the folder that ARGON2_SOURCE names. Arguments: difficulties in KiB. INSTRUCTIONS=AVX2 leaves out
# AVX-512 on both sides.
set -euo pipefail
house=$(cd "$(dirname "$0")/.." && pwd)
program=${XENBLOCKS:-${CARGO_TARGET_DIR:-$house/target}/release/xenblocks}
[ $# -gt 0 ] || set -- 100 1100 1727 4100 8100 16100 80000
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

source=${ARGON2_SOURCE:-}
if [ -z "$source" ]; then
    cd "$work"
    apt-get source argon2 >log 2>&1 || npm pack argon2 >>log 2>&1 || { cat log >&2; exit 1; }
    for archive in *.tgz; do [ ! -e "$archive" ] || tar xzf "$archive"; done
    source=$(dirname "$(dirname "$(find "$work" -name opt.c | head -1)")")
fi
native=(-march=native) instructions=()
case ${INSTRUCTIONS:-} in
    '') ;;
    AVX2) native+=(-mno-avx512f) instructions=(--instructions AVX2) ;;
    *) echo "INSTRUCTIONS is AVX2 or not set." >&2; exit 2 ;;
esac
"${CC:-cc}" -O3 "${native[@]}" -DNDEBUG -DARGON2_NO_THREADS -I"$source/include" -I"$source/src" \
    "$house/benches/reference.c" "$source"/src/{argon2,core,encoding,opt,blake2/blake2b}.c -o "$work/reference"

ours() {
    "$program" bench --threads 1 --seconds 1 --json "${instructions[@]}" --difficulty "$1" |
        sed -E 's/.*"hashes_per_cpu_second":([0-9.]+).*"argon2_crate_hashes_per_cpu_second":([0-9.]+).*/\1 \2/'
}

printf '%8s %12s %12s %12s %12s %12s\n' m ours reference crate ours/ref ours/crate
for kib in "$@"; do
    for _ in 1 2 3; do
        echo "$(ours "$kib") $("$work/reference" "$kib" 1)"
    done | awk -v m="$kib" '
        { if ($1 > o) o = $1; if ($2 > c) c = $2; if ($3 > r) r = $3 }
        END { printf "%8d %12.1f %12.1f %12.1f %12.2f %12.2f\n", m, o, r, c, o / r, o / c }'
done
