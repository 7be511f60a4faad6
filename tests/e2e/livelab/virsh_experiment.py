# SPDX-License-Identifier: GPL-2.0-or-later
"""One migration by virsh between two hosts, as a dict of figures with the names
that experiment.py gives them."""
import contextlib
import os
import time

from . import heartbeat, virsh_guest, workloads
from .errors import LabError
from .heartbeat import Heartbeats
from .virsh_migration import Migration, command_line, job_info, options

AFTER_S = 1.5
GUEST = 'busy'      # its name in libvirt


class VirshExperiment:
    """Runs on a pair of hosts with a link between them, which it does not own."""

    def __init__(self, source, target, link, accel='tcg', ram_mib=512, time_limit_s=60):
        self.source, self.target, self.link = source, target, link
        self.accel, self.ram_mib, self.time_limit_s = accel, ram_mib, time_limit_s

    def command(self, config):
        """What an operator would type after virsh."""
        return command_line(GUEST, self.target, *options(config))

    def run(self, config, workload_name, progress):
        words = options(config)
        workload = workloads.create(workload_name)
        with contextlib.ExitStack() as stack:
            progress('boot', None)
            guest = virsh_guest.VirshGuest(self.source, self.accel, self.ram_mib, GUEST)
            stack.callback(guest.close)
            beats = Heartbeats()
            stack.callback(beats.close)
            guest.launch()
            beats.listen('source', guest.socket_path('beat'))
            progress('load', None)
            workload.start(guest, self.ram_mib)
            time.sleep(workload.calm_s)
            migration = Migration(guest, self.target, *words)
            stack.callback(migration.close)
            last = self._follow(migration, beats, progress)
            return self._report(config, workload, guest, migration, beats, last, progress)

    def _follow(self, migration, beats, progress):
        """Watch it to its end, or give it up; returns the last figures seen."""
        last, listening, aborted = {}, False, False
        while migration.running():
            info = migration.info()
            progress('migrate', _sample(migration.elapsed_s(), info))
            if info.get('memory_total'):
                last = info
                # The target's QEMU, and its sockets, are there by now.
                if not listening:
                    beats.listen('destination', migration.guest.socket_path('beat', self.target))
                    listening = True
            if migration.elapsed_s() > self.time_limit_s and not aborted:
                migration.abort()
                aborted = True
            if migration.elapsed_s() > self.time_limit_s + 60:
                raise LabError('the migration does not end, not even aborted')
            time.sleep(0.2)
        migration.succeeded()
        return {**last, 'aborted': aborted}

    def _report(self, config, workload, guest, migration, beats, last, progress):
        completed = migration.succeeded()
        time.sleep(AFTER_S)
        progress('verify', None)
        verified, found = workload.finish(guest)
        streams = beats.collect()
        begin_ns, end_ns = migration.begin_ns, migration.end_ns
        calm = [b for b in streams['source']
                if begin_ns - workload.calm_s * 1e9 <= b.stamp_ns < begin_ns]
        silence = heartbeat.outage([b for b in streams['source'] if b.stamp_ns >= begin_ns],
                                   streams.get('destination', [])) if completed else None
        if silence and (silence['missed_beats'] < 0 or silence['writes_went_back']):
            verified, found = False, 'the guest was set back in time: ' + found
        info = job_info(self.target, guest.name, '--completed') if completed else last
        status = 'completed' if completed else 'cancelled' if last['aborted'] else 'failed'
        before = heartbeat.speed([calm], begin_ns - workload.calm_s * 1e9, begin_ns)
        during = heartbeat.speed(list(streams.values()), begin_ns, end_ns)
        key = 'of_wanted' if before and before['of_wanted'] else 'per_s'
        return {
            'config': config.name, 'workload': workload.name,
            'success': completed, 'status': status,
            'error': None if completed else migration.message(),
            'memory_verified': verified, 'verification': found,
            'wall_ms': round((end_ns - begin_ns) / 1e6, 1),
            'total_ms': info.get('time_elapsed') if completed else None,
            'downtime_ms': info.get('downtime') if completed else None,
            'forecast_downtime_ms': info.get('convergence_downtime'),
            'outage_ms': silence and silence['outage_ms'],
            'beats': silence, 'jitter': heartbeat.jitter(calm),
            'sent_bytes': info.get('memory_processed'),
            'rounds': info.get('memory_iteration'),
            'guest_speed': {'unit': 'page writes',
                            'before_per_s': before and before['per_s'],
                            'during_per_s': during and during['per_s'],
                            'ratio': round(during[key] / before[key], 4)
                            if before and during and before[key] else None},
            'convergence': _convergence(info),
            'load_average': os.getloadavg()[0],
            'virsh': migration.output.replace('\r', '\n').splitlines()[-1:],
            'link': {'kind': self.link.kind, 'rate_mib_s': self.link.rate_mib_s,
                     **self.link.measured},
        }


def _convergence(info):
    """Under QEMU's own names, None where there was no policy."""
    if 'convergence_policy' not in info:
        return None
    return {name.removeprefix('convergence_').replace('_', '-'): value
            for name, value in info.items() if name.startswith('convergence_')}


def _sample(at_s, info):
    """As experiment.py has it, for the progress line."""
    convergence = _convergence(info)
    if convergence:
        convergence['forecast'] = {'eta-ms': info.get('time_remaining', -1),
                                   'downtime-ms': info.get('convergence_downtime', -1)}
    return {'at_s': at_s, 'status': 'the target gets ready',   # told until there are bytes
            'total_bytes': info.get('memory_total'),
            'remaining_bytes': info.get('memory_remaining', 0),
            'rounds': info.get('memory_iteration'),
            'throttle_percent': info.get('auto_converge_throttle'),
            'convergence': convergence}
