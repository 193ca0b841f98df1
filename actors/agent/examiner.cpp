// SPDX-License-Identifier: Apache-2.0
#include "actors/agent/examiner.hpp"

#include "actors/base/errors.hpp"
#include "core/door/certificate.hpp"

#include <algorithm>

namespace foreshift {

namespace {

using namespace std::chrono_literals;

constexpr std::chrono::milliseconds port_timeout_max = 10s;
constexpr unsigned peers_max = 256;

void fill_certificate(const std::string& path, schema::CertificateState::Builder out) {
  out.setPath(path.c_str());
  auto known = door::read_certificate(path);
  if (!known)
    return out.setFault(known.error().detail.c_str());
  out.setSubject(known->common_name.c_str());
  out.setBeginsMs(known->begins_ms);
  out.setEndsMs(known->ends_ms);
}

} // namespace

examiner_state::examiner_state(interface::pointer self, plane_actor plane, port_prober probe,
                               const clock_source& clock, examiner_options options)
    : self_(self), plane_(std::move(plane)), probe_(std::move(probe)), clock_(clock),
      options_(std::move(options)) {}

examiner_actor::behavior_type examiner_state::make_behavior() {
  return {[this](const packet<schema::HostExamine>& x) { return examine(x); }};
}

caf::result<packet<schema::HostExamined>>
examiner_state::examine(const packet<schema::HostExamine>& x) {
  if (x.read().getPeers().size() > peers_max)
    return to_caf(fault{errc::too_large, "an examination is of at most 256 peers"});
  auto reply = self_->make_response_promise<packet<schema::HostExamined>>();
  self_->request(plane_, options_.plane_timeout, packet<schema::Ping>{})
      .then(
          [this, reply, x](const packet<schema::Pong>& pong) mutable {
            reply.deliver(describe(x, pong.read().getVersion().cStr()));
          },
          [this, reply, x](const caf::error&) mutable { reply.deliver(describe(x, "")); });
  return reply;
}

packet<schema::HostExamined> examiner_state::describe(const packet<schema::HostExamine>& x,
                                                      const std::string& plane_version) const {
  struct question {
    std::string host;
    const char* use;
  };
  std::vector<question> asked;
  std::vector<door::port> ports;
  auto add = [&](const std::string& host, capnp::Text::Reader address, const char* use,
                 door::port::kind what) {
    if (address.size() == 0)
      return;
    asked.push_back({host, use});
    ports.push_back({address.cStr(), what});
  };
  for (auto peer : x.read().getPeers()) {
    std::string host = peer.getName().cStr();
    add(host, peer.getNbd(), "extents", door::port::kind::nbd);
    add(host, peer.getPlane(), "its data plane", door::port::kind::door);
    add(host, peer.getAgent(), "its agent", door::port::kind::door);
  }
  auto wall_ms = clock_.wall_ms(); // before the ports take their time: the asker has a clock too
  auto timeout = std::min(std::chrono::milliseconds{x.read().getTimeoutMs()}, port_timeout_max);
  auto faults = probe_(ports, timeout);
  return packet<schema::HostExamined>::make([&](auto out) {
    out.setWallMs(wall_ms);
    out.setVersion(options_.version.c_str());
    out.setPlaneVersion(plane_version.c_str());
    auto rows = out.initPorts(static_cast<unsigned>(ports.size()));
    for (unsigned i = 0; i < rows.size(); ++i) {
      rows[i].setHost(asked[i].host.c_str());
      rows[i].setAddress(ports[i].address.c_str());
      rows[i].setUse(asked[i].use);
      rows[i].setFault(faults[i].c_str());
    }
    if (options_.tls.empty())
      return;
    auto certificates = out.initCertificates(2);
    fill_certificate(options_.tls.certificate, certificates[0]);
    fill_certificate(options_.tls.ca, certificates[1]);
  });
}

} // namespace foreshift
