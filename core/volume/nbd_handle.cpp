// SPDX-License-Identifier: Apache-2.0
#include "core/volume/nbd_handle.hpp"

#include "core/base/clock.hpp"

#include <algorithm>
#include <cerrno>

namespace foreshift {

namespace {

std::int64_t now_ns() {
  return system_clock().monotonic_ns();
}

std::int64_t after(std::int64_t from_ns, std::chrono::nanoseconds span) {
  return from_ns + span.count();
}

int left_ms(std::int64_t until_ns) {
  return static_cast<int>(std::max<std::int64_t>((until_ns - now_ns() + 999'999) / 1'000'000, 0));
}

fault connect_fault(const std::string& where) {
  const char* why = nbd_get_error();
  return {errc::unreachable, "cannot connect to " + where + ": " + (why ? why : "unknown error")};
}

} // namespace

result<nbd_connection> nbd_open(const std::string& address, const std::string& export_name,
                                const nbd_link_options& options) {
  auto where = address + " export '" + export_name + "'";
  auto parts = split_address(address);
  if (!parts)
    return parts.error();
  nbd_connection h{nbd_create()};
  if (!h)
    return connect_fault(where);
  bool set = nbd_set_export_name(h.get(), export_name.c_str()) == 0
             && nbd_set_pread_initialize(h.get(), false) == 0
             // A simple reply is two system calls shorter on each side; nothing here needs more.
             && nbd_set_request_structured_replies(h.get(), false) == 0;
  if (set && !options.tls_directory.empty())
    set = nbd_set_tls(h.get(), LIBNBD_TLS_REQUIRE) == 0
          && nbd_set_tls_certificates(h.get(), options.tls_directory.c_str()) == 0
          && nbd_set_tls_verify_peer(h.get(), true) == 0;
  if (!set || nbd_aio_connect_tcp(h.get(), parts->first.c_str(), parts->second.c_str()) == -1)
    return connect_fault(where);
  auto until = after(now_ns(), options.connect_timeout);
  while (nbd_aio_is_connecting(h.get()) == 1) {
    int polled = nbd_poll(h.get(), left_ms(until));
    if (polled == -1)
      return connect_fault(where);
    if (polled == 0 && left_ms(until) == 0)
      return fault{errc::timeout, "no answer in time while connecting to " + where};
  }
  if (nbd_aio_is_ready(h.get()) != 1)
    return connect_fault(where);
  return h;
}

bool nbd_lost(nbd_handle* h) {
  return nbd_aio_is_dead(h) != 0 || nbd_aio_is_closed(h) != 0;
}

fault nbd_fault(nbd_handle* h, const std::string& where) {
  int number = nbd_get_errno();
  const char* text = nbd_get_error();
  auto detail = where + ": " + (text ? text : "unknown error");
  if (nbd_lost(h))
    return {errc::unreachable, detail};
  switch (number) {
  case ESHUTDOWN:
    return {errc::refused, detail};
  case EPERM:
    return {errc::precondition, detail};
  case ENOSPC:
    return {errc::no_space, detail};
  case EINVAL: // no request of ours is invalid, so a partition server can mean `corrupt` by it
    return {errc::corrupt, detail};
  default:
    return {errc::storage, detail};
  }
}

result<void> nbd_await(nbd_handle* h, std::int64_t cookie, std::chrono::milliseconds timeout,
                       const std::string& where, std::chrono::microseconds spin_time) {
  auto began = now_ns();
  auto until = after(began, timeout);
  for (;;) {
    int done = nbd_aio_command_completed(h, static_cast<std::uint64_t>(cookie));
    if (done == 1)
      return {};
    if (done == -1)
      return nbd_fault(h, where);
    bool spin = now_ns() < after(began, spin_time);
    int polled = nbd_poll(h, spin ? 0 : left_ms(until));
    if (polled == 0 && !spin && left_ms(until) == 0)
      return fault{errc::timeout, where + ": no answer in time"};
    if (polled == -1 && nbd_lost(h))
      return nbd_fault(h, where);
  }
}

} // namespace foreshift
