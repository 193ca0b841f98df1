// SPDX-License-Identifier: Apache-2.0
#include "actors/agent/access_batch.hpp"

namespace foreshift {

namespace {

constexpr std::uint64_t sector_bytes = 512;

access_op to_op(schema::AccessOp op) {
  switch (op) {
  case schema::AccessOp::READ:
    return access_op::read;
  case schema::AccessOp::ZERO:
    return access_op::zero;
  default:
    return access_op::write;
  }
}

} // namespace

std::vector<access_record> to_records(schema::AccessBatch::Reader batch) {
  std::vector<access_record> out;
  out.reserve(batch.getRecords().size());
  for (auto record : batch.getRecords())
    out.push_back({.at_us = batch.getStartMs() * 1000 + record.getAtUs(),
                   .vci = record.getVci(),
                   .offset = record.getSector() * sector_bytes,
                   .bytes = record.getBytes(),
                   .op = to_op(record.getOp()),
                   .local = record.getLocal()});
  return out;
}

} // namespace foreshift
