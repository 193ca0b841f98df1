// SPDX-License-Identifier: Apache-2.0
#include "core/base/log.hpp"

#include <spdlog/sinks/stdout_sinks.h>

namespace foreshift {

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

} // namespace foreshift
