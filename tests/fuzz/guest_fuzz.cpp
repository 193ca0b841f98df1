// SPDX-License-Identifier: Apache-2.0
// What hypervisors tell of their guests: libvirt's XML of a domain, QEMU's answers about drives.
#include "core/libvirt/libvirt_watch.hpp"
#include "core/vm/qmp_drives.hpp"

#include <nlohmann/json.hpp>

#include <algorithm>

using namespace foreshift;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  std::string text{reinterpret_cast<const char*>(data), size};
  for (auto& disk : nbd_disks_in(text))
    FORESHIFT_ENSURE(!disk.volume.empty() && !disk.target.empty());
  (void)qmp::export_in(text);
  auto cut = std::min(text.find('\n'), text.size());
  auto parse = [](std::string_view part) {
    auto x = nlohmann::json::parse(part.begin(), part.end(), nullptr, false);
    return x.is_discarded() ? nlohmann::json{} : x;
  };
  auto blocks = parse(std::string_view{text}.substr(0, cut));
  auto stats = parse(std::string_view{text}.substr(std::min(cut + 1, text.size())));
  for (auto& drive : qmp::drives_of(blocks, stats))
    FORESHIFT_ENSURE(!drive.volume.empty());
  (void)qmp::dirty_bytes_in(blocks);
  return 0;
}
