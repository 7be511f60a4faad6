/*
 * What library, command and daemon agree on.
 *
 * Over the unix socket (SOCK_SEQPACKET) each message is a line of words:
 *
 *     join                                   count me in, outside
 *     enter [tag=T]                          I am inside
 *     leave                                  I am outside
 *     status                                 answered by some lines of text
 *
 * With a pidfd attached a message is about that process, tags nest, and it is
 * answered by "ok" or "refused REASON".  The last two words are allowed then:
 *
 *     join|enter|leave|forget [tag=T] [name=N] [lease-ms=L]
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef HINT_LOCAL_H
#define HINT_LOCAL_H

#include <ctype.h>
#include <stddef.h>

#define HINT_SOCKET "/run/migration-hint.sock"
#define HINT_PORT "/dev/virtio-ports/org.qemu.migration-hint.0"
#define HINT_NAME_MAX 32                /* of ids and tags, as in the protocol */
#define HINT_MESSAGE_MAX 160
#define HINT_STATUS_MAX 16384
#define HINT_LEASE_MAX_MS 600000

static inline int hint_name_char(char c)
{
    return isalnum((unsigned char)c) ? (unsigned char)c < 128
                                     : c == '.' || c == '_' || c == ':' ||
                                       c == '-';
}

static inline int hint_name_valid(const char *name)
{
    size_t n;

    for (n = 0; name[n]; n++) {
        if (n == HINT_NAME_MAX || !hint_name_char(name[n])) {
            return 0;
        }
    }
    return n > 0;
}

#endif
