# SPDX-License-Identifier: GPL-2.0-or-later
"""The first process of a host that is made of namespaces.

Started as "virsh_init.py DIRECTORY NAME" in new mount, PID and UTS namespaces:
puts the directory's etc, run and var in place of the machine's, names the host,
says "ready", and from then on only waits for orphans.  When it ends, the kernel
ends everything else in its PID namespace.
"""
import os
import socket
import subprocess
import sys
import time


def main():
    directory, name = sys.argv[1:]
    for folder in ('etc', 'var', 'run'):
        subprocess.run(['mount', '--bind', f'{directory}/{folder}', f'/{folder}'], check=True)
    subprocess.run(['mount', '-t', 'proc', 'proc', '/proc'], check=True)
    socket.sethostname(name)
    print('ready', flush=True)
    while True:
        try:
            os.waitpid(-1, 0)
        except ChildProcessError:
            time.sleep(0.2)


if __name__ == '__main__':
    try:
        main()
    except (OSError, subprocess.CalledProcessError) as error:
        sys.exit(f'virsh_init: {error}')
