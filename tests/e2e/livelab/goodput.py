# SPDX-License-Identifier: GPL-2.0-or-later
"""Both ends of a bandwidth test: "goodput.py send|receive SECONDS ADDRESS".

ADDRESS is tcp:HOST:PORT or unix:PATH.  The sender prints when it handed over
its last byte, the receiver when it got it: the difference is what the link's
buffers hide.
"""
import json
import socket
import sys
import time


def open_socket(address):
    if address.startswith('unix:'):
        return socket.socket(socket.AF_UNIX, socket.SOCK_STREAM), address[5:]
    _, host, port = address.split(':')
    sock = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    return sock, (host, int(port))


def main():
    role, seconds, address = sys.argv[1], float(sys.argv[2]), sys.argv[3]
    sock, where = open_socket(address)
    total, first, last = 0, None, None
    if role == 'receive':
        sock.bind(where)
        sock.listen(1)
        print('ready', flush=True)
        peer, _ = sock.accept()
        buffer = bytearray(1 << 16)
        while (got := peer.recv_into(buffer)):
            last = time.monotonic()
            first = first or last
            total += got
    else:
        sock.connect(where)
        block = bytes(1 << 15)
        first = time.monotonic()
        while time.monotonic() < first + seconds:
            sock.sendall(block)
            total += len(block)
        last = time.monotonic()
        sock.shutdown(socket.SHUT_WR)
        sock.close()
    print(json.dumps({'bytes': total, 'first': first, 'last': last}), flush=True)


if __name__ == '__main__':
    main()
