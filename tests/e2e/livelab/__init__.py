# SPDX-License-Identifier: GPL-2.0-or-later
"""Boot a guest, load it, migrate it over a shaped link, and measure that.

The demo, the end-to-end tests and the benchmarks are built on this package:

    paths       where the binaries are
    processes   children that never outlive us
    console     commands to the guest over its serial port
    heartbeat   the guest's beats, stamped by the host
    guest       one QEMU process with the test guest in it
    accel       does KVM really run a guest here?
    link        the shaped link between source and destination
    workloads   what keeps the guest busy, by name (workload_*: the kinds)
    trace_record  a dirty trace of a guest at work, without migrating it
    configs     the ways of migrating that are compared
    experiment  one migration, from boot to verified memory, as one dict
    report      tables and progress lines
"""
