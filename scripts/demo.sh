#!/usr/bin/env bash
# One rental from start to settlement: starts a marketplace of its own, rents the worker that really
# hashes, waits for blocks, stops the lease and shows what it cost. Usage: scripts/demo.sh PROGRAM
set -euo pipefail

program=$1
command -v curl >/dev/null || { echo "curl is missing: install it (Debian and Ubuntu: apt-get install curl)." >&2; exit 1; }

folder=$(mktemp -d)
"$program" play --workers 3 --mqtt-port 0 --api-port 0 --db-path "$folder/demo.db" \
  >"$folder/out" 2>"$folder/log" &
platform=$!
finish() {
  kill -INT "$platform" 2>/dev/null || true
  wait "$platform" 2>/dev/null || true
  rm -rf "$folder"
}
trap finish EXIT

fail() {
  echo "demo: $1; the end of the log:" >&2
  tail -n 20 "$folder/log" >&2
  exit 1
}

# Asks COMMAND every quarter of a second until it succeeds, for at most SECONDS.
until_true() {
  local seconds=$1 what=$2 deadline
  shift 2
  deadline=$((SECONDS + seconds))
  until "$@"; do
    kill -0 "$platform" 2>/dev/null || fail "the platform ended"
    ((SECONDS < deadline)) || fail "$what did not happen within $seconds s"
    sleep 0.25
  done
}

# A field of a JSON object on one line; enough for answers of this API.
field() { sed -nE "s/.*\"$1\": *\"?([^\",}]*)\"?.*/\1/p"; }
get() { curl -sS --max-time 10 "$url$1"; }
post() { curl -sS --max-time 10 -X POST "$url$1" -H 'Content-Type: application/json' -d "$2"; }

until_true 30 "the start" grep -q '"listening"' "$folder/out"
url=$(grep '"listening"' "$folder/out" | field url)
echo "1. A marketplace runs at $url, with a worker that really hashes and a simulated fleet."

rented() {
  lease=$(post /api/rent '{"consumer_id":"consumer-1","worker_id":"cpu-worker-1","duration_sec":600}')
  id=$(field lease_id <<<"$lease")
  [ -n "$id" ]
}
before=$(get /api/accounts/consumer-1/balance | field balance)
until_true 30 "the rental" rented
echo "2. consumer-1, who has $before, rents cpu-worker-1 for ten minutes: $id."
echo "   Its keys must begin with $(field prefix <<<"$lease")."

blocks() { get "/api/leases/$id" | field blocks_found; }
found_some() { [ "$(blocks)" -ge 3 ]; }
until_true 120 "a third block" found_some
echo "3. It mines for consumer-1 now; every hash that it reports is recomputed before its block counts."
for second in 1 2 3 4 5; do
  sleep 1
  echo "   after $second s: $(blocks) blocks"
done

settled=$(post /api/stop "{\"lease_id\":\"$id\"}")
cost=$(field total_cost <<<"$settled")
[ -n "$cost" ] || fail "the lease was not settled: $settled"
echo "4. Stopped after $(field duration_sec <<<"$settled") s: it cost $cost, of which the provider gets" \
  "$(field provider_payment <<<"$settled") and the platform $(field platform_fee <<<"$settled")."
echo "   consumer-1 has $(get /api/accounts/consumer-1/balance | field balance)."
