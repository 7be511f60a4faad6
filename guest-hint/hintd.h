/*
 * migration-hintd: what its parts know of each other.
 *
 *     programs --unix socket--> clients --differences--> port --> hypervisor
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef HINTD_H
#define HINTD_H

#include <poll.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>
#include "hint-local.h"

#define NS_PER_MS INT64_C(1000000)
#define NS_PER_S INT64_C(1000000000)

/* As many as the hypervisor takes from one guest. */
#define CLIENTS_MAX 64
/* Connections beside those: of programs that only ask. */
#define SLOTS_MAX (CLIENTS_MAX + 32)
#define NESTING_MAX 16
/* Each slot may have two file descriptors to watch. */
#define POLL_MAX (2 * SLOTS_MAX + 2)

int64_t now_ns(void);
/* To standard error, a few lines a second at most. */
void say(const char *format, ...) __attribute__((format(printf, 1, 2)));
/* min, where -1 is "never". */
int64_t sooner(int64_t a_ns, int64_t b_ns);

/* ---- clients (hintd-clients.c) ---- */

typedef struct Client {
    bool used;
    int fd;                     /* its connection, or -1: watched by pidfd */
    int pidfd;                  /* or -1 */
    uid_t uid;
    pid_t pid;
    char id[HINT_NAME_MAX + 1]; /* "": has not joined */
    char tag[HINT_NAME_MAX + 1]; /* of the outermost enter */
    int depth;
    int64_t lease_ms, deadline_ns;      /* 0, -1: none */
    int64_t status_ns;          /* waits for the answer to "status" until; -1 */
    bool gone;                  /* the hypervisor has to be told */
    /* What the hypervisor knows. */
    bool told;
    bool told_inside;
} Client;

typedef struct Clients {
    int listen_fd;
    int per_uid_max;
    unsigned serial;            /* makes ids unique */
    Client slot[SLOTS_MAX];
} Clients;

void clients_init(Clients *c, int listen_fd, int per_uid_max);
/* Adds what is to be watched; returns how many, with each one's slot. */
int clients_poll(Clients *c, struct pollfd *fds, int *slots);
void clients_event(Clients *c, int slot, const struct pollfd *p);
void clients_accept(Clients *c);
/* Leases and answers that are due; returns when to be called next, or -1. */
int64_t clients_tick(Clients *c, int64_t now);
/* The hypervisor's answer to "status", or NULL: the port is down. */
void clients_answer(Clients *c, const char *host);
bool clients_want_status(const Clients *c);

/* ---- port (hintd-port.c) ---- */

typedef struct Port {
    const char *path;
    int fd;
    bool up;                    /* open, and somebody at the other end */
    bool tty;
    int64_t lease_ms;           /* -1: 10 s on a terminal, else none; 0: none */
    int64_t retry_ns;           /* when to look again; -1: no need */
    int64_t alive_ns;           /* when the lease is to be renewed; -1: none */
    int64_t statement_ns;       /* when a statement is due; -1: none is */
    int64_t last_statement_ns;
    int64_t lines_left;         /* token bucket, well below the host's */
    int64_t refilled_ns;
    int64_t status_asked_ns;    /* -1: no answer is waited for */
    int next;                   /* whose turn it is */
    char in[HINT_MESSAGE_MAX];
    size_t in_len;
    bool in_skip;
    char out[8192];
    size_t out_len;
} Port;

void port_init(Port *p, const char *path, int64_t lease_ms);
/* What to wait for; fd -1 when there is nothing. */
struct pollfd port_poll(const Port *p);
void port_event(Port *p, short revents, Clients *c);
/* Opens, states, tells differences; returns when to be called next, or -1. */
int64_t port_tick(Port *p, Clients *c, int64_t now);
/* Says goodbye, as far as that is possible at once. */
void port_close(Port *p);

#endif
