// SPDX-License-Identifier: Apache-2.0
#include "core/door/tls.hpp"

#include <fmt/format.h>
#include <kj/exception.h>
#include <kj/vector.h>

#include <cerrno>
#include <cstring>
#include <fstream>
#include <iterator>

namespace foreshift::door {

namespace {

result<std::string> read_pem(const std::string& path) {
  std::ifstream in{path, std::ios::binary};
  std::string text{std::istreambuf_iterator<char>{in}, {}};
  if (!in || text.empty())
    return fault{errc::invalid, fmt::format("cannot read the PEM file '{}'", path)};
  return text;
}

/// kj takes trusted certificates one by one, not as a bundle.
std::vector<std::string> split_bundle(const std::string& pem) {
  constexpr std::string_view begin = "-----BEGIN CERTIFICATE-----";
  std::vector<std::string> out;
  for (auto at = pem.find(begin); at != std::string::npos;) {
    auto next = pem.find(begin, at + begin.size());
    out.push_back(pem.substr(at, next == std::string::npos ? next : next - at));
    at = next;
  }
  return out;
}

/// Runs a step of kj's TLS set-up; its exceptions become `invalid` with the file's name.
template <class Step>
result<void> attempt(const std::string& file, Step&& step) {
  auto failed = kj::runCatchingExceptions([&] { step(); });
  KJ_IF_MAYBE (why, failed)
    return fault{errc::invalid,
                 fmt::format("'{}' is not usable for TLS: {}", file, why->getDescription().cStr())};
  return {};
}

} // namespace

result<void> check_complete(const tls_files& files) {
  std::string missing;
  auto need = [&](const std::string& path, const char* name) {
    if (path.empty())
      missing += (missing.empty() ? "" : ", ") + std::string{name};
  };
  need(files.certificate, "certificate");
  need(files.key, "key");
  need(files.ca, "CA");
  if (!missing.empty())
    return fault{errc::invalid, "TLS needs a certificate, a key and a CA; missing: " + missing};
  return {};
}

result<kj::Own<kj::TlsContext>> open_tls(const tls_files& files, kj::Timer& timer) {
  if (auto ok = check_complete(files); !ok)
    return ok.error();
  auto certificate = read_pem(files.certificate);
  auto key = read_pem(files.key);
  auto ca = read_pem(files.ca);
  for (const auto* file : {&certificate, &key, &ca})
    if (!*file)
      return file->error();

  kj::Vector<kj::TlsCertificate> trusted;
  kj::Own<kj::TlsContext> out;
  auto ok = attempt(files.ca, [&] {
    for (const auto& one : split_bundle(*ca))
      trusted.add(kj::StringPtr{one.c_str(), one.size()});
  });
  if (ok && trusted.empty())
    return fault{errc::invalid, fmt::format("'{}' holds no certificate", files.ca)};
  if (ok)
    ok = attempt(files.key + "' with '" + files.certificate, [&] {
      kj::TlsKeypair pair{
          kj::TlsPrivateKey{kj::StringPtr{key->c_str(), key->size()}, nullptr},
          kj::TlsCertificate{kj::StringPtr{certificate->c_str(), certificate->size()}}};
      kj::TlsContext::Options options;
      options.useSystemTrustStore = false;
      options.verifyClients = true;
      options.trustedCertificates = trusted.asPtr();
      options.minVersion = kj::TlsVersion::TLS_1_2;
      options.defaultKeypair = pair;
      options.timer = timer;
      options.acceptTimeout = handshake_s_max * kj::SECONDS;
      out = kj::heap<kj::TlsContext>(kj::mv(options));
    });
  if (!ok)
    return ok.error();
  return kj::mv(out);
}

peer peer_from(std::string_view common_name) {
  auto colon = common_name.find(':');
  if (colon == std::string_view::npos)
    return {std::string{common_name}, {}};
  return {std::string{common_name.substr(0, colon)}, std::string{common_name.substr(colon + 1)}};
}

} // namespace foreshift::door
