/*
 * migration-hintd: collects the hints of a machine's programs and tells them to
 * its hypervisor.
 *
 * A virtio port can be opened by one process only, and by root; programs that
 * give hints are several, and anybody's.  Hence a daemon.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>
#include "hintd.h"

#define NAME "migration-hintd"
#define SYSTEMD_FIRST_FD 3

static volatile sig_atomic_t stop;

static const char usage[] =
    "Usage: " NAME " [OPTION]...\n"
    "Tells the hypervisor when this machine's programs say that it is a good time\n"
    "to migrate it.\n\n"
    "  --port PATH            virtio or serial port (default\n"
    "                         " HINT_PORT ")\n"
    "  --socket PATH          where programs connect (default " HINT_SOCKET ")\n"
    "  --mode OCTAL           who may: the socket's mode (default 0666)\n"
    "  --lease SECONDS        what the hypervisor hears nothing of for so long is\n"
    "                         void; 0: none (default 10 on a serial port, else 0)\n"
    "  --clients-per-uid N    1 to 64 (default 16); root is not bounded\n"
    "  --help                 this text\n";

int64_t now_ns(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec * NS_PER_S + t.tv_nsec;
}

int64_t sooner(int64_t a_ns, int64_t b_ns)
{
    if (a_ns == -1 || b_ns == -1) {
        return a_ns == -1 ? b_ns : a_ns;
    }
    return a_ns < b_ns ? a_ns : b_ns;
}

void say(const char *format, ...)
{
    static int64_t second;
    static int lines;
    va_list args;

    if (now_ns() / NS_PER_S != second) {
        second = now_ns() / NS_PER_S;
        lines = 0;
    }
    if (lines++ >= 5) {
        return;
    }
    fputs(NAME ": ", stderr);
    va_start(args, format);
    vfprintf(stderr, format, args);
    va_end(args);
    fputc('\n', stderr);
}

static void die(const char *what, const char *detail, const char *advice)
{
    fprintf(stderr, NAME ": error: %s%s: %s\n", what, detail, advice);
    exit(1);
}

static long number(const char *option, const char *text, int base, long min,
                   long max)
{
    char *end;
    long n = strtol(text, &end, base);

    if (!*text || *end || n < min || n > max) {
        die(option, " has a bad value", text);
    }
    return n;
}

static void on_signal(int signal)
{
    stop = 1;
}

/* What systemd has opened for us, or -1. */
static int inherited_socket(void)
{
    const char *pid = getenv("LISTEN_PID"), *n = getenv("LISTEN_FDS");

    if (!pid || !n || atol(pid) != getpid() || atoi(n) != 1) {
        return -1;
    }
    fcntl(SYSTEMD_FIRST_FD, F_SETFD, FD_CLOEXEC);
    fcntl(SYSTEMD_FIRST_FD, F_SETFL, O_NONBLOCK);
    return SYSTEMD_FIRST_FD;
}

static int make_socket(const char *path, mode_t mode)
{
    struct sockaddr_un addr = { .sun_family = AF_UNIX };
    int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

    if (strlen(path) >= sizeof(addr.sun_path)) {
        die(path, "", "the path of a socket has to be shorter");
    }
    strcpy(addr.sun_path, path);
    if (fd >= 0 && connect(fd, (struct sockaddr *)&addr, sizeof(addr)) == 0) {
        die(path, "", "another daemon listens there; stop it first");
    }
    /* What a daemon that was killed has left. */
    if (errno == ECONNREFUSED) {
        unlink(path);
    }
    umask(0777);
    if (fd < 0 || bind(fd, (struct sockaddr *)&addr, sizeof(addr)) < 0 ||
        listen(fd, 64) < 0 || chmod(path, mode) < 0) {
        die(path, "", strerror(errno));
    }
    return fd;
}

static void serve(Port *port, Clients *clients)
{
    static struct pollfd fds[POLL_MAX];
    static int slots[POLL_MAX];
    sigset_t waiting;
    int i, n;

    sigprocmask(SIG_SETMASK, NULL, &waiting);
    sigdelset(&waiting, SIGTERM);
    sigdelset(&waiting, SIGINT);
    while (!stop) {
        int64_t now = now_ns(), next_ns;
        struct timespec wait;

        next_ns = clients_tick(clients, now);
        next_ns = sooner(next_ns, port_tick(port, clients, now));
        fds[0] = port_poll(port);
        fds[1] = (struct pollfd) { clients->listen_fd, POLLIN, 0 };
        n = clients_poll(clients, fds + 2, slots + 2) + 2;
        if (next_ns != -1) {
            next_ns = next_ns > now ? next_ns - now : 0;
            wait.tv_sec = next_ns / NS_PER_S;
            wait.tv_nsec = next_ns % NS_PER_S;
        }
        if (ppoll(fds, n, next_ns == -1 ? NULL : &wait, &waiting) < 0) {
            continue;
        }
        for (i = 2; i < n; i++) {
            clients_event(clients, slots[i], &fds[i]);
        }
        if (fds[1].revents) {
            clients_accept(clients);
        }
        if (fds[0].revents) {
            port_event(port, fds[0].revents, clients);
        }
    }
}

int main(int argc, char **argv)
{
    static const struct option options[] = {
        { "port", required_argument, NULL, 'p' },
        { "socket", required_argument, NULL, 's' },
        { "mode", required_argument, NULL, 'm' },
        { "lease", required_argument, NULL, 'l' },
        { "clients-per-uid", required_argument, NULL, 'u' },
        { "help", no_argument, NULL, 'h' },
        { NULL, 0, NULL, 0 },
    };
    static Clients clients;
    static Port port;
    const char *port_path = HINT_PORT, *socket_path = HINT_SOCKET;
    struct sigaction action = { .sa_handler = on_signal };
    int64_t lease_ms = -1;
    int mode = 0666, per_uid_max = 16, fd, inherited, option;
    sigset_t blocked;

    while ((option = getopt_long(argc, argv, "", options, NULL)) != -1) {
        switch (option) {
        case 'p':
            port_path = optarg;
            break;
        case 's':
            socket_path = optarg;
            break;
        case 'm':
            mode = number("--mode", optarg, 8, 0, 0777);
            break;
        case 'l':
            lease_ms = number("--lease", optarg, 10, 0,
                              HINT_LEASE_MAX_MS / 1000) * 1000;
            break;
        case 'u':
            per_uid_max = number("--clients-per-uid", optarg, 10, 1,
                                 CLIENTS_MAX);
            break;
        case 'h':
            fputs(usage, stdout);
            return 0;
        default:
            return 2;
        }
    }
    if (optind < argc) {
        die("no argument is expected, not ", argv[optind], "see --help");
    }

    /* Delivered while we wait only, so that none comes between. */
    sigemptyset(&blocked);
    sigaddset(&blocked, SIGTERM);
    sigaddset(&blocked, SIGINT);
    sigprocmask(SIG_BLOCK, &blocked, NULL);
    sigaction(SIGTERM, &action, NULL);
    sigaction(SIGINT, &action, NULL);
    signal(SIGPIPE, SIG_IGN);
    signal(SIGHUP, SIG_IGN);

    inherited = inherited_socket();
    fd = inherited >= 0 ? inherited : make_socket(socket_path, mode);
    clients_init(&clients, fd, per_uid_max);
    port_init(&port, port_path, lease_ms);
    serve(&port, &clients);
    port_close(&port);
    if (inherited < 0) {
        unlink(socket_path);
    }
    return 0;
}
