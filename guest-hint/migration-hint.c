/*
 * migration-hint: hints for scripts, and for programs that cannot be changed.
 *
 * A command ends long before the tag that it opens should.  So it opens it on
 * behalf of another process, by default the one that called it, and the daemon
 * closes the tag when that one ends.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#define _GNU_SOURCE
#include <errno.h>
#include <getopt.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>
#include "hint-local.h"

#define NAME "migration-hint"
#define EXIT_NO_DAEMON 3
#define ANSWER_WAIT_S 2

#ifndef SYS_pidfd_open
#define SYS_pidfd_open 434
#endif

static const char usage[] =
    "Usage: " NAME " enter|leave|join|forget [OPTION]...\n"
    "       " NAME " run [OPTION]... -- COMMAND [ARGUMENT]...\n"
    "       " NAME " status\n"
    "Says when it is a good time to migrate this machine.\n\n"
    "  enter     it is, until leave, or until the calling process ends; nests\n"
    "  leave     it is not any more\n"
    "  join      it is not, from now on\n"
    "  forget    no opinion any more\n"
    "  run       it is while COMMAND runs\n"
    "  status    what the daemon and the hypervisor know\n\n"
    "  --pid PID          of that process instead of the one that calls\n"
    "  --tag NAME         for people: letters, digits, . _ : -\n"
    "  --lease SECONDS    forget the process when nothing is said of it for so long\n"
    "  --socket PATH      of the daemon (default " HINT_SOCKET ")\n"
    "  --strict           no daemon, or refused: fail. Hints are advice, so by\n"
    "                     default that is told on standard error at most\n"
    "  --help             this text\n"
    "Exit status: 0; 1 with --strict; 2 wrong usage; 3 status without a daemon;\n"
    "that of COMMAND.\n";

static void die(const char *what, const char *advice)
{
    fprintf(stderr, NAME ": error: %s: %s\n", what, advice);
    exit(2);
}

static long number(const char *option, const char *text, long min, long max)
{
    char *end;
    long n = strtol(text, &end, 10);

    if (!*text || *end || n < min || n > max) {
        die(option, "the value is out of range; see --help");
    }
    return n;
}

/* -1: there is no daemon. */
static int connect_daemon(const char *path)
{
    struct sockaddr_un addr = { .sun_family = AF_UNIX };
    struct timeval patience = { .tv_sec = ANSWER_WAIT_S };
    int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);

    if (strlen(path) >= sizeof(addr.sun_path)) {
        die(path, "the path of a socket has to be shorter");
    }
    strcpy(addr.sun_path, path);
    if (fd < 0) {
        return -1;
    }
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
    setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof(patience));
    if (connect(fd, (struct sockaddr *)&addr, sizeof(addr)) < 0) {
        close(fd);
        return -1;
    }
    return fd;
}

/* Sends text about the process of pidfd (-1: none), and gets the answer. */
static bool ask(int fd, const char *text, int pidfd, char *answer, size_t size)
{
    union {
        char bytes[CMSG_SPACE(sizeof(int))];
        struct cmsghdr header;
    } control = { { 0 } };
    struct iovec iov = { (char *)text, strlen(text) };
    struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1 };
    ssize_t n;

    if (pidfd >= 0) {
        msg.msg_control = &control;
        msg.msg_controllen = sizeof(control);
        control.header.cmsg_level = SOL_SOCKET;
        control.header.cmsg_type = SCM_RIGHTS;
        control.header.cmsg_len = CMSG_LEN(sizeof(int));
        memcpy(CMSG_DATA(&control.header), &pidfd, sizeof(pidfd));
    }
    n = sendmsg(fd, &msg, MSG_NOSIGNAL);
    if (n >= 0) {
        n = recv(fd, answer, size - 1, 0);
    }
    if (n <= 0) {
        return false;
    }
    answer[n] = '\0';
    return true;
}

/* NULL: done; else why it was not. */
static const char *tell(const char *socket_path, const char *verb, pid_t pid,
                        const char *tag, const char *name, long lease_ms)
{
    static char answer[64];
    char text[HINT_MESSAGE_MAX];
    int fd, pidfd, len;
    bool answered;

    fd = connect_daemon(socket_path);
    if (fd < 0) {
        return "no daemon listens; start migration-hintd";
    }
    pidfd = syscall(SYS_pidfd_open, pid, 0);
    if (pidfd < 0) {
        close(fd);
        return errno == ENOSYS ? "Linux 5.3 or later is needed"
                               : "there is no such process";
    }
    len = snprintf(text, sizeof(text), "%s", verb);
    if (tag) {
        len += snprintf(text + len, sizeof(text) - len, " tag=%s", tag);
    }
    if (name) {
        len += snprintf(text + len, sizeof(text) - len, " name=%s", name);
    }
    if (lease_ms >= 0) {
        snprintf(text + len, sizeof(text) - len, " lease-ms=%ld", lease_ms);
    }
    answered = ask(fd, text, pidfd, answer, sizeof(answer));
    close(fd);
    close(pidfd);
    if (!answered) {
        return "the daemon does not answer";
    }
    return strcmp(answer, "ok") ? answer : NULL;
}

static int show_status(const char *socket_path)
{
    static char text[HINT_STATUS_MAX + 1];
    int fd = connect_daemon(socket_path);

    if (fd < 0 || !ask(fd, "status", -1, text, sizeof(text))) {
        puts("daemon: none");
        return EXIT_NO_DAEMON;
    }
    printf("daemon: %s\n%s", socket_path, text);
    return 0;
}

/* Runs of what the protocol does not know would make a message unreadable. */
static const char *program_name(const char *path)
{
    static char name[16];
    const char *base = strrchr(path, '/');
    int i;

    base = base ? base + 1 : path;
    for (i = 0; i < 15 && base[i]; i++) {
        name[i] = hint_name_char(base[i]) ? base[i] : '_';
    }
    return name[0] ? name : NULL;
}

int main(int argc, char **argv)
{
    static const struct option options[] = {
        { "pid", required_argument, NULL, 'p' },
        { "tag", required_argument, NULL, 't' },
        { "lease", required_argument, NULL, 'l' },
        { "socket", required_argument, NULL, 's' },
        { "strict", no_argument, NULL, 'x' },
        { "help", no_argument, NULL, 'h' },
        { NULL, 0, NULL, 0 },
    };
    const char *verb, *socket_path = getenv("MIGRATION_HINT_SOCKET");
    const char *tag = NULL, *name = NULL, *refused;
    pid_t pid = getppid();
    long lease_ms = -1;
    bool strict = false, run;
    int option;

    socket_path = socket_path ? socket_path : HINT_SOCKET;
    verb = argc > 1 ? argv[1] : "";
    run = strcmp(verb, "run") == 0;
    if (strcmp(verb, "--help") == 0) {
        fputs(usage, stdout);
        return 0;
    } else if (verb[0] == '-' || !verb[0]) {
        fputs(usage, stderr);
        return 2;
    }
    /* Options come after the verb; what follows COMMAND is COMMAND's. */
    argv++;
    argc--;
    while ((option = getopt_long(argc, argv, run ? "+" : "", options,
                                 NULL)) != -1) {
        switch (option) {
        case 'p':
            pid = number("--pid", optarg, 1, 4194304);
            break;
        case 't':
            tag = optarg;
            if (!hint_name_valid(tag)) {
                die("--tag", "1 to 32 letters, digits, . _ : or -");
            }
            break;
        case 'l':
            lease_ms = number("--lease", optarg, 1,
                              HINT_LEASE_MAX_MS / 1000) * 1000;
            break;
        case 's':
            socket_path = optarg;
            break;
        case 'x':
            strict = true;
            break;
        case 'h':
            fputs(usage, stdout);
            return 0;
        default:
            return 2;
        }
    }
    if (!run && optind < argc) {
        die(argv[optind], "no further argument is expected; see --help");
    }
    if (strcmp(verb, "status") == 0) {
        return show_status(socket_path);
    }
    if (run) {
        if (optind >= argc) {
            die("run", "which command? see --help");
        }
        /* This very process becomes COMMAND. */
        pid = getpid();
        name = program_name(argv[optind]);
    } else if (strcmp(verb, "enter") && strcmp(verb, "leave") &&
               strcmp(verb, "join") && strcmp(verb, "forget")) {
        die(verb, "enter, leave, join, forget, run or status; see --help");
    }
    refused = tell(socket_path, run ? "enter" : verb, pid, tag, name, lease_ms);
    if (refused) {
        fprintf(stderr, NAME ": %s\n", refused);
    }
    if (refused && strict) {
        return 1;
    }
    if (run) {
        execvp(argv[optind], argv + optind);
        fprintf(stderr, NAME ": error: %s: %s\n", argv[optind],
                strerror(errno));
        return errno == ENOENT ? 127 : 126;
    }
    return 0;
}
