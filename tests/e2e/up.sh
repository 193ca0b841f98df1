#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# A local cluster of three hosts on the default port, until Ctrl-C; its data is gone afterwards.
source "$(dirname "$0")/lib.sh"
cluster_begin
read -ra ports < <(free_ports 9)
coordinator_config 7400
coordinator_start
for i in 0 1 2; do
  host=(host-a host-b host-c)
  agent_config "${host[i]}" "${ports[@]:3 * i:3}"
  agent_start "${host[i]}"
done
wait_until 30 hosts_up 3
fs host list
cat <<TEXT

Three hosts are up; try, in another terminal:

  export PATH=$FORESHIFT_BIN:\$PATH
  foreshift volume create vm1 1GiB --home host-a,host-b
  foreshift volume attach vm1 host-a
  fio --name=vm1 --ioengine=nbd --uri='$(uri host-a vm1)' \\
      --rw=randread --bs=4k --size=128M --time_based --runtime=60
  foreshift hot vm1
  foreshift migrate vm1 --to host-c

Logs are in $CLUSTER. Ctrl-C ends it.
TEXT
sleep infinity
