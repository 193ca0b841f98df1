// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "actors/coordinator/interfaces.hpp"

namespace foreshift::control {

/// What is wrong with a host's data of a volume, in sentences.
std::vector<std::string> damage_of(const std::string& host, schema::PlaneVolume::Reader row);

/// A volume as the API shows it; what is where comes from the hosts' latest reports.
/// `looked_after`: what is done about lost replicas.
void encode_volume(const volume_entry& volume, const host_table& hosts, const care& looked_after,
                   schema::VolumeInfo::Builder out);

/// One sentence about replicas that are missing; empty if none are.
std::string degradation_of(const placement_map& map);

/// A host as the API shows it. `attached`: names of the volumes it is primary of.
void encode_host(const host_entry& host, const std::vector<std::string>& attached,
                 schema::Host::Builder out);

/// What the report says of a volume's gateway and extents on that host; false if nothing.
bool find_volume(const host_entry& host, std::uint64_t volume, schema::PlaneVolume::Reader& out);

} // namespace foreshift::control
