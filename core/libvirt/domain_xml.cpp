// SPDX-License-Identifier: Apache-2.0
// The little that is wanted of a domain's XML: which drives are NBD exports. libvirt has validated
// and formatted it; elements are found by their tags, attributes by their names.
#include "core/libvirt/libvirt_watch.hpp"

#include <algorithm>
#include <string_view>

namespace foreshift {

namespace {

constexpr std::size_t disks_max = 256;

/// The next "<name ...>" from `at` on, without its brackets; empty: none. `at` is then behind it.
std::string_view next_tag(std::string_view text, std::string_view name, std::size_t& at) {
  for (;;) {
    at = text.find('<', at);
    if (at == std::string_view::npos)
      return {};
    ++at;
    auto rest = text.substr(at);
    auto ends = rest.size() > name.size()
                && std::string_view{" \t\r\n/>"}.find(rest[name.size()]) != std::string_view::npos;
    if (!rest.starts_with(name) || !ends)
      continue;
    auto end = text.find('>', at);
    if (end == std::string_view::npos)
      return {};
    auto out = text.substr(at, end - at);
    at = end + 1;
    return out;
  }
}

std::string attribute(std::string_view tag, std::string_view name) {
  std::string wanted = " " + std::string{name} + "=";
  auto at = tag.find(wanted);
  if (at == std::string_view::npos || at + wanted.size() >= tag.size())
    return {};
  at += wanted.size();
  auto quote = tag[at];
  auto end = quote == '\'' || quote == '"' ? tag.find(quote, at + 1) : std::string_view::npos;
  return end == std::string_view::npos ? std::string{}
                                       : std::string{tag.substr(at + 1, end - at - 1)};
}

} // namespace

std::vector<domain_disk> nbd_disks_in(const std::string& domain_xml) {
  std::vector<domain_disk> out;
  std::string_view text{domain_xml};
  std::size_t at = 0;
  while (out.size() < disks_max) {
    auto disk = next_tag(text, "disk", at);
    if (disk.empty())
      return out;
    auto end = std::min(text.find("</disk>", at), text.size());
    auto inside = text.substr(at, end - at);
    at = end;
    std::size_t from = 0;
    auto source = next_tag(inside, "source", from);
    from = 0;
    auto target = next_tag(inside, "target", from);
    domain_disk one{attribute(target, "dev"), attribute(source, "name")};
    if (attribute(disk, "type") == "network" && attribute(source, "protocol") == "nbd"
        && !one.target.empty() && !one.volume.empty())
      out.push_back(std::move(one));
  }
  return out;
}

} // namespace foreshift
