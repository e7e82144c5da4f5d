#!/usr/bin/env bash
# Sets khs and stats, which HiveOS reads after it has read this script. The cards' temperatures and fans
# come from HiveOS's own gpu-stats, matched by bus; a device without a bus there shows 0.
# shellcheck disable=SC2034

API_URL=${API_URL:-http://127.0.0.1:42069/stats}
khs=0
stats=null

miner_stats=$(curl --silent --fail --max-time 5 "$API_URL")
cards=$(gpu-stats 2>/dev/null || true)
[[ -n $cards ]] || cards='{}'

if [[ -n $miner_stats ]]; then
  khs=$(jq '.totalHashrate / 1000' <<<"$miner_stats")
  stats=$(jq --compact-output --argjson cards "$cards" '
    def hex: ascii_downcase | explode | reduce .[] as $c (0; . * 16 + (if $c > 96 then $c - 87 else $c - 48 end));
    [$cards.busids // [] | .[] | split(":") | .[if length > 2 then 1 else 0 end] | hex] as $buses
    | def of($bus; $list): ($buses | index($bus)) as $place
        | if $place == null then 0 else ($list[$place] // 0 | tonumber) end;
    {
      hs: [.gpus[].hashrate],
      hs_units: "hs",
      temp: [.gpus[] | of(.busId; $cards.temp // [])],
      fan: [.gpus[] | of(.busId; $cards.fan // [])],
      uptime,
      ver: .version,
      ar: [.acceptedBlocks, .rejectedBlocks],
      algo: "argon2id",
      bus_numbers: [.gpus[].busId]
    }' <<<"$miner_stats")
fi
