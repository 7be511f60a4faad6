/*
 * migration-hintd: the programs that give hints.
 *
 * Each is watched in two ways.  Its connection: the kernel closes that when the
 * process ends, however it ends.  And its pidfd, as a child that was forked
 * without exec could hold the connection open; a script that calls the command
 * has only that.  So no tag outlives its process.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>
#include "hintd.h"

/* Messages of one client in a row, so that none keeps the others waiting. */
#define MESSAGES_A_TURN 32

#ifndef SYS_pidfd_open
#define SYS_pidfd_open 434
#endif

void clients_init(Clients *c, int listen_fd, int per_uid_max)
{
    memset(c, 0, sizeof(*c));
    c->listen_fd = listen_fd;
    c->per_uid_max = per_uid_max;
}

static void client_end(Client *c)
{
    if (c->fd >= 0) {
        close(c->fd);
    }
    if (c->pidfd >= 0) {
        close(c->pidfd);
    }
    c->fd = c->pidfd = -1;
    c->used = false;
    c->deadline_ns = c->status_ns = -1;
    if (c->id[0] && c->told) {
        c->gone = true;
    } else {
        *c = (Client) { .used = false };
    }
}

static Client *find_free(Clients *c)
{
    int i;

    for (i = 0; i < SLOTS_MAX; i++) {
        if (!c->slot[i].used && !c->slot[i].gone) {
            return &c->slot[i];
        }
    }
    return NULL;
}

/* Of a user, or of all when uid is -1; connections, or those that count. */
static int count(const Clients *c, uid_t uid, bool joined)
{
    int i, n = 0;

    for (i = 0; i < SLOTS_MAX; i++) {
        n += (c->slot[i].used || (c->slot[i].gone && uid == (uid_t)-1)) &&
             (uid == (uid_t)-1 || c->slot[i].uid == uid) &&
             (!joined || c->slot[i].id[0]);
    }
    return n;
}

/* "NAME-PID.N", of characters that the protocol allows. */
static void make_id(Clients *all, Client *c, const char *name)
{
    char comm[16] = "";
    char path[40];
    FILE *f;
    int i;

    if (!name) {
        snprintf(path, sizeof(path), "/proc/%d/comm", (int)c->pid);
        f = fopen(path, "re");
        if (f) {
            if (!fgets(comm, sizeof(comm), f)) {
                comm[0] = '\0';
            }
            fclose(f);
        }
        name = comm;
    }
    for (i = 0; i < 15 && name[i] && name[i] != '\n'; i++) {
        comm[i] = hint_name_char(name[i]) ? name[i] : '_';
    }
    comm[i] = '\0';
    /* 15 + 1 + 7 + 1 + 8 digits at most. */
    snprintf(c->id, sizeof(c->id), "%s-%d.%u", i ? comm : "process",
             (int)c->pid, ++all->serial % 100000000);
}

/* NULL, or why it may not count. */
static const char *client_join(Clients *all, Client *c, const char *name)
{
    if (c->id[0]) {
        return NULL;
    }
    /* Root is not bounded by what it could change anyway. */
    if (c->uid != 0 && count(all, c->uid, true) >= all->per_uid_max) {
        return "too-many-of-this-user";
    }
    if (count(all, -1, true) >= CLIENTS_MAX) {
        return "too-many-clients";
    }
    make_id(all, c, name);
    return NULL;
}

static bool pidfd_ended(int pidfd)
{
    struct pollfd p = { .fd = pidfd, .events = POLLIN };

    return poll(&p, 1, 0) != 0;
}

/* The process of a pidfd in our eyes; -1 when it is none, or out of sight. */
static pid_t pidfd_pid(int pidfd)
{
    char path[64], line[128];
    int pid = -1;
    FILE *f;

    snprintf(path, sizeof(path), "/proc/self/fdinfo/%d", pidfd);
    f = fopen(path, "re");
    if (!f) {
        return -1;
    }
    while (fgets(line, sizeof(line), f)) {
        if (sscanf(line, "Pid: %d", &pid) == 1) {
            break;
        }
    }
    fclose(f);
    return pid > 0 ? pid : -1;
}

/* ---- messages ---- */

typedef struct Words {
    const char *verb, *tag, *name;
    int64_t lease_ms;           /* -1: not said */
} Words;

/* Cuts up text in place. */
static bool parse(char *text, Words *w)
{
    char *save, *word = strtok_r(text, " \n", &save), *end;

    *w = (Words) { .verb = word, .lease_ms = -1 };
    while (word && (word = strtok_r(NULL, " \n", &save))) {
        if (strncmp(word, "tag=", 4) == 0 && hint_name_valid(word + 4)) {
            w->tag = word + 4;
        } else if (strncmp(word, "name=", 5) == 0 && word[5]) {
            w->name = word + 5;
        } else if (strncmp(word, "lease-ms=", 9) == 0) {
            w->lease_ms = strtoll(word + 9, &end, 10);
            if (!word[9] || *end || w->lease_ms < 0 ||
                w->lease_ms > HINT_LEASE_MAX_MS) {
                return false;
            }
        } else {
            return false;
        }
    }
    return w->verb;
}

static void client_enter(Client *c, const char *tag)
{
    if (c->depth++ == 0) {
        snprintf(c->tag, sizeof(c->tag), "%s", tag ? tag : "");
    }
}

/* About the sender itself: the library has done the nesting. */
static bool own_message(Clients *all, Client *c, const Words *w)
{
    if (strcmp(w->verb, "status") == 0) {
        c->status_ns = now_ns();
        return true;
    }
    if (strcmp(w->verb, "join") && strcmp(w->verb, "enter") &&
        strcmp(w->verb, "leave")) {
        return false;
    }
    if (client_join(all, c, NULL)) {
        return false;
    }
    c->depth = 0;
    if (w->verb[0] == 'e') {
        client_enter(c, w->tag);
    }
    return true;
}

/* About another process, by its pidfd; NULL, or why not.  Owns the pidfd. */
static const char *pid_message(Clients *all, const Client *sender, int pidfd,
                               const Words *w)
{
    pid_t pid = pidfd_pid(pidfd);
    const char *refused;
    struct stat st;
    char path[32];
    Client *c = NULL;
    int i;

    if (pid < 0) {
        close(pidfd);
        return "process-not-visible";
    }
    snprintf(path, sizeof(path), "/proc/%d", (int)pid);
    /* Asked in this order, the owner is that of this very process. */
    if (stat(path, &st) < 0 || pidfd_ended(pidfd)) {
        close(pidfd);
        return "process-has-ended";
    }
    if (sender->uid != 0 && st.st_uid != sender->uid) {
        close(pidfd);
        return "process-of-another-user";
    }
    for (i = 0; i < SLOTS_MAX && !c; i++) {
        if (all->slot[i].used && all->slot[i].fd < 0 &&
            all->slot[i].pid == pid) {
            c = &all->slot[i];
        }
    }
    if (strcmp(w->verb, "forget") == 0) {
        close(pidfd);
        if (c) {
            client_end(c);
        }
        return NULL;
    }
    if (strcmp(w->verb, "join") && strcmp(w->verb, "enter") &&
        strcmp(w->verb, "leave")) {
        close(pidfd);
        return "bad-message";
    }
    if (c) {
        close(pidfd);
    } else {
        c = find_free(all);
        if (!c) {
            close(pidfd);
            return "too-many-clients";
        }
        *c = (Client) {
            .used = true, .fd = -1, .pidfd = pidfd, .uid = st.st_uid,
            .pid = pid, .deadline_ns = -1, .status_ns = -1,
        };
        refused = client_join(all, c, w->name);
        if (refused) {
            client_end(c);
            return refused;
        }
    }
    if (w->lease_ms != -1) {
        c->lease_ms = w->lease_ms;
    }
    c->deadline_ns = c->lease_ms ? now_ns() + c->lease_ms * NS_PER_MS : -1;
    if (w->verb[0] == 'e') {
        if (c->depth == NESTING_MAX) {
            return "too-deep";
        }
        client_enter(c, w->tag);
    } else if (w->verb[0] == 'l' && c->depth > 0) {
        c->depth--;
    }
    return NULL;
}

/* One message; false: the connection is to be ended. */
static bool client_read(Clients *all, Client *c, bool *more)
{
    char text[HINT_MESSAGE_MAX + 1], reply[64];
    union {
        char bytes[CMSG_SPACE(4 * sizeof(int))];
        struct cmsghdr align;
    } control;
    struct iovec iov = { text, HINT_MESSAGE_MAX };
    struct msghdr msg = {
        .msg_iov = &iov, .msg_iovlen = 1,
        .msg_control = &control, .msg_controllen = sizeof(control),
    };
    struct cmsghdr *cmsg;
    const char *refused;
    int pidfd = -1, passed;
    ssize_t n;
    size_t at;
    Words w;

    n = recvmsg(c->fd, &msg, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
    *more = n > 0;
    if (n <= 0) {
        return n < 0 && (errno == EAGAIN || errno == EINTR);
    }
    for (cmsg = CMSG_FIRSTHDR(&msg); cmsg; cmsg = CMSG_NXTHDR(&msg, cmsg)) {
        for (at = 0; cmsg->cmsg_level == SOL_SOCKET &&
             cmsg->cmsg_type == SCM_RIGHTS &&
             CMSG_LEN(at + sizeof(int)) <= cmsg->cmsg_len; at += sizeof(int)) {
            memcpy(&passed, CMSG_DATA(cmsg) + at, sizeof(passed));
            if (pidfd >= 0) {
                close(pidfd);
            }
            pidfd = passed;
        }
    }
    text[n] = '\0';
    if ((msg.msg_flags & (MSG_TRUNC | MSG_CTRUNC)) ||
        strlen(text) != (size_t)n || !parse(text, &w)) {
        if (pidfd >= 0) {
            close(pidfd);
        }
        return false;
    }
    if (pidfd < 0) {
        return own_message(all, c, &w);
    }
    refused = pid_message(all, c, pidfd, &w);
    snprintf(reply, sizeof(reply), refused ? "refused %s" : "ok", refused);
    return send(c->fd, reply, strlen(reply), MSG_NOSIGNAL | MSG_DONTWAIT) >= 0;
}

/* ---- connections ---- */

void clients_accept(Clients *c)
{
    struct ucred peer;
    socklen_t size = sizeof(peer);
    Client *client = find_free(c);
    int fd = accept4(c->listen_fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);

    if (fd < 0) {
        return;
    }
    if (!client || getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &size) < 0 ||
        (peer.uid != 0 && count(c, peer.uid, false) >= c->per_uid_max + 8)) {
        close(fd);
        return;
    }
    *client = (Client) {
        .used = true, .fd = fd, .uid = peer.uid, .pid = peer.pid,
        /* Without it, an older kernel's say, the connection alone tells. */
        .pidfd = peer.pid > 0 ? (int)syscall(SYS_pidfd_open, peer.pid, 0) : -1,
        .deadline_ns = -1, .status_ns = -1,
    };
}

int clients_poll(Clients *c, struct pollfd *fds, int *slots)
{
    int i, n = 0;

    for (i = 0; i < SLOTS_MAX; i++) {
        if (c->slot[i].used && c->slot[i].fd >= 0) {
            fds[n] = (struct pollfd) { c->slot[i].fd, POLLIN, 0 };
            slots[n++] = i;
        }
        if (c->slot[i].used && c->slot[i].pidfd >= 0) {
            fds[n] = (struct pollfd) { c->slot[i].pidfd, POLLIN, 0 };
            slots[n++] = i;
        }
    }
    return n;
}

void clients_event(Clients *c, int slot, const struct pollfd *p)
{
    Client *client = &c->slot[slot];
    bool more = true;
    int i;

    if (!client->used || !p->revents) {
        return;
    }
    if (p->fd == client->pidfd) {
        client_end(client);
        return;
    }
    if (p->fd != client->fd) {
        return;         /* ended, and its slot taken, by an earlier event */
    }
    for (i = 0; i < MESSAGES_A_TURN && more; i++) {
        if (!client_read(c, client, &more)) {
            client_end(client);
            return;
        }
    }
}

int64_t clients_tick(Clients *c, int64_t now)
{
    int64_t next_ns = -1;
    int i;

    for (i = 0; i < SLOTS_MAX; i++) {
        if (c->slot[i].used && c->slot[i].deadline_ns != -1) {
            if (c->slot[i].deadline_ns <= now) {
                client_end(&c->slot[i]);
            } else {
                next_ns = sooner(next_ns, c->slot[i].deadline_ns);
            }
        }
    }
    return next_ns;
}

/* ---- status ---- */

bool clients_want_status(const Clients *c)
{
    int i;

    for (i = 0; i < SLOTS_MAX; i++) {
        if (c->slot[i].used && c->slot[i].status_ns != -1) {
            return true;
        }
    }
    return false;
}

void clients_answer(Clients *c, const char *host)
{
    static char text[HINT_STATUS_MAX];
    int i, j, len, joined = count(c, -1, true), inside = 0;

    for (i = 0; i < SLOTS_MAX; i++) {
        inside += c->slot[i].used && c->slot[i].id[0] && c->slot[i].depth > 0;
        joined -= c->slot[i].gone;
    }
    for (i = 0; i < SLOTS_MAX; i++) {
        Client *asker = &c->slot[i];

        if (!asker->used || asker->status_ns == -1) {
            continue;
        }
        len = snprintf(text, sizeof(text),
                       "port: %s\nhypervisor: %s\nclients: %d\ninside: %d\n",
                       host ? "up" : "down", host ? host : "-", joined, inside);
        /* What others run is not everyone's business. */
        for (j = 0; j < SLOTS_MAX; j++) {
            const Client *o = &c->slot[j];

            if (o->used && o->id[0] &&
                (asker->uid == 0 || asker->uid == o->uid)) {
                len += snprintf(text + len, sizeof(text) - len,
                                "client: %s %s%s%s\n", o->id,
                                o->depth > 0 ? "inside" : "outside",
                                o->depth > 0 && o->tag[0] ? " tag=" : "",
                                o->depth > 0 ? o->tag : "");
            }
        }
        asker->status_ns = -1;
        send(asker->fd, text, len, MSG_NOSIGNAL | MSG_DONTWAIT);
    }
}
