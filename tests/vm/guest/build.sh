#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# usage: build.sh DIRECTORY
# Makes the test guest there: vmlinuz and the modules out of Debian's cloud kernel package, an
# initramfs with our I/O generator and nothing else, and the tools the host needs. What is newer
# than its sources is kept; 77 if the package cannot be had.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
out=${1:?directory}
mkdir -p "$out"
cd "$out"
exec 9>lock
flock 9

# In the order in which they are loaded.
modules=('*/virtio/virtio_ring' '*/virtio/virtio' '*/virtio/virtio_pci_legacy_dev'
  '*/virtio/virtio_pci_modern_dev' '*/virtio/virtio_pci' '*/block/virtio_blk'
  '*/char/virtio_console')

fetch_kernel() {
  local package file i
  package=$(apt-cache depends --important linux-image-cloud-amd64 2>/dev/null |
    sed -n 's/.*Depends: \(linux-image-.*\)/\1/p' | head -n 1)
  rm -rf package root
  mkdir -p package root/dev root/lib
  if [[ -z $package ]] || ! (cd package && apt-get download -q "$package" >download.log 2>&1); then
    echo "skipped: Debian's package linux-image-cloud-amd64 cannot be had here"
    exit 77
  fi
  file=$(echo package/*.deb)
  dpkg-deb --fsys-tarfile "$file" |
    tar -x -C package --wildcards './boot/vmlinuz-*' "${modules[@]/%/.ko}"
  i=0
  for module in "${modules[@]}"; do
    find package -name "${module##*/}.ko" -exec cp {} "root/lib/$(printf '%02d' $i).ko" \;
    i=$((i + 1))
  done
  cp package/boot/vmlinuz-* vmlinuz
  rm -rf package
}

compile() { # PROGRAM FLAG...
  local program=$1
  shift
  [[ $program -nt $here/$program.c && $program -nt $here/stamp.h &&
    $program -nt $here/record.h ]] ||
    gcc -std=gnu11 -O2 -Wall -Wextra -Werror "$@" -o "$program" "$here/$program.c" -lm
}

[[ -s vmlinuz && -s root/lib/06.ko && vmlinuz -nt $here/build.sh ]] || fetch_kernel
compile iogen -static
compile collect
compile stamps
if [[ ! initramfs -nt iogen || ! initramfs -nt vmlinuz ]]; then
  cp iogen root/init
  (cd root && find . | LC_ALL=C sort | cpio -o -H newc --quiet) >initramfs.new
  mv initramfs.new initramfs
fi
