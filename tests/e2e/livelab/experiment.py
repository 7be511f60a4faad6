# SPDX-License-Identifier: GPL-2.0-or-later
"""One migration, from boot to verified memory, as one dict of figures.

Unknown is None, never 0.  Times end in _ms or _s, sizes in _bytes.
"""
import contextlib
import os
import time
from dataclasses import dataclass
from pathlib import Path

from . import configs, controllers, heartbeat, link as links, probe, processes, workloads
from .errors import LabError
from .guest import Guest, hint_backend
from .heartbeat import Heartbeats
from .threads import MigrationThreads

POLL_S = 0.2
# The destination runs on for a while, so that a lost page can come to light.
AFTER_S = 1.5
# QEMU's default of 128 MiB/s must not be what limits a faster link.
MAX_BANDWIDTH = 1 << 40
FINAL = ('completed', 'failed', 'cancelled')
# Set alike on both sides where the configuration has them.
ON_BOTH_SIDES = ('multifd-channels', 'multifd-compression', 'announce-rounds')
# Of undisturbed time shown before the migration in the guest's time line.
SHOWN_BEFORE_S = 2
# A forecast is worth something before it is acted on.
BEFORE_S = 2


@dataclass
class Setup:
    """What all the runs of a comparison share."""

    source_binary: Path
    destination_binary: Path
    accel: str = 'tcg'
    ram_mib: int = 512
    cpus: int = 1
    link_mib_s: float = 64
    relay: bool = False
    time_limit_s: float = 60


def run(setup, config, workload_name, phase_s=0.0, progress=None):
    """Boot, load, migrate, measure, verify.  The migration begins @phase_s
    after the beginning of a burst; @progress gets each sample."""
    with contextlib.ExitStack() as stack:
        directory = Path(stack.enter_context(processes.private_directory()))
        link = links.create(setup.link_mib_s, directory, setup.relay)
        stack.callback(link.close)
        link.measure()
        beats = Heartbeats()
        stack.callback(beats.close)
        lab = _Lab(setup, config, workloads.create(workload_name), link, beats,
                   directory, stack, progress or (lambda *_: None))
        return lab.run(phase_s)


class _Lab:
    def __init__(self, setup, config, workload, link, beats, directory, stack, progress):
        self.setup, self.config, self.workload = setup, config, workload
        self.link, self.beats, self.directory = link, beats, directory
        self.stack, self.progress = stack, progress
        self.source = self._guest('source', setup.source_binary,
                                  link.source_wrapper, False)
        self.destination = None
        self.samples = []
        self.events = []
        self.rounds_at_s = []
        self.limits = []        # (at_s, ms) that a controller set
        self.postcopy_at_s = None
        self.threads = None

    def _guest(self, name, binary, wrapper, incoming):
        guest = Guest(binary, name, self.directory, self.setup.accel,
                      self.setup.ram_mib, self.setup.cpus, wrapper, incoming,
                      self.workload.disk, hint_backend(binary) if self.workload.hints else None)
        self.stack.callback(guest.close)
        guest.launch()
        self.beats.listen(name, guest.socket_path('beat'))
        return guest

    def run(self, phase_s):
        self.progress('boot', None)
        reason = configs.lacking(probe.ask(self.setup.source_binary), self.config)
        if reason:
            raise LabError(reason)
        self.source.wait_booted()
        self.progress('load', None)
        self.workload.start(self.source, self.setup.ram_mib)
        self.destination = self._guest('destination', self.setup.destination_binary,
                                       self.link.destination_wrapper, True)
        self._configure()
        # Undisturbed time: the jitter and the guest's own speed.
        if self.workload.hints:
            # Its start ended with a cycle; here is another.
            self.workload.wait_for_cycle(self.source)
        else:
            time.sleep(self.workload.calm_s)
            if self.workload.cycle_s:
                self._wait_for_burst()
        time.sleep(phase_s)
        begin_ns, end_ns, info = self._migrate()
        return self._report(begin_ns, end_ns, info, phase_s)

    def _configure(self):
        for guest, caps in ((self.source, {**self.config.capabilities, 'events': True}),
                            (self.destination, self.config.destination_capabilities)):
            guest.qmp('migrate-set-capabilities', capabilities=[
                {'capability': name, 'state': state} for name, state in caps.items()])
        parameters = {'max-bandwidth': MAX_BANDWIDTH, **self.config.parameters}
        answer = self.source.machine.qmp('migrate-set-parameters', parameters)
        if 'error' in answer:
            raise LabError(f"configuration '{self.config.name}' is refused: "
                           f"{answer['error']['desc']}")
        shared = {k: v for k, v in parameters.items() if k in ON_BOTH_SIDES}
        if shared:
            self.destination.qmp('migrate-set-parameters', **shared)
        self.destination.qmp('migrate-incoming', uri=self.link.incoming)

    def _wait_for_burst(self):
        """Return as soon as writing begins, or grows many times over."""
        deadline = time.monotonic() + 3 * self.workload.cycle_s + 10
        while time.monotonic() < deadline:
            recent = self.beats.collect()['source'][-40:]
            if (len(recent) == 40 and recent[-1].done - recent[-8].done
                    > 5 * (recent[-8].done - recent[0].done)):
                return
            time.sleep(0.02)
        raise LabError('no burst begins in the guest')

    def _migrate(self):
        """Returns begin, end and the last query-migrate."""
        self.threads = MigrationThreads(self.source.machine.get_pid())
        control = self._control()
        begin_ns, begin_wall_s = time.monotonic_ns(), time.time()
        self.source.qmp('migrate', uri=self.link.outgoing)
        cancelled = False
        next_sample_s = 0.0
        while True:
            info = self.source.qmp('query-migrate')
            elapsed_s = (time.monotonic_ns() - begin_ns) / 1e9
            final = info.get('status') in FINAL
            if final or elapsed_s >= next_sample_s:
                next_sample_s = elapsed_s + POLL_S
                self.threads.look()
                self.samples.append(_sample(elapsed_s, info))
                self.progress('migrate', self.samples[-1])
            if final:
                break
            if elapsed_s > self.setup.time_limit_s and not cancelled:
                self.source.qmp('migrate_cancel')
                cancelled = True
            if elapsed_s > self.setup.time_limit_s + 60:
                raise LabError('the migration does not end, not even cancelled')
            if not cancelled and info.get('status') == 'active':
                cancelled = self._act(control, elapsed_s, info['ram'])
            time.sleep(POLL_S)
        end_ns = time.monotonic_ns()
        events = [_event(e, begin_wall_s) for e in self.source.machine.get_qmp_events()]
        self.events = [e for e in events if e[1] != 'MIGRATION_PASS']
        # Pass 1 begins with the migration, each further one when a round ends.
        self.rounds_at_s = [at for at, name, number in events if name == 'MIGRATION_PASS' and number > 1]
        return begin_ns, end_ns, info

    def _control(self):
        if not self.config.controller:
            return None
        control = controllers.create(self.config.controller, self.config.controller_limit_ms)
        control.next_s = 0.0
        return control

    def _act(self, control, elapsed_s, ram):
        """What is done from outside QEMU; True if that cancels the migration."""
        after_s = self.config.postcopy_after_s
        if after_s is not None and elapsed_s >= after_s and self.postcopy_at_s is None:
            self.source.qmp('migrate-start-postcopy')
            self.postcopy_at_s = round(elapsed_s, 3)
        if not control or elapsed_s < control.next_s:
            return False
        control.next_s = elapsed_s + control.period_s
        wish = control.look(elapsed_s, ram) or {}
        if 'limit_ms' in wish:
            self.source.qmp('migrate-set-parameters', **{'downtime-limit': wish['limit_ms']})
            self.limits.append([round(elapsed_s, 3), wish['limit_ms']])
        if 'cancel' in wish:
            self.source.qmp('migrate_cancel')
            self.limits.append([round(elapsed_s, 3), wish['cancel']])
        return 'cancel' in wish

    def _report(self, begin_ns, end_ns, info, phase_s):
        completed = info['status'] == 'completed'
        survivor = self.destination if completed else self.source
        self._wait_running(survivor)
        time.sleep(AFTER_S)
        self.progress('verify', None)
        verified, found = self.workload.finish(survivor)
        streams = self.beats.collect()
        before = [b for b in streams['source'] if b.stamp_ns < begin_ns]
        # Beats of the boot and the start of the load are not undisturbed.
        calm_from_ns = begin_ns - int(self.workload.calm_s * 1e9)
        silence = heartbeat.outage(
            [b for b in streams['source'] if b.stamp_ns >= begin_ns],
            streams['destination']) if completed else None
        if silence and (silence['missed_beats'] < 0 or silence['writes_went_back']):
            verified, found = False, 'the guest was set back in time: ' + found
        ram = info.get('ram', {})
        return {
            'config': self.config.name, 'workload': self.workload.name,
            'success': completed, 'status': info['status'],
            'error': info.get('error-desc'),
            'guest_survived': verified is not None,
            'memory_verified': verified, 'verification': found,
            'wall_ms': round((end_ns - begin_ns) / 1e6, 1),
            'total_ms': info.get('total-time'),
            'setup_ms': info.get('setup-time'),
            'downtime_ms': info.get('downtime') if completed else None,
            'outage_ms': silence and silence['outage_ms'],
            'beats': silence,
            'jitter': heartbeat.jitter([b for b in before if b.stamp_ns >= calm_from_ns]),
            'sent_bytes': ram.get('transferred', self._last_sample('sent_bytes')),
            'rounds': ram.get('dirty-sync-count', self._last_sample('rounds')),
            'longest_silence_ms': _longest_silence(streams, begin_ns, end_ns),
            'guest_speed': self._speed(streams, calm_from_ns, begin_ns, end_ns),
            'program': self.workload.program() if self.workload.hints else None,
            'guest_hints': info.get('guest-hints'),
            'guest_timeline': heartbeat.timeline(
                streams['source'] + streams.get('destination', []), begin_ns, -SHOWN_BEFORE_S,
                (end_ns - begin_ns) / 1e9 + AFTER_S),
            'migration_cpu': self.threads.cpu_ms(),
            'controller': self.limits or None,
            'postcopy_at_s': self.postcopy_at_s,
            'convergence': info.get('convergence') or self._last_sample('convergence'),
            'load_average': os.getloadavg()[0],
            'forecast_at_decision': self._forecast_at_decision(info),
            'forecast_before': forecast_before(self.samples, self._forecast_at_decision(info)),
            'events': self.events,
            'rounds_at_s': self.rounds_at_s,
            'link': {'kind': self.link.kind, 'rate_mib_s': self.link.rate_mib_s,
                     **self.link.measured},
            'phase_s': round(phase_s, 3),
            'samples': self.samples,
        }

    def _wait_running(self, guest, timeout_s=60):
        deadline = time.monotonic() + timeout_s
        while not guest.is_running():
            if time.monotonic() > deadline:
                raise LabError(f'the guest does not run on the {guest.name} '
                               'after the migration')
            time.sleep(0.05)

    @staticmethod
    def _speed(streams, calm_from_ns, begin_ns, end_ns):
        before = heartbeat.speed([streams['source']], calm_from_ns, begin_ns)
        # After a switch to post-copy the guest works at the destination.
        during = heartbeat.speed(list(streams.values()), begin_ns, end_ns)
        # Bursts make the plain speed depend on the moment; what the set rate
        # asked for in that same time does not.
        key = 'of_wanted' if before and before['of_wanted'] else 'per_s'
        return {'unit': 'page writes',
                'before_per_s': before and before['per_s'],
                'during_per_s': during and during['per_s'],
                'ratio': _ratio(during and during[key], before and before[key])}

    def _last_sample(self, key):
        return next((s[key] for s in reversed(self.samples) if s.get(key) is not None), None)

    def _forecast_at_decision(self, info):
        """What the policy said when it decided; QEMU's own expectation, as it
        was last seen, where there is none."""
        decision = (info.get('convergence') or {}).get('decision')
        if decision and decision.get('forecast'):
            return {'at_s': decision['elapsed-ms'] / 1000, **decision['forecast']}
        for sample in reversed(self.samples):
            if sample['status'] == 'active' and sample['convergence']:
                return {'at_s': sample['at_s'], **sample['convergence'].get('forecast', {})}
            if sample['status'] == 'active' and sample['expected_downtime_ms'] is not None:
                return {'at_s': sample['at_s'], 'downtime-ms': sample['expected_downtime_ms']}
        return None


def forecast_before(samples, decision):
    """What was forecast at least BEFORE_S before the decision."""
    for sample in reversed(samples if decision else []):
        forecast = (sample['convergence'] or {}).get('forecast')
        if forecast and sample['at_s'] <= decision['at_s'] - BEFORE_S:
            return {'at_s': sample['at_s'], **forecast}
    return None


def _ratio(part, whole):
    return round(part / whole, 4) if part is not None and whole else None


def _sample(at_s, info):
    ram = info.get('ram', {})
    return {'at_s': round(at_s, 3), 'status': info.get('status'),
            'total_bytes': ram.get('total'), 'remaining_bytes': ram.get('remaining'),
            'sent_bytes': ram.get('transferred'), 'rounds': ram.get('dirty-sync-count'),
            'dirty_pages_per_s': ram.get('dirty-pages-rate'),
            'mbit_s': ram.get('mbps'),
            'expected_downtime_ms': info.get('expected-downtime'),
            'throttle_percent': info.get('cpu-throttle-percentage'),
            'convergence': _brief(info.get('convergence'))}


def _brief(convergence):
    """Without the history, which the last query has as a whole."""
    return convergence and {k: v for k, v in convergence.items()
                            if not isinstance(v, list)}


def _event(event, begin_wall_s):
    """[at_s, name, what]: all that is wanted of an event."""
    stamp = event['timestamp']
    at_s = stamp['seconds'] + stamp['microseconds'] / 1e6 - begin_wall_s
    data = event.get('data', {})
    if event['event'] == 'MIGRATION_CONVERGENCE':
        what = {k: data.get(k) for k in ('action', 'reason', 'reason-text')}
    else:
        what = data.get('status', data.get('pass', data.get('where')))
    return [round(at_s, 3), event['event'], what]


def _longest_silence(streams, begin_ns, end_ns):
    """At the switchover or not: post-copy and throttling stutter elsewhere."""
    beats = sorted(b for stream in streams.values() for b in stream
                   if begin_ns <= b.stamp_ns <= end_ns + AFTER_S * 1e9)
    gaps = heartbeat.gaps_ms(beats)
    return round(max(gaps), 2) if gaps else None
