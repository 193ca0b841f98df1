// SPDX-License-Identifier: Apache-2.0
#include "core/door/certificate.hpp"

#include <fmt/format.h>
#include <openssl/bio.h>
#include <openssl/pem.h>
#include <openssl/x509.h>

#include <ctime>
#include <memory>

namespace foreshift::door {

namespace {

template <auto Free>
struct freed_by {
  template <class T>
  void operator()(T* x) const {
    Free(x);
  }
};
using bio_ptr = std::unique_ptr<BIO, freed_by<&BIO_free_all>>;
using x509_ptr = std::unique_ptr<X509, freed_by<&X509_free>>;

std::int64_t to_ms(const ASN1_TIME* at) {
  std::tm fields{};
  return ASN1_TIME_to_tm(at, &fields) == 1 ? std::int64_t{timegm(&fields)} * 1000 : 0;
}

} // namespace

result<certificate_info> read_certificate(const std::string& path) {
  bio_ptr in{BIO_new_file(path.c_str(), "rb")};
  if (!in)
    return fault{errc::invalid, fmt::format("cannot read '{}'", path)};
  x509_ptr x{PEM_read_bio_X509(in.get(), nullptr, nullptr, nullptr)};
  if (!x)
    return fault{errc::invalid, fmt::format("'{}' holds no certificate", path)};
  certificate_info out;
  char name[256] = {};
  X509_NAME_get_text_by_NID(X509_get_subject_name(x.get()), NID_commonName, name, sizeof name);
  out.common_name = name;
  out.begins_ms = to_ms(X509_get0_notBefore(x.get()));
  out.ends_ms = to_ms(X509_get0_notAfter(x.get()));
  return out;
}

} // namespace foreshift::door
