# SPDX-License-Identifier: GPL-2.0-or-later
"""The demonstration through libvirt: two hosts made of namespaces, a libvirtd on
each, and virsh migrate between them."""
import contextlib
from pathlib import Path

from . import configs, link as links, paths, probe, processes, report, virsh_host, workloads
from .errors import LabError
from .virsh_experiment import VirshExperiment
from .virsh_migration import options as virsh_options


def check(qemu, chosen, workload):
    """What will not work is refused now rather than after minutes."""
    load = workloads.create(workload)
    if load.disk or load.hints:
        raise LabError(f"--workload {workload} needs a guest with more devices than that of --virsh: "
                       'take another, or leave --virsh out')
    for config in chosen:
        lacking = configs.lacking(probe.ask(qemu), config)
        if lacking:
            raise LabError(f'--policy: {lacking}')
        virsh_options(config)


def migrate_all(options, chosen, workload, accelerator, brief):
    """Like demo.migrate_all(), by virsh; @brief makes one line of a result."""
    why = virsh_host.may_make_hosts()
    if why:
        raise LabError(f'--virsh: {why}; leave it out to migrate between two QEMU processes')
    qemu, libvirt = paths.qemu(options.qemu), paths.libvirt()
    check(qemu, chosen, workload)
    print('Starting two libvirt hosts', flush=True)
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
            title = f'[{number}/{len(chosen)}] {config.name}'
            print(f"{title}: virsh {' '.join(experiment.command(config))}", flush=True)
            progress = report.Progress(title)
            try:
                result = experiment.run(config, workload, progress)
            except LabError as error:
                result = {'config': config.name, 'failure': str(error)}
            progress.end()
            outcomes.append(result)
            print(brief(result), flush=True)
    return outcomes
