/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * loadctl REQUEST: pass one request to the generator and print its reply.
 * Exit status: 0 all is well, 1 the memory is not what was written, 2 no answer.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>
#include "status.h"

int main(int argc, char **argv)
{
    struct sockaddr_un addr = { .sun_family = AF_UNIX, .sun_path = CONTROL_PATH };
    int fd = socket(AF_UNIX, SOCK_STREAM, 0);
    char request[64], reply[512];
    size_t used = 0;
    ssize_t got;

    if (argc < 2) {
        fputs("Usage: loadctl check|stats|stop|corrupt KIND\n", stderr);
        return 2;
    }
    snprintf(request, sizeof(request), "%s%s%s\n", argv[1],
             argc > 2 ? " " : "", argc > 2 ? argv[2] : "");
    if (fd < 0 || connect(fd, (struct sockaddr *)&addr, sizeof(addr)) < 0 ||
        write(fd, request, strlen(request)) < 0) {
        fprintf(stderr, "loadctl: the generator does not answer: %s\n",
                strerror(errno));
        return 2;
    }
    while (used < sizeof(reply) - 1 &&
           (got = read(fd, reply + used, sizeof(reply) - 1 - used)) > 0) {
        used += (size_t)got;
    }
    reply[used] = '\0';
    fputs(reply, stdout);
    return !strncmp(reply, "ok ", 3) ? 0 : !strncmp(reply, "bad ", 4) ? 1 : 2;
}
