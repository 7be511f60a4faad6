# SPDX-License-Identifier: GPL-2.0-or-later
"""A process that does nothing but stamp heartbeats on arrival.

Requests on stdin: "add NAME SOCKET" listens to one more guest, "dump" prints
"stamp_ns NAME line" for each beat since the last dump, then ".".  It runs by
itself, and with real-time priority where allowed, because a busy parent or
interpreter lock would be measured as an outage of the guest.
"""
import gc
import os
import select
import socket
import sys
import time


def main():
    try:
        os.sched_setscheduler(0, os.SCHED_RR, os.sched_param(10))
    except PermissionError:
        pass
    gc.disable()
    beats, partial, names, sockets = [], {}, {}, {}
    last, before = None, {}     # by descriptor: whom a guest that has not spoken yet may carry on
    poll = select.epoll()
    poll.register(0, select.EPOLLIN)
    while True:
        for fd, _ in poll.poll():
            stamp_ns = time.monotonic_ns()
            if fd == 0:
                request = sys.stdin.readline().split()
                if not request:
                    return
                if request[0] == 'add':
                    new = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
                    new.connect(request[2])
                    sockets[new.fileno()] = new
                    names[new.fileno()] = request[1]
                    partial[new.fileno()] = b''
                    before[new.fileno()], last = last, new.fileno()
                    poll.register(new.fileno(), select.EPOLLIN)
                else:
                    for when, name, line in beats:
                        print(when, name, line.decode(errors='replace'))
                    beats.clear()
                print('.', flush=True)
                continue
            data = sockets[fd].recv(4096)
            if not data:
                # Not closed: its number must not be used again.
                poll.unregister(fd)
                continue
            torn = before.pop(fd, None)
            if torn is not None:
                partial[fd], partial[torn] = partial[torn], b''
            *lines, partial[fd] = (partial[fd] + data).split(b'\n')
            beats.extend((stamp_ns, names[fd], line) for line in lines)


if __name__ == '__main__':
    main()
