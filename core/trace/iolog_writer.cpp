// SPDX-License-Identifier: Apache-2.0
#include "core/trace/iolog_writer.hpp"

#include <ostream>

namespace foreshift {

iolog_writer::iolog_writer(std::ostream& out, std::string file)
    : out_(out), file_(std::move(file)) {
  out_ << "fio version 3 iolog\n0 " << file_ << " add\n0 " << file_ << " open\n";
}

void iolog_writer::write(const trace_request& x) {
  if (!start_us_)
    start_us_ = x.at_us;
  last_us_ = x.at_us - *start_us_;
  auto* action = x.op == access_op::read    ? " read "
                 : x.op == access_op::write ? " write "
                                            : " trim ";
  out_ << last_us_ << ' ' << file_ << action << x.offset << ' ' << x.bytes << '\n';
}

void iolog_writer::end() {
  out_ << last_us_ << ' ' << file_ << " close\n";
}

} // namespace foreshift
