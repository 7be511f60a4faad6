# SPDX-License-Identifier: GPL-2.0-or-later
"""The demonstration through libvirt: two hosts made of namespaces, a libvirtd on
each, and virsh migrate between them."""
import contextlib
from pathlib import Path

from . import link as links, paths, processes, report, virsh_host
from .errors import LabError
from .virsh_experiment import VirshExperiment


def migrate_all(options, chosen, workload, accelerator, brief):
    """Like demo.migrate_all(), by virsh; @brief makes one line of a result."""
    why = virsh_host.may_make_hosts()
    if why:
        raise LabError(f'--virsh: {why}; leave it out to migrate between two QEMU processes')
    qemu, libvirt = paths.qemu(options.qemu), paths.libvirt()
    outcomes = []
    with contextlib.ExitStack() as stack:
        directory = Path(stack.enter_context(processes.private_directory()))
        link = links.NamespaceLink(options.link)
        stack.callback(link.close)
        hosts = []
        for name, namespace, address in zip(('source', 'target'), link.names,
                                            (links.SOURCE_IP, links.DESTINATION_IP)):
            host = virsh_host.Host(name, namespace, address, directory, libvirt, qemu)
            stack.callback(host.close)
            host.start()
            hosts.append(host)
        link.measure()
        version = hosts[0].virsh('--version').stdout.strip()
        print(f'Hosts: {hosts[0].uri} and {hosts[1].uri}, libvirt {version}')
        experiment = VirshExperiment(*hosts, link, accelerator, options.ram, options.time_limit)
        for number, config in enumerate(chosen, 1):
            progress = report.Progress(f'[{number}/{len(chosen)}] virsh, {config.name}')
            try:
                result = experiment.run(config, workload, progress)
            except LabError as error:
                result = {'config': config.name, 'failure': str(error)}
            progress.end()
            outcomes.append(result)
            print(brief(result), flush=True)
    return outcomes
