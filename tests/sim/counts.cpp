// SPDX-License-Identifier: Apache-2.0
#include "tests/sim/counts.hpp"

#include <sys/mman.h>

#include <atomic>
#include <cstddef>
#include <cstdio>
#include <iterator>

namespace foreshift::sim::counts {

namespace {

constexpr auto kinds = static_cast<std::size_t>(count::end_);

constexpr const char* names[] = {
    "data planes killed",
    "coordinators killed",
    "processes stopped",
    "links cut",
    "times of bad wires",
    "connections broken",
    "requests lost",
    "unclear transactions",
    "hosts without power",
    "sites without power",
    "disks full",
    "writes without room",
    "bits flipped at rest",
    "syncs failed",
    "writes failed",
    "reads failed",
    "databases failed",
    "flips",
    "moves",
    "volumes created",
    "volumes deleted",
    "reads",
    "writes",
    "flushes",
    "requests between hosts",
    "replicas compared",
};
static_assert(std::size(names) == kinds);

std::atomic<std::uint64_t>* all = nullptr;

void print(const char* title, count first, count last) {
  auto from = static_cast<std::size_t>(first);
  auto to = static_cast<std::size_t>(last);
  std::uint64_t sum = 0;
  for (auto i = from; i <= to; ++i)
    sum += all[i];
  ::dprintf(1, "%s: %llu (", title, static_cast<unsigned long long>(sum));
  for (auto i = from; i <= to; ++i)
    ::dprintf(1, "%s%llu %s", i == from ? "" : ", ", static_cast<unsigned long long>(all[i].load()),
              names[i]);
  ::dprintf(1, ")\n");
}

} // namespace

void share() {
  auto* at = ::mmap(nullptr, kinds * sizeof *all, PROT_READ | PROT_WRITE,
                    MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  if (at != MAP_FAILED)
    all = static_cast<std::atomic<std::uint64_t>*>(at);
}

const char* name(count what) {
  return names[static_cast<std::size_t>(what)];
}

void add(count what, std::uint64_t by) {
  if (all != nullptr)
    all[static_cast<std::size_t>(what)].fetch_add(by);
}

void print() {
  if (all == nullptr)
    return;
  print("faults", count::kills, count::databases_failed);
  print("orders", count::flips, count::volumes_deleted);
  print("operations checked", count::reads, count::replicas_compared);
}

} // namespace foreshift::sim::counts
