// SPDX-License-Identifier: Apache-2.0
#include "agents/cli/arguments.hpp"

#include "agents/cli/arguments_parts.hpp"
#include "agents/cli/commands.hpp"
#include "agents/cli/version.hpp"

#include <array>

namespace foreshift::cli {

namespace {

auto named(const char* what) {
  return [what](CLI::App& c, name_args& a) { c.add_option("NAME", a.name, what)->required(); };
}

void add_hosts(CLI::App& app, parsed& p) {
  auto& host = group(app, "host", "Hosts of the cell: state, load, free space, what they hold");
  command<no_args>(
      host, p, "list", "List hosts", "foreshift host list", [](auto&, auto&) {},
      [](session& s, no_args&) { return list_hosts(s); });
  command<name_args>(host, p, "show", "Show one host: measurements, data plane, VCIs",
                     "foreshift host show host-a", named("Host"),
                     [](session& s, name_args& a) { return show_host(s, a.name); });
  command<name_args>(host, p, "ok-to-stop",
                     "Whether every volume goes on without the host; 4: no, and which would not",
                     "foreshift host ok-to-stop host-b", named("Host"),
                     [](session& s, name_args& a) { return ok_to_stop_host(s, a.name); });
  command<leave_args>(
      host, p, "drain", "Move every replica off a host, then its leases; it gets nothing new",
      "foreshift host drain host-b --to host-c",
      [](CLI::App& c, leave_args& a) {
        c.add_option("NAME", a.name, "Host")->required();
        c.add_option("--to", a.to, "Flip its leases there in the end (default: only name them)");
        c.add_flag("--no-wait", a.no_wait, "Start it and return; see 'foreshift task show'");
      },
      [](session& s, leave_args& a) { return drain_host(s, a.name, a.to, a.no_wait); });
  command<name_args>(host, p, "undrain", "Stop draining a host and use it again",
                     "foreshift host undrain host-b", named("Host"),
                     [](session& s, name_args& a) { return undrain_host(s, a.name); });
  command<leave_args>(
      host, p, "remove", "Forget a host that is down and holds nothing",
      "foreshift host remove host-d --lost",
      [](CLI::App& c, leave_args& a) {
        c.add_option("NAME", a.name, "Host")->required();
        c.add_flag("--lost", a.lost,
                   "It is dead: make its replicas anew elsewhere first; refused where it has the "
                   "only copy");
        c.add_flag("--no-wait", a.no_wait, "Start it and return; see 'foreshift task show'");
      },
      [](session& s, leave_args& a) { return remove_host(s, a.name, a.lost, a.no_wait); });
}

void add_scrub(CLI::App& app, parsed& p) {
  auto& scrub = group(app, "scrub", "Checks of what hosts store, before anybody needs it");
  command<to_args>(
      scrub, p, "start", "Begin a pass on a host now: light, or with --full over every block",
      "foreshift scrub start host-a --full",
      [](CLI::App& c, to_args& a) {
        c.add_option("HOST", a.name, "Host")->required();
        c.add_flag("--full", a.force, "Check every block against its checksum");
      },
      [](session& s, to_args& a) { return start_scrub(s, a.name, a.force); });
  command<no_args>(
      scrub, p, "status", "What each host checks, when it last did, and what was found",
      "foreshift scrub status", [](auto&, auto&) {},
      [](session& s, no_args&) { return show_scrub(s); });
}

void add_volume_create(CLI::App& volume, parsed& p) {
  command<create_request>(
      volume, p, "create", "Create a thin volume; nothing is allocated until it is written",
      "foreshift volume create vm1 4GiB --home host-a,host-b --replicas 2",
      [](CLI::App& c, create_request& a) {
        c.add_option("NAME", a.name, "Volume: a-z, 0-9, '.', '_' and '-'; also the NBD export name")
            ->required();
        c.add_option("SIZE", a.size, "Whole size: 4GiB, 512MiB, or bytes")->required();
        c.add_option("--home", a.homes, "Hosts its data lives on, comma-separated (default: all)")
            ->delimiter(',');
        c.add_option("--replicas", a.replicas, "Copies of each extent, 1 to 3")
            ->capture_default_str();
        c.add_option("--extent", a.extent, "Unit of heat, placement and movement")
            ->capture_default_str();
        c.add_option("--partition", a.partition, "Run of extents that share their home")
            ->capture_default_str();
        c.add_flag("--implicit-flip", a.implicit_flip,
                   "The first write of a client at an announced host takes the lease");
        c.add_option("--follow", a.follow,
                     "What comes to a new host after a flip: cell, expected, all or none")
            ->capture_default_str();
      },
      [](session& s, create_request& a) { return create_volume(s, a); });
}

void add_volumes(CLI::App& app, parsed& p) {
  auto& volume = group(app, "volume", "Volumes: create, look at, attach, delete");
  add_volume_create(volume, p);
  command<no_args>(
      volume, p, "list", "List volumes and who holds their lease", "foreshift volume list",
      [](auto&, auto&) {}, [](session& s, no_args&) { return list_volumes(s); });
  command<name_args>(volume, p, "show", "Show one volume: lease, placement, health",
                     "foreshift volume show vm1", named("Volume"),
                     [](session& s, name_args& a) { return show_volume(s, a.name); });
  command<std::array<std::string, 3>>(
      volume, p, "set",
      "Change its policy: implicit-flip on|off (the first write of a client at an announced host\n"
      "takes the lease), follow cell|expected|all|none (what comes after a flip)",
      "foreshift volume set vm1 implicit-flip on",
      [](CLI::App& c, auto& a) {
        c.add_option("NAME", a[0], "Volume")->required();
        c.add_option("KEY", a[1], "implicit-flip or follow")->required();
        c.add_option("VALUE", a[2], "What it is from now on")->required();
      },
      [](session& s, auto& a) { return set_volume(s, a[0], a[1], a[2]); });
  command<name_args>(volume, p, "delete", "Delete a volume that is not attached, with its data",
                     "foreshift volume delete vm1", named("Volume"),
                     [](session& s, name_args& a) { return delete_volume(s, a.name); });
  command<to_args>(
      volume, p, "attach", "Give a host the lease, so that clients there can use the volume",
      "foreshift volume attach vm1 host-a",
      [](CLI::App& c, to_args& a) {
        c.add_option("NAME", a.name, "Volume")->required();
        c.add_option("HOST", a.to, "Host")->required();
        c.add_flag("--force", a.force, "Leave out replicas at hosts that cannot be reached");
      },
      [](session& s, to_args& a) { return attach_volume(s, a.name, a.to, a.force); });
  command<to_args>(
      volume, p, "detach", "Take the lease back; clients' requests fail from then on",
      "foreshift volume detach vm1",
      [](CLI::App& c, to_args& a) {
        c.add_option("NAME", a.name, "Volume")->required();
        c.add_flag(
            "--force", a.force,
            "Also from a host that cannot be reached: its late writes are refused everywhere");
      },
      [](session& s, to_args& a) { return detach_volume(s, a.name, a.force); });
}

void add_forecasts(CLI::App& app, parsed& p) {
  command<name_args>(
      app, p, "affinity", "Data Affinity Scores: how much of what a volume needs next is where",
      "foreshift affinity vm1",
      [](CLI::App& c, name_args& a) { c.add_option("VOLUME", a.name, "Volume (default: all)"); },
      [](session& s, name_args& a) { return show_affinity(s, a.name); });
  command<std::pair<std::string, std::uint32_t>>(
      app, p, "hot", "What a volume is expected to use next, with a heat strip",
      "foreshift hot vm1 --top 10",
      [](CLI::App& c, auto& a) {
        a.second = 20;
        c.add_option("VOLUME", a.first, "Volume")->required();
        c.add_option("--top", a.second, "How many extents to list")->capture_default_str();
      },
      [](session& s, auto& a) { return show_hot(s, a.first, a.second); });
  auto& forecast = group(app, "forecast", "What was predicted of volumes, and what came true");
  command<name_args>(
      forecast, p, "show", "A volume's ledger: promised and covered, waste, regret, who leads",
      "foreshift forecast show vm1",
      [](CLI::App& c, name_args& a) { c.add_option("VOLUME", a.name, "Volume")->required(); },
      [](session& s, name_args& a) { return show_ledger(s, a.name); });
  command<to_args>(
      app, p, "plan", "Dry run: what would be moved for a migration, why, and what it brings",
      "foreshift plan vm1 --to host-c --budget 512MiB",
      [](CLI::App& c, to_args& a) {
        c.add_option("VOLUME", a.name, "Volume")->required();
        c.add_option("--to", a.to, "Destination host")->required();
        c.add_option("--budget", a.budget, "Move at most so much (default: the policy's)");
      },
      [](session& s, to_args& a) { return show_plan(s, a.name, a.to, a.budget); });
}

void add_vm_options(CLI::App& c, migrate_request& a) {
  const char* vm = "A running VM";
  auto* source = c.add_option("--qmp", a.qmp, "Monitor of its QEMU: a unix socket that speaks QMP");
  auto* there =
      c.add_option("--qmp-dest", a.qmp_dest,
                   "Monitor of the QEMU at the destination, started with -incoming defer");
  source->needs(there)->group(vm);
  there->needs(source)->group(vm);
  c.add_option("--ram-uri", a.ram_uri,
               "Where the destination's QEMU shall listen (default: any port of the host)")
      ->needs(source)
      ->group(vm);
  c.add_option("--bandwidth", a.bandwidth,
               "Of the RAM stream, a second, at most (default: unlimited)")
      ->needs(source)
      ->group(vm);
  c.add_option(
       "--slowdown", a.slowdown,
       "So much longer the VM's disk requests may take while its RAM is copied; 0: RAM does "
       "not wait for them")
      ->needs(source)
      ->group(vm)
      ->capture_default_str();
  c.add_option("--downtime", a.downtime, "QEMU's downtime-limit (default: as it is)")
      ->needs(source)
      ->group(vm);
  c.add_flag("--recover", a.recover, "Bring what a killed run left to one clean end")
      ->needs(source)
      ->group(vm);
}

void add_migrations(CLI::App& app, parsed& p) {
  command<migrate_request>(
      app, p, "migrate",
      "Move what is hot next to the destination, then flip the lease. Ctrl-C cancels and leaves "
      "one "
      "clean owner",
      "foreshift migrate vm1 --to host-c --gate 95% --timeout 2m",
      [](CLI::App& c, migrate_request& a) {
        c.add_option("VOLUME", a.volumes, "Volume; with --qmp all those of the VM")->required();
        c.add_option("--to", a.to, "Destination host, or auto: see 'foreshift targets'")
            ->required();
        c.add_option("--gate", a.gate, "Flip once so much of the predicted accesses is there")
            ->capture_default_str();
        c.add_option("--timeout", a.timeout, "Give up when the gate is not met by then")
            ->capture_default_str();
        c.add_flag("--no-preposition", a.no_preposition, "Flip at once and move nothing before");
        c.add_flag("--no-wait", a.no_wait, "Start it and return; see 'foreshift task show'");
        add_vm_options(c, a);
      },
      [](session& s, migrate_request& a) { return migrate(s, a); });
  command<to_args>(
      app, p, "flip", "Hand the lease over now, without moving anything",
      "foreshift flip vm1 --to host-c",
      [](CLI::App& c, to_args& a) {
        c.add_option("VOLUME", a.name, "Volume")->required();
        c.add_option("--to", a.to, "Destination host")->required();
        c.add_flag("--force", a.force,
                   "Go on without a source and replicas that cannot be reached");
      },
      [](session& s, to_args& a) { return flip(s, a.name, a.to, a.force); });
}

void add_intents(CLI::App& app, parsed& p) {
  command<announce_request>(
      app, p, "announce",
      "Say that a volume will move: its clients may connect there, and what they will need is "
      "copied gradually",
      "foreshift announce vm1 --to host-c --by 10m",
      [](CLI::App& c, announce_request& a) {
        c.add_option("VOLUME", a.volume, "Volume (with --list: default all)");
        c.add_option("--to", a.to, "Destination host");
        c.add_option("--by", a.by, "The sooner, the sooner it is copied (default: no hurry)");
        c.add_flag("--no-copy", a.no_copy, "Only let clients connect there");
        c.add_flag("--list", a.list, "List what is announced");
        c.add_flag("--withdraw", a.withdraw, "It will not move there");
      },
      [](session& s, announce_request& a) { return announce(s, a); });
  command<notify_request>(
      app, p, "notify",
      "Tell this host's agent what becomes of a VM: for hooks. One that is arriving may connect to "
      "its volumes here ahead of the lease",
      "foreshift notify web1 arriving vm1 vm1-data",
      [](CLI::App& c, notify_request& a) {
        c.add_option("DOMAIN", a.domain, "Name of the VM")->required();
        c.add_option("WHAT", a.what, "arriving, started, stopped or leaving")->required();
        c.add_option("VOLUME", a.volumes, "Its volumes");
        c.add_option("--agent", a.agent, "Door of this host's agent")
            ->envname("FORESHIFT_AGENT")
            ->capture_default_str();
      },
      [](session& s, notify_request& a) { return notify(s, a); });
  command<name_args>(
      app, p, "targets", "Where a volume could go: hosts ranked by what it would take",
      "foreshift targets vm1",
      [](CLI::App& c, name_args& a) { c.add_option("VOLUME", a.name, "Volume")->required(); },
      [](session& s, name_args& a) { return show_targets(s, a.name); });
}

void add_tasks(CLI::App& app, parsed& p) {
  auto& task = group(app, "task", "Long work: migrations, flips, background moves");
  command<no_args>(
      task, p, "calibration", "Promises of VMs' migrations against what came true",
      "foreshift task calibration", [](auto&, auto&) {},
      [](session& s, no_args&) { return show_calibration(s); });
  auto id = [](CLI::App& c, number_args& a) { c.add_option("ID", a.id, "Task")->required(); };
  command<number_args>(
      task, p, "list", "List tasks", "foreshift task list --all",
      [](CLI::App& c, number_args& a) {
        c.add_flag("--all", a.flag, "Also those that have ended");
      },
      [](session& s, number_args& a) { return list_tasks(s, a.flag); });
  command<number_args>(task, p, "show", "Show one task", "foreshift task show 7", id,
                       [](session& s, number_args& a) { return show_task(s, a.id); });
  command<number_args>(task, p, "cancel", "Ask a task to stop and clean up",
                       "foreshift task cancel 7", id,
                       [](session& s, number_args& a) { return cancel_task(s, a.id); });
  command<number_args>(
      app, p, "events", "What happened: attachments, flips, hosts lost and found, faults",
      "foreshift events --follow",
      [](CLI::App& c, number_args& a) {
        c.add_flag("-f,--follow", a.flag, "Go on as they come, until Ctrl-C");
        c.add_option("--after", a.id, "Only those after this sequence number");
        c.add_option("--limit", a.limit, "At most so many at once")->capture_default_str();
      },
      [](session& s, number_args& a) { return show_events(s, a.id, a.limit, a.flag); });
}

void add_globals(CLI::App& app, parsed& p) {
  app.add_option("-C,--coordinator", p.global.coordinator, "Coordinator: HOST:PORT or unix:PATH")
      ->envname("FORESHIFT_COORDINATOR")
      ->capture_default_str();
  app.add_option("-o,--output", p.output, "How to print answers")
      ->check(CLI::IsMember({"table", "json"}))
      ->capture_default_str();
  app.add_option("--tls-cert", p.global.tls.certificate, "Certificate of this tool (PEM)")
      ->envname("FORESHIFT_TLS_CERT");
  app.add_option("--tls-key", p.global.tls.key, "Its key (PEM)")->envname("FORESHIFT_TLS_KEY");
  app.add_option("--tls-ca", p.global.tls.ca, "Authority that signed both sides (PEM)")
      ->envname("FORESHIFT_TLS_CA");
  app.add_option("--tls-name", p.global.server_name,
                 "Name in the coordinator's certificate (default: the host of its address)");
  app.set_version_flag("--version", std::string{"foreshift "} + version);
}

} // namespace

int run(int argc, char** argv) {
  parsed p;
  CLI::App app{
      "Foreshift moves the blocks a VM is about to use next to the host it will run on, then "
      "hands the volume over.",
      "foreshift"};
  app.footer("Exit codes: 0 ok, 1 failed, 2 usage, 3 not found, 4 precondition, 5 timeout,\n"
             "6 unreachable, 7 refused.\n\nExample:\n  foreshift volume create vm1 4GiB\n"
             "  foreshift volume attach vm1 host-a\n  foreshift migrate vm1 --to host-c");
  app.require_subcommand(1);
  app.fallthrough();
  add_globals(app, p);
  command<no_args>(
      app, p, "status", "Health of the cell at a glance", "foreshift status -o json",
      [](auto&, auto&) {}, [](session& s, no_args&) { return show_status(s); });
  add_hosts(app, p);
  add_scrub(app, p);
  add_volumes(app, p);
  add_forecasts(app, p);
  add_migrations(app, p);
  add_intents(app, p);
  add_tasks(app, p);
  add_rest(app, p);
  try {
    app.parse(argc, argv);
  } catch (const CLI::Success& e) {
    return app.exit(e);
  } catch (const CLI::ParseError& e) {
    std::fprintf(stderr,
                 "foreshift: %s\nhint: 'foreshift --help' and 'foreshift COMMAND --help' "
                 "teach the usage\n",
                 e.what());
    return exit_code(errc::invalid);
  }
  p.global.json = p.output == "json";
  session s{p.global};
  return p.command(s);
}

} // namespace foreshift::cli
