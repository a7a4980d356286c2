#!/bin/sh
# Measures what receiving an upload costs by recv+pwrite and by splice, on disk and on tmpfs.
#   bench/upload_paths.sh [MiB [rounds [folder on disk]]]      (default: 512 5 .)
# Builds the program into build/bench/ when it is not there. Say what else the machine was doing: the least
# figure of each row is the one that a busy machine spoils least.
set -eu
top=$(cd "$(dirname "$0")/.." && pwd)
program=$top/build/bench/upload_paths
if [ ! -d "$top/build" ]; then
	meson setup "$top/build" "$top" >/dev/null
fi
ninja -C "$top/build" bench/upload_paths >/dev/null
exec "$program" -m "${1:-512}" -r "${2:-5}" -d "${3:-.}" -d /dev/shm
