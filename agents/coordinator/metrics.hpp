// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/http/http_server.hpp"
#include "schemas/api.capnp.h"

#include <string>

namespace foreshift {

/// What a monitoring system wants to know of a cell, in Prometheus' text format 0.0.4. Names begin
/// with "foreshift_"; base units are seconds and bytes; counters are totals since a data plane's
/// start.
std::string metrics_text(schema::Status::Reader status, schema::Hosts::Reader hosts,
                         schema::Volumes::Reader volumes);

/// The page of it: asks `service` on behalf of whoever wants the page.
http::page_maker metrics_page(door::service service);

} // namespace foreshift
