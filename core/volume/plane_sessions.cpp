// SPDX-License-Identifier: Apache-2.0
// Peers and sessions of a plane.
#include "core/volume/plane.hpp"

#include "core/base/log.hpp"

#include <charconv>
#include <optional>

namespace foreshift {

namespace {

std::optional<std::uint64_t> number(std::string_view text) {
  std::uint64_t out = 0;
  auto parsed = std::from_chars(text.data(), text.data() + text.size(), out);
  if (parsed.ec != std::errc{} || parsed.ptr != text.data() + text.size() || text.empty())
    return std::nullopt;
  return out;
}

std::vector<std::string_view> split(std::string_view text) {
  std::vector<std::string_view> out;
  for (;;) {
    auto colon = text.find(':');
    out.push_back(text.substr(0, colon));
    if (colon == std::string_view::npos)
      return out;
    text.remove_prefix(colon + 1);
  }
}

} // namespace

void plane::learn(capnp::List<schema::HostAddress>::Reader peers) {
  for (auto peer : peers) {
    auto address = packet<schema::HostAddress>::seal(peer);
    std::lock_guard lock{mutex_};
    auto& entry = peers_[peer.getName().cStr()];
    if (entry.address == address)
      continue;
    if (entry.address.read().getPlane() != peer.getPlane())
      entry.client.reset();
    entry.address = address;
    if (auto done = records_.put_peer(address); !done)
      slog::warn("peer {} was not recorded host={}: {}", peer.getName().cStr(), options_.host,
                 done.error().detail);
  }
}

peer_addresses plane::nbd_addresses() const {
  std::lock_guard lock{mutex_};
  peer_addresses out;
  for (const auto& [name, entry] : peers_)
    out[name] = entry.address.read().getNbd().cStr();
  return out;
}

result<std::shared_ptr<door::client>> plane::door_of(const std::string& host) {
  std::lock_guard lock{mutex_};
  auto found = peers_.find(host);
  if (found == peers_.end())
    return fault{errc::not_found,
                 "host '" + options_.host + "' knows no address of host '" + host + "'"};
  auto& entry = found->second;
  if (!entry.client) {
    door::client_options client;
    client.address = entry.address.read().getPlane().cStr();
    client.tls = options_.tls;
    entry.client = door::client::open(io_, client);
  }
  return entry.client;
}

result<client_session> plane::open_client(std::string_view export_name, std::int64_t pid) {
  if (export_name.empty())
    return fault{errc::invalid, "name a volume: the export name is empty"};
  auto volume = find_name(export_name);
  if (!volume)
    return volume.error();
  auto& gate = (*volume)->gate;
  auto state = gate->state();
  bool expected = (*volume)->expected_until_ns.load() > clock_.monotonic_ns();
  if ((state == LeaseState::NONE || state == LeaseState::DEACTIVATED) && !expected)
    return fault{errc::precondition, "volume '" + std::string{export_name}
                                         + "' is not attached to host '" + options_.host + "'"};
  std::lock_guard lock{mutex_};
  auto vci = ++vcis_;
  clients_[vci] = {(*volume)->shape.id, pid, vci, clock_.wall_ms()};
  return client_session{gate, vci};
}

void plane::close_client(std::uint32_t vci) {
  std::lock_guard lock{mutex_};
  clients_.erase(vci);
}

std::shared_ptr<session_line> plane::line_of(std::uint64_t volume, io_permit permit,
                                             std::uint64_t fence) {
  std::lock_guard lock{mutex_};
  // Those of earlier epochs have nothing to say any more: the fence refuses them.
  lines_.erase(lines_.lower_bound({volume, 0, 0}), lines_.lower_bound({volume, fence, 0}));
  auto& line = lines_[{volume, permit.epoch, permit.move}];
  if (!line)
    line = std::make_shared<session_line>();
  return line;
}

result<peer_session> plane::open_peer(std::string_view export_name) {
  auto parts = split(export_name);
  bool copy = parts.size() == 2 && parts[0] == "copy";
  bool io = parts.size() == 6 && parts[0] == "peer" && !parts[3].empty();
  auto id = copy || io ? number(parts[1]) : std::nullopt;
  auto epoch = io ? number(parts[2]) : std::optional<std::uint64_t>{0};
  auto move = io ? number(parts[4]) : std::optional<std::uint64_t>{0};
  auto session = io ? number(parts[5]) : std::optional<std::uint64_t>{1};
  if (!id || !epoch || !move || !session || *session == 0)
    return fault{errc::invalid,
                 "export '" + std::string{export_name.substr(0, 80)}
                     + "' is neither peer:VOLUME:EPOCH:HOLDER:MOVE:SESSION nor copy:VOLUME"};
  auto volume = find(*id);
  if (!volume)
    return volume.error();
  peer_session out{(*volume)->extents, {*epoch, *move}, copy, nullptr, *session};
  out.line = copy ? std::make_shared<session_line>()
                  : line_of((*volume)->shape.id, out.permit, out.extents->fence().epoch);
  if (auto opened = out.line->open(*session); !opened)
    return opened.error();
  return out;
}

result<std::shared_ptr<gateway>> plane::open_look(std::string_view export_name) {
  auto parts = split(export_name);
  auto id = parts.size() == 2 && parts[0] == "look" ? number(parts[1]) : std::nullopt;
  if (!id)
    return fault{errc::invalid,
                 "export '" + std::string{export_name.substr(0, 80)} + "' is not look:VOLUME"};
  auto volume = find(*id);
  if (!volume)
    return volume.error();
  return (*volume)->gate;
}

std::vector<plane::client_row> plane::clients() const {
  std::lock_guard lock{mutex_};
  std::vector<client_row> out;
  for (const auto& [vci, row] : clients_)
    out.push_back(row);
  return out;
}

std::uint64_t plane::volume_of_slot(std::uint32_t slot) const {
  std::lock_guard lock{mutex_};
  return slot < slots_.size() ? slots_[slot] : 0;
}

} // namespace foreshift
