// SPDX-License-Identifier: Apache-2.0
#include "core/base/log.hpp"

#include <spdlog/sinks/stdout_sinks.h>
#include <spdlog/spdlog.h>

#include <memory>
#include <string>

namespace foreshift {

namespace {

spdlog::level::level_enum known_to_spdlog(slog::level how) {
  switch (how) {
  case slog::level::debug:
    return spdlog::level::debug;
  case slog::level::info:
    return spdlog::level::info;
  case slog::level::warn:
    return spdlog::level::warn;
  case slog::level::error:
    return spdlog::level::err;
  case slog::level::critical:
    return spdlog::level::critical;
  case slog::level::off:
    break;
  }
  return spdlog::level::off;
}

} // namespace

result<void> start_log(std::string_view program, std::string_view level) {
  auto wanted = spdlog::level::from_str(std::string{level});
  if (wanted == spdlog::level::off && level != "off")
    return fault{errc::invalid, "log level '" + std::string{level}
                                    + "' is none of trace, debug, info, warn, error, off"};
  auto logger = std::make_shared<spdlog::logger>(std::string{program},
                                                 std::make_shared<spdlog::sinks::stderr_sink_mt>());
  logger->set_pattern("%Y-%m-%dT%H:%M:%S.%eZ %l %n: %v", spdlog::pattern_time_type::utc);
  logger->set_level(wanted);
  logger->flush_on(spdlog::level::info);
  spdlog::set_default_logger(std::move(logger));
  return {};
}

namespace slog {

void set_level(level least) {
  spdlog::set_level(known_to_spdlog(least));
}

void write(level how, fmt::string_view text, fmt::format_args values) {
  auto* logger = spdlog::default_logger_raw();
  auto as = known_to_spdlog(how);
  if (logger->should_log(as))
    logger->log(as, fmt::vformat(text, values));
}

} // namespace slog

} // namespace foreshift
