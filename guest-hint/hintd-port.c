/*
 * migration-hintd: the port to the hypervisor.
 *
 * A virtio port, or a serial port with a lease that is renewed.  What is told
 * is the difference between each client's state and what the hypervisor knows
 * of it: however often a program changes its mind, the last state is told, and
 * at most LINES_PER_S lines a second are.  Whenever the other end may have
 * changed (it asks, reports an error, or the port was opened) everything is
 * stated anew.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <termios.h>
#include <unistd.h>
#include "hintd.h"

/* The hypervisor bears 256 a second, with bursts of 2048. */
#define LINES_PER_S 100
#define LINES_BURST 200
#define REOPEN_NS (NS_PER_S / 2)
#define STATEMENT_INTERVAL_NS NS_PER_S
/* An error may be the line's: state anew. Twice in a row: not at once. */
#define ERROR_INTERVAL_NS (10 * NS_PER_S)
#define STATUS_WAIT_NS (NS_PER_S / 2)
#define TTY_LEASE_MS 10000
/* The longest line that is sent. */
#define LINE_MAX_BYTES 96

void port_init(Port *p, const char *path, int64_t lease_ms)
{
    *p = (Port) {
        .path = path,
        .fd = -1,
        .lease_ms = lease_ms,
        .retry_ns = 0,
        .alive_ns = -1,
        .statement_ns = -1,
        .last_statement_ns = -1,
        .lines_left = LINES_BURST,
        .refilled_ns = now_ns(),
        .status_asked_ns = -1,
    };
}

static void port_down(Port *p, Clients *c, const char *why)
{
    if (p->up) {
        say("%s: %s", p->path, why);
    }
    /* A virtio port tells when its other end is back; a terminal does not. */
    if (p->tty || p->fd < 0) {
        if (p->fd >= 0) {
            close(p->fd);
        }
        p->fd = -1;
    }
    p->up = false;
    p->in_len = p->out_len = 0;
    p->in_skip = false;
    p->retry_ns = now_ns() + REOPEN_NS;
    p->alive_ns = p->statement_ns = p->status_asked_ns = -1;
    clients_answer(c, NULL);
}

static void port_up(Port *p, int64_t now)
{
    p->up = true;
    p->retry_ns = -1;
    p->statement_ns = now;
    p->last_statement_ns = -1;
    say("%s: open%s", p->path, p->tty ? ", a serial port" : "");
}

static void port_open(Port *p, int64_t now)
{
    struct pollfd look;
    struct termios t;

    p->retry_ns = now + REOPEN_NS;
    if (p->fd < 0) {
        p->fd = open(p->path, O_RDWR | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
        if (p->fd < 0) {
            return;
        }
        p->tty = isatty(p->fd);
        if (p->tty && tcgetattr(p->fd, &t) == 0) {
            cfmakeraw(&t);
            tcsetattr(p->fd, TCSANOW, &t);
        }
    }
    /* Open at this end says nothing of the other. */
    look = (struct pollfd) { .fd = p->fd, .events = POLLIN };
    poll(&look, 1, 0);
    if (!(look.revents & (POLLHUP | POLLERR))) {
        port_up(p, now);
    } else if (p->tty) {
        close(p->fd);
        p->fd = -1;
    }
}

struct pollfd port_poll(const Port *p)
{
    return (struct pollfd) {
        .fd = p->up ? p->fd : -1,
        .events = POLLIN | (p->out_len ? POLLOUT : 0),
    };
}

/* ---- in ---- */

static void port_line(Port *p, Clients *c)
{
    int64_t now = now_ns();

    if (strncmp(p->in, "query ", 6) == 0) {
        p->statement_ns = now;
    } else if (strncmp(p->in, "error ", 6) == 0) {
        say("%s: the hypervisor reports: %s", p->path, p->in);
        if (p->statement_ns == -1) {
            p->statement_ns = p->last_statement_ns == -1 ? now
                              : p->last_statement_ns + ERROR_INTERVAL_NS;
        }
    } else if (strncmp(p->in, "status ", 7) == 0) {
        p->status_asked_ns = -1;
        clients_answer(c, p->in + 7);
    }
    /* Anything else is of a later version, or noise. */
}

static void port_read(Port *p, Clients *c)
{
    char buf[512];
    ssize_t n = read(p->fd, buf, sizeof(buf)), i;

    if (n == 0 || (n < 0 && errno != EAGAIN && errno != EINTR)) {
        port_down(p, c, "closed by the other end");
        return;
    }
    for (i = 0; i < n && p->up; i++) {
        if (buf[i] == '\n' || buf[i] == '\r') {
            p->in[p->in_len] = '\0';
            if (!p->in_skip) {
                port_line(p, c);
            }
            p->in_len = 0;
            p->in_skip = false;
        } else if (p->in_len < sizeof(p->in) - 1 && buf[i] >= ' ' &&
                   buf[i] <= '~') {
            p->in[p->in_len++] = buf[i];
        } else {
            p->in_skip = true;
        }
    }
}

/* ---- out ---- */

static void port_write(Port *p, Clients *c)
{
    ssize_t n;

    while (p->up && p->out_len) {
        n = write(p->fd, p->out, p->out_len);
        if (n > 0) {
            p->out_len -= n;
            memmove(p->out, p->out + n, p->out_len);
        } else {
            if (n < 0 && errno != EAGAIN && errno != EINTR) {
                port_down(p, c, "cannot be written to");
            }
            return;
        }
    }
}

/* The caller has seen to it that a line fits. */
static void put(Port *p, const char *verb, const char *id, const char *tag)
{
    p->out_len += snprintf(p->out + p->out_len, sizeof(p->out) - p->out_len,
                           "%s%s%s%s%s\n", verb, id ? " " : "", id ? id : "",
                           tag && tag[0] ? " tag=" : "", tag ? tag : "");
    p->lines_left--;
}

static bool room(const Port *p, size_t lines)
{
    return sizeof(p->out) - p->out_len > lines * LINE_MAX_BYTES;
}

static void put_client(Port *p, Client *c)
{
    if (c->depth > 0) {
        put(p, "enter", c->id, c->tag);
    } else {
        /* To one that is known "join" would say nothing. */
        put(p, c->told ? "leave" : "join", c->id, NULL);
    }
    c->told = true;
    c->told_inside = c->depth > 0;
}

static void port_state(Port *p, Clients *c, int64_t now)
{
    int64_t lease_ms = p->lease_ms >= 0 ? p->lease_ms
                       : p->tty ? TTY_LEASE_MS : 0;
    char hello[48];
    int i;

    snprintf(hello, sizeof(hello), lease_ms ? "hello 1 lease-ms=%lld"
             : "hello 1", (long long)lease_ms);
    put(p, hello, NULL, NULL);
    for (i = 0; i < SLOTS_MAX; i++) {
        Client *client = &c->slot[i];

        client->told = false;
        if (client->gone) {
            /* Not stated is gone. */
            *client = (Client) { .used = false };
        } else if (client->used && client->id[0]) {
            put_client(p, client);
        }
    }
    put(p, "ready", NULL, NULL);
    p->statement_ns = -1;
    p->last_statement_ns = now;
    p->alive_ns = lease_ms ? now + lease_ms * NS_PER_MS / 3 : -1;
}

/* One line for each that changed, the turn going round. */
static bool port_differences(Port *p, Clients *c)
{
    bool left = false;
    int i;

    for (i = 0; i < SLOTS_MAX; i++) {
        Client *client = &c->slot[(p->next + i) % SLOTS_MAX];
        bool differs = client->gone ||
            (client->used && client->id[0] &&
             (!client->told || client->told_inside != (client->depth > 0)));

        if (!differs) {
            continue;
        }
        if (p->lines_left <= 0 || !room(p, 1)) {
            p->next = (p->next + i) % SLOTS_MAX;
            left = true;
            break;
        }
        if (client->gone) {
            if (client->told) {
                put(p, "gone", client->id, NULL);
            }
            *client = (Client) { .used = false };
        } else {
            put_client(p, client);
        }
    }
    return left;
}

static void port_refill(Port *p, int64_t now)
{
    int64_t lines = (now - p->refilled_ns) / (NS_PER_S / LINES_PER_S);

    p->refilled_ns += lines * (NS_PER_S / LINES_PER_S);
    p->lines_left += lines;
    if (p->lines_left > LINES_BURST) {
        p->lines_left = LINES_BURST;
    }
}

int64_t port_tick(Port *p, Clients *c, int64_t now)
{
    int64_t next_ns = -1;

    if (p->retry_ns != -1 && p->retry_ns <= now) {
        port_open(p, now);
    }
    if (!p->up) {
        if (clients_want_status(c)) {
            clients_answer(c, NULL);
        }
        return p->retry_ns;
    }

    port_refill(p, now);
    if (p->statement_ns != -1) {
        int64_t due_ns = p->last_statement_ns == -1 ? p->statement_ns
                         : p->last_statement_ns + STATEMENT_INTERVAL_NS;

        if (due_ns < p->statement_ns) {
            due_ns = p->statement_ns;
        }
        if (due_ns <= now && room(p, CLIENTS_MAX + 2)) {
            port_state(p, c, now);
        } else if (due_ns > now) {
            next_ns = sooner(next_ns, due_ns);
        }
    }
    /* Until the first statement there is nothing to differ from. */
    if (p->last_statement_ns != -1 && port_differences(p, c)) {
        next_ns = sooner(next_ns, p->refilled_ns + NS_PER_S / LINES_PER_S);
    }
    if (p->alive_ns != -1 && p->alive_ns <= now && room(p, 1)) {
        int64_t lease_ms = p->lease_ms > 0 ? p->lease_ms : TTY_LEASE_MS;

        put(p, "alive", NULL, NULL);
        p->alive_ns = now + lease_ms * NS_PER_MS / 3;
    }
    if (clients_want_status(c)) {
        if (p->status_asked_ns == -1 && room(p, 1)) {
            put(p, "status", NULL, NULL);
            p->status_asked_ns = now;
        } else if (p->status_asked_ns != -1 &&
                   now >= p->status_asked_ns + STATUS_WAIT_NS) {
            p->status_asked_ns = -1;
            clients_answer(c, "no answer");
        }
    }
    if (p->status_asked_ns != -1) {
        next_ns = sooner(next_ns, p->status_asked_ns + STATUS_WAIT_NS);
    }
    port_write(p, c);
    next_ns = sooner(next_ns, p->alive_ns);
    return sooner(next_ns, p->retry_ns);
}

void port_event(Port *p, short revents, Clients *c)
{
    if (revents & POLLIN) {
        port_read(p, c);
    } else if (revents & (POLLHUP | POLLERR | POLLNVAL)) {
        port_down(p, c, "nobody at the other end");
    }
}

void port_close(Port *p)
{
    ssize_t n;

    if (p->up && room(p, 1)) {
        put(p, "bye", NULL, NULL);
        n = write(p->fd, p->out, p->out_len);
        (void)n;        /* its lease, or the close, will do as well */
    }
    if (p->fd >= 0) {
        close(p->fd);
    }
    p->fd = -1;
    p->up = false;
}
