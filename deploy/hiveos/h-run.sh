#!/usr/bin/env bash
# Runs the miner in the foreground; HiveOS starts it again when it ends.
cd "$(dirname "${BASH_SOURCE[0]}")" || exit 1
# shellcheck source=h-manifest.conf
. ./h-manifest.conf
mkdir -p "$(dirname "$CUSTOM_LOG_BASENAME")"
./xenblocks worker --config "$CUSTOM_CONFIG_FILENAME" 2>&1 | tee --append "$CUSTOM_LOG_BASENAME.log"
exit "${PIPESTATUS[0]}"
