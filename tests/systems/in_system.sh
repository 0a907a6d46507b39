#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Copyright the qloom authors
#
# Runs a command in a system that lies in a folder. Only for debian.sh, which gives it a mount namespace.
#
#   tests/systems/in_system.sh <folder of the system> <folder of the tree in it> <command> [arguments]
set -euo pipefail

system="$1" tree="$2"
shift 2
mount -t proc proc "$system/proc"
mount --rbind /dev "$system/dev"
if [[ -n ${QLOOM_SYSTEMS_CCACHE:-} ]]; then
  mkdir -p "$QLOOM_SYSTEMS_CCACHE" "$system/root/.cache/ccache"
  mount --bind "$QLOOM_SYSTEMS_CCACHE" "$system/root/.cache/ccache"
fi
# a newcomer's environment, but for the way to the net, and for threads and time where the machine is busy
environment=(HOME=/root LANG=C.UTF-8 PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin)
for name in http_proxy https_proxy no_proxy "${!PIP_@}" OMP_NUM_THREADS OMP_WAIT_POLICY QLOOM_TEST_PATIENCE; do
  [[ -z ${!name:-} ]] || environment+=("$name=${!name}")
done
[[ ! -f $system/etc/pip_certificates.crt ]] || environment+=(PIP_CERT=/etc/pip_certificates.crt)
exec chroot "$system" env -i "${environment[@]}" \
  bash -c 'cd "$1" && shift && exec "$@"' bash "$tree" "$@"
