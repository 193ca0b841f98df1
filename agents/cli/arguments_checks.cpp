// SPDX-License-Identifier: Apache-2.0
#include "agents/cli/arguments_parts.hpp"
#include "agents/cli/commands.hpp"
#include "agents/cli/simulate.hpp"
#include "agents/cli/traces.hpp"

namespace foreshift::cli {

namespace {

void add_simulate(CLI::App& app, parsed& p) {
  command<simulate_request>(
      app, p, "simulate",
      "Run the forecast over a recorded block trace: what it would have had near, beside simple "
      "methods and the clairvoyant choice. Needs no cluster",
      "foreshift simulate --trace vm.csv.gz --budget 10% --report vm.html",
      [](CLI::App& c, simulate_request& a) {
        c.add_option("--trace", a.trace, "Trace; gzip, zstd and xz are unpacked")->required();
        auto option = [&](const char* name, auto& value, const char* what) {
          return c.add_option(name, value, what)->capture_default_str();
        };
        option("--format", a.format, "Its format, if it cannot be told from its beginning");
        c.add_option("--volume", a.volume, "Only this volume of a trace of several");
        option("--span", a.span, "Length of a trace that has no times");
        option("--extent", a.extent, "Unit of choice, a multiple of 4 KiB");
        option("--budget", a.budget, "What may be near: share of all extents the trace touches");
        option("--window", a.window, "Accesses are counted by windows");
        option("--horizon", a.horizon, "What is predicted, and how often");
        option("--train", a.train, "Share of the trace before the first decision");
        option("--arms", a.arms, "Arms to report, comma-separated")->delimiter(',');
        option("--seed", a.seed, "Of everything random");
        c.add_option("--picks", a.picks, "Write every choice there: decision,time_s,arm,extent");
        c.add_option("--report", a.report, "Write a report there: one HTML file");
        c.add_option("--lstm-weights", a.lstm_weights,
                     "Let the LSTM start from this file, not from the weights shipped");
        c.add_flag("--lenient", a.lenient, "Skip and count bad lines");
      },
      [](session& s, simulate_request& a) { return simulate(s, a); });
}

void add_traces(CLI::App& app, parsed& p) {
  auto& trace = group(app, "trace", "Block traces: generate them, convert them for replay by fio");
  command<generate_request>(
      trace, p, "generate",
      "Write a generated trace as a fio iolog: streams, zipf, daily, scan, boot",
      "foreshift trace generate streams --span 4h --seed 7 --out streams.iolog",
      [](CLI::App& c, generate_request& a) {
        c.add_option("KIND", a.kind, "Workload")->required();
        c.add_option("--out", a.out, "File, or - for standard output")->capture_default_str();
        c.add_option("--span", a.span, "How long")->capture_default_str();
        c.add_option("--size", a.size, "Of the volume")->capture_default_str();
        c.add_option("--seed", a.seed, "The same seed gives the same trace")->capture_default_str();
        c.add_option("--file", a.file, "What fio will open")->capture_default_str();
      },
      [](session& s, generate_request& a) { return generate_trace(s, a); });
  command<convert_request>(
      trace, p, "convert", "Write any trace as a fio iolog, to replay it with fio --read_iolog",
      "foreshift trace convert --trace vm.csv.gz --out vm.iolog --file /dev/nbd0",
      [](CLI::App& c, convert_request& a) {
        c.add_option("--trace", a.trace, "Trace; gzip, zstd and xz are unpacked")->required();
        c.add_option("--out", a.out, "File, or - for standard output")->capture_default_str();
        c.add_option("--format", a.format, "If it cannot be told")->capture_default_str();
        c.add_option("--volume", a.volume, "Only this volume of a trace of several");
        c.add_option("--span", a.span, "Length of a trace that has no times")
            ->capture_default_str();
        c.add_option("--file", a.file, "What fio will open")->capture_default_str();
        c.add_flag("--lenient", a.lenient, "Skip and count bad lines");
      },
      [](session& s, convert_request& a) { return convert_trace(s, a); });
  command<export_request>(
      trace, p, "export", "Write the access log that this host's agent keeps as a fio iolog",
      "foreshift trace export --data /var/lib/foreshift --volume 3 --out vm.iolog",
      [](CLI::App& c, export_request& a) {
        c.add_option("--data", a.data, "host.data of agent.toml")->required();
        c.add_option("--volume", a.volume, "Its number, if the log holds several");
        c.add_option("--after", a.after_s, "Leave out what came before, in seconds since 1970");
        c.add_option("--out", a.out, "File, or - for standard output")->capture_default_str();
        c.add_option("--file", a.file, "What fio will open")->capture_default_str();
      },
      [](session& s, export_request& a) { return export_trace(s, a); });
}

void add_checks(CLI::App& app, parsed& p) {
  command<number_args>(
      app, p, "doctor",
      "Check the whole cell: versions, hosts, clocks, ports, certificates, disks, epochs, maps, "
      "replicas, orphans, scrubbing; exit code 0: nothing fails, 1: something does",
      "foreshift doctor --repair",
      [](CLI::App& c, number_args& a) {
        c.add_flag("--repair", a.flag,
                   "Do what is safe about what is found, and say what was done");
      },
      [](session& s, number_args& a) { return examine_cell(s, a.flag); });
  command<name_args>(
      app, p, "check-history",
      "Decide from a record of requests whether any read was stale or any write lost. Needs no "
      "coordinator; exit code 0: linearizable, 1: not, 2: malformed file",
      "foreshift check-history history.txt",
      [](CLI::App& c, name_args& a) {
        c.add_option("FILE", a.name, "Lines of: CLIENT KIND BLOCK STAMP START END OUTCOME")
            ->required();
      },
      [](session& s, name_args& a) { return check_history(s, a.name); });
}

} // namespace

void add_rest(CLI::App& app, parsed& p) {
  add_simulate(app, p);
  add_traces(app, p);
  add_checks(app, p);
}

} // namespace foreshift::cli
