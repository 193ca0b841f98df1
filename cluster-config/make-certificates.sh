#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# A trial authority and certificates, valid for a year:
#   make-certificates.sh DIRECTORY coordinator=ADDRESS HOST=ADDRESS...
# writes ca, tool and one pair (NAME.pem, NAME.key) for the coordinator and each host.
set -euo pipefail
(($# >= 2)) || {
  echo "usage: $0 DIRECTORY coordinator=ADDRESS HOST=ADDRESS..." >&2
  exit 2
}
directory=$1
shift
umask 077
mkdir -p "$directory"
cd "$directory"
openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 365 -keyout ca.key \
  -out ca.pem -subj "/CN=Foreshift trial authority" 2>/dev/null
issue() { # FILE COMMON_NAME ADDRESS
  openssl req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout "$1.key" -out "$1.csr" \
    -subj "/CN=$2" 2>/dev/null
  # Doors compare the address as a name, NBD clients as an address.
  openssl x509 -req -in "$1.csr" -CA ca.pem -CAkey ca.key -CAcreateserial -days 365 -out "$1.pem" \
    -extfile <(echo "subjectAltName=DNS:$1,DNS:$3,IP:$3") 2>/dev/null
  rm "$1.csr"
}
issue tool tool:admin 127.0.0.1
for member in "$@"; do
  name=${member%%=*} address=${member#*=}
  [[ $name == coordinator ]] && role=coordinator || role=agent:$name
  issue "$name" "$role" "$address"
done
echo "certificates for tool and $* are in $directory; keep ca.key elsewhere"
