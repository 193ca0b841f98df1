# SPDX-License-Identifier: Apache-2.0
@0x985295c7fbaf43ab;
using Cxx = import "/capnp/c++.capnp";
$Cxx.namespace("foreshift::schema");

# What agents measure. A missing source is absent and named, never guessed.

struct IoCounters {
  # Totals since the process started.
  reads      @0 :UInt64;
  writes     @1 :UInt64;
  readBytes  @2 :UInt64;
  writeBytes @3 :UInt64;
  flushes    @4 :UInt64;
  errors     @5 :UInt64;
  readLatency  @6 :List(UInt64);
    # histogram: bucket i counts latencies in [2^i, 2^(i+1)) microseconds/8; 32 buckets
  writeLatency @7 :List(UInt64);
}

struct DiskSpace {
  totalBytes   @0 :UInt64;
  freeBytes    @1 :UInt64;       # what new copies may use: free less the reserve
  reserveBytes @2 :UInt64;
}

struct HostSample {
  cpuShare       @0 :Float64;    # 0..1 of all cores, since the previous sample
  cores          @1 :UInt32;
  memoryBytes    @2 :UInt64;
  memoryFreeBytes @3 :UInt64;    # MemAvailable
  load1          @4 :Float64;
  netRxBytes     @5 :UInt64;     # per second, loopback included
  netTxBytes     @6 :UInt64;
  diskReadBytes  @7 :UInt64;     # per second, all disks
  diskWriteBytes @8 :UInt64;
  missing        @9 :List(Text); # sources that could not be read
}

struct VciSample {
  volume      @0 :UInt64;
  pid         @1 :UInt32;
  command     @2 :Text;
  cpuShare    @3 :Float64;       # of one core
  rssBytes    @4 :UInt64;
  pageFaults  @5 :UInt64;
    # per second: the memory-access signal available without a hypervisor
  readBytes   @6 :UInt64;        # per second, from /proc/PID/io
  writeBytes  @7 :UInt64;
  cgroup      @8 :Text;
  cgroupCpuShare @9 :Float64;
  cgroupMemoryBytes @10 :UInt64;
  missing     @11 :List(Text);
  sources     @12 :List(Text);   # beside /proc and cgroup: qmp, libvirt
  # By QEMU's own count (query-blockstats) of the drive on this volume, per second; with qmp.
  guestReads  @13 :Float64;
  guestWrites @14 :Float64;
  guestReadBytes  @15 :UInt64;
  guestWriteBytes @16 :UInt64;
  guestReadUs  @17 :Float64;     # mean time of a request, as the guest's device sees it
  guestWriteUs @18 :Float64;
  dirtyBytes   @19 :UInt64;      # of RAM, per second (calc-dirty-rate); with qmp
  # By libvirt.
  domain       @20 :Text;
  domainState  @21 :Text;        # running, paused, ...
  memoryBytes  @22 :UInt64;      # of the guest, ballooning included
  domainCpuShare @23 :Float64;   # of one core
}

struct NbsrSample {
  # One partition host's storage service, since the previous sample.
  readIops    @0 :Float64;
  writeIops   @1 :Float64;
  readBytes   @2 :UInt64;        # per second
  writeBytes  @3 :UInt64;
  readP50Us   @4 :Float64;
  readP99Us   @5 :Float64;
  writeP99Us  @6 :Float64;
  disk        @7 :DiskSpace;
  volumes     @8 :UInt32;
}
