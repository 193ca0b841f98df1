// SPDX-License-Identifier: Apache-2.0
// "FSLW", u32 version, u32 inputs, u32 hidden units, then the numbers, little-endian floats.
#include "core/forecast/bytes.hpp"
#include "core/forecast/lstm.hpp"

#include <cmath>

namespace foreshift {

namespace {

constexpr std::string_view magic = "FSLW";
constexpr std::uint32_t version = 1;

fault bad_weights(const std::string& why) {
  return {errc::malformed, "LSTM weights: " + why};
}

} // namespace

std::string lstm_weights::save() const {
  byte_writer out;
  out.put(version);
  out.put(inputs);
  out.put(hidden);
  out.put_all(gates);
  out.put_all(head);
  return std::string{magic} + out.bytes();
}

result<lstm_weights> lstm_weights::load(std::string_view bytes, std::uint32_t inputs,
                                        std::uint32_t hidden) {
  if (!bytes.starts_with(magic))
    return bad_weights("not a weights file");
  byte_reader in(bytes.substr(magic.size()));
  if (auto found = in.get<std::uint32_t>(); found != version)
    return bad_weights("version " + std::to_string(found) + ", not " + std::to_string(version));
  lstm_weights out{in.get<std::uint32_t>(), in.get<std::uint32_t>(), {}, {}};
  if (out.inputs != inputs || out.hidden != hidden)
    return bad_weights("of " + std::to_string(out.inputs) + " inputs and "
                       + std::to_string(out.hidden) + " units, not of " + std::to_string(inputs)
                       + " and " + std::to_string(hidden));
  out.gates = in.get_column<float>((std::uint64_t{inputs} + hidden + 1) * 4 * hidden);
  out.head = in.get_column<float>(std::uint64_t{hidden} + 1);
  for (auto* part : {&out.gates, &out.head})
    for (auto each : *part)
      in.require(std::isfinite(each) && std::abs(each) < 1e4f);
  if (!in.ok() || !in.at_end())
    return bad_weights("cut off, too long or not numbers");
  return out;
}

} // namespace foreshift
