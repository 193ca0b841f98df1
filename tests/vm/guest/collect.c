// SPDX-License-Identifier: Apache-2.0
// usage: collect FILE SOCKET...
// Connects to each unix socket (a QEMU's virtio-serial port) as it appears, notes when each record
// of the guest arrives and appends it to FILE. A line "N C" on its input sends the character C to
// the Nth socket. Ends when its input ends.
#include "record.h"

#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

enum { sockets_max = 128, idle_ms = 20 };

struct port {
  const char* path;
  size_t have;
  unsigned char bytes[64 * sizeof(struct io_record)];
};

static struct port ports[sockets_max];
static struct pollfd polled[sockets_max + 1]; // the last one: our input

static uint64_t now_ns(void) {
  struct timespec t;
  clock_gettime(CLOCK_REALTIME, &t); // The clock of QEMU's events.
  return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static int connect_to(const char* path) {
  struct sockaddr_un address = {.sun_family = AF_UNIX};
  strncpy(address.sun_path, path, sizeof address.sun_path - 1);
  int made = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (made >= 0 && connect(made, (struct sockaddr*)&address, sizeof address) == 0)
    return made;
  close(made);
  return -1;
}

static void take(FILE* out, int source, uint64_t arrived) {
  struct port* p = &ports[source];
  ssize_t got = read(polled[source].fd, p->bytes + p->have, sizeof p->bytes - p->have);
  if (got <= 0) {
    close(polled[source].fd);
    polled[source].fd = -1;
    p->have = 0;
    return;
  }
  p->have += (size_t)got;
  size_t at = 0;
  for (; at + sizeof(struct io_record) <= p->have; at += sizeof(struct io_record)) {
    struct collected_record kept = {.arrived_ns = arrived, .source = (uint64_t)source};
    memcpy(&kept.record, p->bytes + at, sizeof kept.record);
    fwrite(&kept, sizeof kept, 1, out);
  }
  memmove(p->bytes, p->bytes + at, p->have - at);
  p->have -= at;
}

/// False when the input has ended.
static int obey(int sockets) {
  char line[64];
  ssize_t got = read(STDIN_FILENO, line, sizeof line - 1);
  if (got <= 0)
    return 0;
  line[got] = 0;
  int to;
  char order;
  if (sscanf(line, "%d %c", &to, &order) == 2 && to >= 0 && to < sockets && polled[to].fd >= 0)
    (void)!write(polled[to].fd, &order, 1);
  return 1;
}

int main(int argc, char** argv) {
  int sockets = argc - 2;
  if (sockets < 1 || sockets > sockets_max)
    return 2;
  FILE* out = fopen(argv[1], "ab");
  if (!out)
    return 1;
  (void)mlockall(MCL_CURRENT | MCL_FUTURE); // A page fault would be taken for the guest's pause.
  for (int i = 0; i < sockets; ++i) {
    ports[i].path = argv[i + 2];
    polled[i] = (struct pollfd){.fd = -1, .events = POLLIN};
  }
  polled[sockets] = (struct pollfd){.fd = STDIN_FILENO, .events = POLLIN};
  for (;;) {
    for (int i = 0; i < sockets; ++i)
      if (polled[i].fd < 0)
        polled[i].fd = connect_to(ports[i].path);
    int ready = poll(polled, (nfds_t)sockets + 1, idle_ms);
    uint64_t arrived = now_ns();
    if (ready == 0)
      fflush(out);
    for (int i = 0; i < sockets; ++i)
      if (polled[i].fd >= 0 && polled[i].revents)
        take(out, i, arrived);
    if (polled[sockets].revents && !obey(sockets))
      break;
  }
  fclose(out);
  return 0;
}
