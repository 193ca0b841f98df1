// SPDX-License-Identifier: Apache-2.0
#include "actors/agent/plane_runner.hpp"

#include "actors/agent/listen_socket.hpp"
#include "actors/agent/plane_command.hpp"
#include "core/base/log.hpp"

#include <fmt/format.h>

#include <cerrno>
#include <csignal>
#include <cstring>
#include <fcntl.h>
#include <filesystem>
#include <fstream>
#include <poll.h>
#include <spawn.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>
#include <vector>

namespace foreshift {

namespace {

namespace fs = std::filesystem;

constexpr std::uintmax_t log_bytes_max = 16u << 20;
constexpr int guest_fd = 3; // where socket activation puts the first descriptor
constexpr int peer_fd = 4;

/// Starts "$@" as nobody's child and writes its pid into $0. Two reasons for a shell: LISTEN_PID
/// must be the pid of the program itself, and nbdkit under socket activation asks the kernel for a
/// SIGTERM when its parent ends (PR_SET_PDEATHSIG), but it must outlive the agent. So it waits for
/// the launcher to end before it becomes nbdkit.
constexpr const char* launcher = R"((exec sh -c '
  launcher=$0
  while read -r pid name state parent rest < /proc/$$/stat && [ "$parent" = "$launcher" ]; do
    :
  done
  export LISTEN_PID=$$ LISTEN_FDS=2
  exec "$@"' $$ "$@") &
echo $! > "$0")";

result<void> make_directory(const std::string& path) {
  std::error_code ec;
  fs::create_directories(path, ec);
  if (!ec)
    fs::permissions(path, fs::perms::owner_all, ec);
  if (ec)
    return fault{errc::storage, fmt::format("cannot create {}: {}", path, ec.message())};
  return {};
}

result<void> link_to(const std::string& target, const std::string& path) {
  std::error_code ec;
  fs::remove(path, ec);
  fs::create_symlink(fs::absolute(target), path, ec);
  if (ec)
    return fault{errc::storage, fmt::format("cannot link {}: {}", path, ec.message())};
  return {};
}

/// Everything a posix_spawn needs, freed together.
struct spawn_plan {
  posix_spawn_file_actions_t files;
  posix_spawnattr_t attributes;

  spawn_plan() {
    posix_spawn_file_actions_init(&files);
    posix_spawnattr_init(&attributes);
  }
  ~spawn_plan() {
    posix_spawn_file_actions_destroy(&files);
    posix_spawnattr_destroy(&attributes);
  }
  spawn_plan(const spawn_plan&) = delete;
  spawn_plan& operator=(const spawn_plan&) = delete;
};

class nbdkit_runner final : public plane_runner {
public:
  explicit nbdkit_runner(plane_process_options options) : options_(std::move(options)) {}

  result<std::uint32_t> start() override {
    for (auto step :
         {&nbdkit_runner::prepare_files, &nbdkit_runner::prepare_tls, &nbdkit_runner::bind_sockets})
      if (auto done = (this->*step)(); !done)
        return done.error();
    auto pid = spawn();
    if (!pid)
      return pid.error();
    watch(*pid);
    return *pid;
  }

  result<void> adopt(std::uint32_t pid) override {
    watch(pid);
    if (!pidfd_)
      return fault{errc::not_found, fmt::format("process {} has ended", pid)};
    // With the sockets in hand a later restart refuses nobody; without, there is a short gap.
    if (!guests_)
      guests_ = borrow_listening(pidfd_.get(), guest_fd);
    if (!peers_)
      peers_ = borrow_listening(pidfd_.get(), peer_fd);
    if (!guests_ || !peers_)
      slog::debug("the data plane's sockets stay with pid {} alone", pid);
    return {};
  }

  std::optional<std::uint32_t> recorded() const override {
    auto pid = pid_on_disk();
    if (pid == 0)
      return std::nullopt;
    std::ifstream file{fmt::format("/proc/{}/cmdline", pid), std::ios::binary};
    std::string words{std::istreambuf_iterator<char>{file}, {}};
    auto ours = std::string{'\0'} + "data=" + options_.plane_data() + '\0';
    if (words.find(ours) == std::string::npos)
      return std::nullopt;
    return pid;
  }

  bool gone() override {
    if (!pidfd_)
      return true;
    pollfd ask{pidfd_.get(), POLLIN, 0};
    if (poll(&ask, 1, 0) <= 0)
      return false;
    pidfd_ = {};
    return true;
  }

  void terminate() override {
    if (pidfd_)
      syscall(SYS_pidfd_send_signal, pidfd_.get(), SIGTERM, nullptr, 0);
  }

  std::string last_words() const override {
    std::ifstream log{options_.log_file(), std::ios::binary | std::ios::ate};
    std::string tail;
    if (log) {
      auto size = static_cast<std::int64_t>(log.tellg());
      log.seekg(std::max<std::int64_t>(0, size - 512));
      for (std::string line; std::getline(log, line);)
        if (!line.empty())
          tail = line;
    }
    return tail.empty() ? "its log is empty" : "the last line of its log: " + tail;
  }

private:
  result<void> prepare_files() {
    if (access(options_.plugin.c_str(), R_OK) != 0)
      return fault{errc::failed, fmt::format("cannot read the plugin {}: {}; set plane.plugin",
                                             options_.plugin, std::strerror(errno))};
    for (const auto& dir :
         {options_.data, options_.data + "/run", options_.data + "/log", options_.plane_data()})
      if (auto made = make_directory(dir); !made)
        return made;
    std::error_code ec;
    fs::create_directories(fs::path{options_.socket}.parent_path(), ec);
    if (fs::file_size(options_.log_file(), ec) > log_bytes_max && !ec)
      fs::rename(options_.log_file(), options_.log_file() + ".old", ec);
    return {};
  }

  /// nbdkit and libnbd want a directory with fixed file names.
  result<void> prepare_tls() {
    if (options_.certificate.empty())
      return {};
    auto dir = options_.tls_dir();
    if (auto made = make_directory(dir); !made)
      return made;
    for (const auto& [name, target] : {std::pair{"/ca-cert.pem", options_.ca},
                                       {"/server-cert.pem", options_.certificate},
                                       {"/server-key.pem", options_.key},
                                       {"/client-cert.pem", options_.certificate},
                                       {"/client-key.pem", options_.key}})
      if (auto linked = link_to(target, dir + name); !linked)
        return linked;
    return {};
  }

  result<void> bind_sockets() {
    if (!guests_) {
      auto bound = listen_unix(options_.socket);
      if (!bound)
        return bound.error();
      guests_ = *std::move(bound);
    }
    if (!peers_) {
      auto bound = listen_tcp(options_.listen);
      if (!bound)
        return bound.error();
      peers_ = *std::move(bound);
    }
    return {};
  }

  result<std::uint32_t> spawn() {
    // Sources above the targets, so that no dup2 overwrites a descriptor that is still needed.
    owned_fd guests{fcntl(guests_.get(), F_DUPFD_CLOEXEC, 10)};
    owned_fd peers{fcntl(peers_.get(), F_DUPFD_CLOEXEC, 10)};
    spawn_plan plan;
    posix_spawn_file_actions_addopen(&plan.files, 0, "/dev/null", O_RDONLY, 0);
    posix_spawn_file_actions_addopen(&plan.files, 1, options_.log_file().c_str(),
                                     O_WRONLY | O_CREAT | O_APPEND, 0600);
    posix_spawn_file_actions_adddup2(&plan.files, 1, 2);
    posix_spawn_file_actions_adddup2(&plan.files, guests.get(), guest_fd);
    posix_spawn_file_actions_adddup2(&plan.files, peers.get(), peer_fd);
    posix_spawn_file_actions_addclosefrom_np(&plan.files, peer_fd + 1);
    sigset_t none;
    sigset_t all;
    sigemptyset(&none);
    sigfillset(&all);
    posix_spawnattr_setsigmask(&plan.attributes, &none);
    posix_spawnattr_setsigdefault(&plan.attributes, &all);
    // A session of its own: a signal to the agent's terminal or group does not reach it.
    posix_spawnattr_setflags(&plan.attributes,
                             POSIX_SPAWN_SETSID | POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
    auto command = plane_command(options_);
    auto pid_file = options_.pid_file();
    std::vector<const char*> argv{"sh", "-c", launcher, pid_file.c_str()};
    for (const auto& word : command)
      argv.push_back(word.c_str());
    argv.push_back(nullptr);
    pid_t shell = 0;
    int error = posix_spawn(&shell, "/bin/sh", &plan.files, &plan.attributes,
                            const_cast<char* const*>(argv.data()), environ);
    if (error != 0)
      return fault{errc::failed,
                   fmt::format("cannot start {}: {}", options_.nbdkit, std::strerror(error))};
    int status = 0; // of the launcher, which ends at once
    if (waitpid(shell, &status, 0) != shell || status != 0 || pid_on_disk() == 0)
      return fault{errc::storage, "cannot write " + pid_file};
    return pid_on_disk();
  }

  std::uint32_t pid_on_disk() const {
    std::uint32_t pid = 0;
    std::ifstream{options_.pid_file()} >> pid;
    return pid;
  }

  void watch(std::uint32_t pid) {
    pid_ = pid;
    pidfd_ = owned_fd{static_cast<int>(syscall(SYS_pidfd_open, static_cast<pid_t>(pid), 0))};
  }

  plane_process_options options_;
  owned_fd guests_;
  owned_fd peers_;
  owned_fd pidfd_;
  std::uint32_t pid_ = 0;
};

} // namespace

std::unique_ptr<plane_runner> make_nbdkit_runner(plane_process_options options) {
  return std::make_unique<nbdkit_runner>(std::move(options));
}

} // namespace foreshift
