#!/usr/bin/env bash
# Writes the miner's file of options from the flight sheet:
#   wallet and worker template  0xADDRESS or 0xADDRESS.WORKER
#   pool URL                    the chain's RPC, http://xenblocks.io
#   pass                        the worker's token, where the marketplace asks for one
#   extra config arguments      lines of the file, such as  mqtt-broker = "tcp://market.example:1883"
#                               (without an mqtt-broker the rig mines without a marketplace)
# HiveOS reads this script with the CUSTOM_ variables of the manifest and the flight sheet set.

quoted() {
  local text=${1//\\/\\\\}
  printf '"%s"' "${text//\"/\\\"}"
}

write_config() {
  local folder address worker
  folder=$(dirname "$CUSTOM_CONFIG_FILENAME")
  address=${CUSTOM_TEMPLATE%%.*}
  worker=${WORKER_NAME:-}
  [[ $CUSTOM_TEMPLATE == *.* ]] && worker=${CUSTOM_TEMPLATE#*.}
  {
    echo "# Written by HiveOS from the flight sheet: change it there."
    echo "miner-addr = $(quoted "$address")"
    [[ -n $worker ]] && echo "worker-id = $(quoted "$worker")"
    echo "rpc-link = $(quoted "${CUSTOM_URL:-http://xenblocks.io}")"
    echo "state-dir = $(quoted "$folder/state")"
    if [[ -n ${CUSTOM_PASS:-} && ${CUSTOM_PASS:-} != x ]]; then
      (umask 077 && printf '%s\n' "$CUSTOM_PASS" >"$folder/token")
      echo "mqtt-password-file = $(quoted "$folder/token")"
    fi
    [[ ${CUSTOM_USER_CONFIG:-} == *mqtt-* ]] || echo "solo = true"
    printf '%s\n' "${CUSTOM_USER_CONFIG:-}"
  } >"$CUSTOM_CONFIG_FILENAME"
}

write_config
