# SPDX-License-Identifier: GPL-2.0-or-later
"""The demonstration behind scripts/demo: one busy guest, several policies."""
import argparse
import os

from . import (accel, configs, experiment, host, paths, probe, processes, report, results, virsh_demo,
               workloads)
from .errors import LabError, run_program

DEFAULT_CONFIGS = ['stock', 'auto-converge', 'predict', 'stall']
# "all" has these, every policy that the QEMU knows, and one in the page order that goes with each.
ALL_BASELINES = ['stock', 'stock-2000', 'auto-converge', 'xbzrle', 'multifd']


def parse_arguments():
    parser = argparse.ArgumentParser(prog='scripts/demo', description=(
        'Boot a Linux guest that writes memory faster than the link takes it, '
        'and migrate it between two QEMU processes under several policies.'))
    parser.add_argument('--ram', type=int, default=512, metavar='MIB',
                        help='the guest\'s RAM (default 512)')
    parser.add_argument('--link', type=float, default=64, metavar='MIB_S',
                        help='speed of the link in MiB/s (default 64)')
    parser.add_argument('--workload', default='stress',
                        help=f"what keeps the guest busy: {', '.join(workloads.SHORT)}, "
                             'idle, or stress (stress-ng, the default)')
    parser.add_argument('--policy', default=','.join(DEFAULT_CONFIGS),
                        help=f'comma-separated, or all (default {",".join(DEFAULT_CONFIGS)}; '
                             'also stock-MS for a downtime limit of MS, NAME+PARAMETER=VALUE)')
    parser.add_argument('--time-limit', type=float, default=60, metavar='S',
                        help='a migration that takes longer is given up (default 60)')
    parser.add_argument('--json', metavar='FILE', help='write all figures there')
    parser.add_argument('--relay', action='store_true',
                        help='shape the link without network namespaces')
    parser.add_argument('--virsh', action='store_true',
                        help='by virsh migrate between two libvirt hosts made of namespaces')
    parser.add_argument('--qemu', metavar='FILE', help='QEMU to use instead of build/qemu')
    parser.add_argument('--stock-binary', metavar='FILE',
                        help='an unpatched QEMU for the rows that are not policies '
                             '(default: the same QEMU with the capability off)')
    return parser.parse_args()


def check(options):
    if not 256 <= options.ram <= 65536:
        raise LabError('--ram takes 256 to 65536 MiB')
    if not 1 <= options.link <= 10000:
        raise LabError('--link takes 1 to 10000 MiB/s')
    if options.time_limit <= 0:
        raise LabError('--time-limit takes a positive number of seconds')
    if options.json and not os.access(os.path.dirname(os.path.abspath(options.json)), os.W_OK):
        raise LabError(f'--json {options.json}: the directory is not there or not writable')
    if options.virsh and (options.relay or options.stock_binary):
        raise LabError('--virsh goes with neither --relay nor --stock-binary: leave one out')
    workloads.create(options.workload)
    if options.policy != 'all':
        return [configs.parse(name) for name in options.policy.split(',')]
    abilities = probe.ask(paths.qemu(options.qemu))
    return configs.expand(','.join([*ALL_BASELINES, 'policies', 'stall+page-history']), abilities)


def migrate_all(options, chosen, accelerator):
    patched = paths.qemu(options.qemu)
    stock = paths.qemu_stock(options.stock_binary) if options.stock_binary else patched
    outcomes = []
    for number, config in enumerate(chosen, 1):
        binary = patched if config.needs_ours else stock
        setup = experiment.Setup(binary, binary, accelerator, options.ram,
                                 link_mib_s=options.link, relay=options.relay,
                                 time_limit_s=options.time_limit)
        progress = report.Progress(f'[{number}/{len(chosen)}] {config.name}')
        try:
            result = experiment.run(setup, config, options.workload, progress=progress)
        except LabError as error:
            result = {'config': config.name, 'failure': str(error)}
        progress.end()
        outcomes.append(result)
        print(brief(result), flush=True)
    return outcomes


def brief(result):
    if 'failure' in result:
        return f"{result['config']}: not run: {result['failure']}"
    ran = report.row(result)
    text = f'{ran[0]}: {ran[1]} after {ran[2]}'
    if result['success']:
        text += f', the guest was out for {ran[4]}'
    elif result['status'] == 'failed' and result['error']:
        text += f" ({result['error']})"
    text += f', memory {ran[7]}'
    decision = result['convergence'] or {}
    if result['success'] and decision.get('reason-text'):
        text += f". {decision['reason-text']}"
    return text


def listing(names):
    return ' and '.join(filter(None, [', '.join(names[:-1]), names[-1]]))


def summary(outcomes):
    """What was seen, in one line."""
    ran = [r for r in outcomes if 'failure' not in r]
    done = [r for r in ran if r['success'] and r['memory_verified']]
    lost = [r['config'] for r in ran if not r['memory_verified']]
    stuck = [r['config'] for r in ran if not r['success']]
    parts = []
    if stuck:
        longest_ms = max(r['wall_ms'] for r in ran if not r['success'])
        parts.append(f'{listing(stuck)} did not finish in {report.seconds(longest_ms)}')
    parts += [f"{r['config']} took {report.seconds(r['total_ms'])} and paused the guest for "
              f"{report.milliseconds(r['outage_ms'])}" for r in done]
    if lost:
        parts.append(f"MEMORY WAS DAMAGED under {listing(lost)}")
    elif ran:
        parts.append('all memory verified')
    return 'Seen: ' + '; '.join(parts or ['nothing ran']) + '.'


def main():
    processes.exit_cleanly_on_signals()
    options = parse_arguments()
    chosen = check(options)
    binary = paths.qemu(options.qemu)
    accelerator, why = accel.pick(binary)
    print(f'Guest: {options.ram} MiB under {accelerator.upper()} ({why}), '
          f'{workloads.create(options.workload).what}')
    if options.virsh:
        outcomes = virsh_demo.migrate_all(options, chosen, options.workload, accelerator, brief)
    else:
        outcomes = migrate_all(options, chosen, accelerator)
    measured = next((r['link'] for r in outcomes if 'link' in r), None)
    if measured:
        print(f"Link: {measured['rate_mib_s']:g} MiB/s by {measured['kind']}, "
              f"{measured['goodput_mib_s']:g} MiB/s measured")
    print()
    print(report.table(report.HEADINGS, [
        report.skipped_row(r['config'], 'not run') if 'failure' in r else report.row(r)
        for r in outcomes]))
    jitter = [r['jitter']['max_ms'] for r in outcomes if r.get('jitter')]
    if jitter:
        print(f'The outage is the longest silence in the guest\'s 10 ms heartbeat; '
              f'undisturbed, no beat was later than {max(jitter):.0f} ms.')
    loads = [r['load_average'] for r in outcomes if 'load_average' in r]
    if loads and max(loads) > os.cpu_count() + 2:
        print(f'Other work ran on this host (load {max(loads):.0f} on {os.cpu_count()} '
              'cores): times and speeds are rough.')
    print(summary(outcomes))
    if options.json:
        for ran in outcomes:
            if 'samples' in ran:
                ran['samples'] = results.columns(ran['samples'])
        results.write(options.json, results.pack_demo(
            {'accelerator': accelerator, 'ram_mib': options.ram, 'host': host.describe()}, outcomes))
    bad = [r for r in outcomes if 'failure' in r or not r['memory_verified']]
    return 1 if bad else 0


if __name__ == '__main__':
    run_program(main, 'demo', '\ndemo: interrupted; everything is cleaned up')
