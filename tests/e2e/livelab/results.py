# SPDX-License-Identifier: GPL-2.0-or-later
"""Where results are kept, and how.

While a benchmark runs, each run is a file of its own, FOLDER/WORKLOAD/CONFIG.NNN.json
(schema livelab-run/1): nothing is lost when it is interrupted, and it goes on
where it was.  What is published is packed, one WORKLOAD.json (livelab-bench/2):
what all runs share once, in "common"; one line a run; the series in time (samples,
guest_timeline, events) of the first few runs of each configuration only.
"""
import json
import os
from pathlib import Path

from .errors import LabError

RUN_SCHEMA = 'livelab-run/1'
PACK_SCHEMA = 'livelab-bench/2'
DEMO_SCHEMA = 'livelab-demo/2'
SERIES = ('samples', 'guest_timeline', 'events', 'rounds_at_s')
SERIES_OF_RUNS = 2
SAMPLES_KEPT = 100      # of a run, in a packed file
CONVERGENCE_KEPT = ('policy', 'outlook', 'decision', 'rounds', 'refreshes', 'refresh-time-us', 'bandwidth')
COLUMNS_DROPPED = ('status', 'dirty_pages_per_s', 'sent_bytes')     # there
COLUMNS = ('at_s', 'remaining_bytes', 'sent_bytes', 'rounds', 'throttle_percent', 'dirty_pages_per_s')


def write(path, text):
    """All of it or nothing."""
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    fresh = path.with_name(f'.{path.name}.{os.getpid()}')
    try:
        fresh.write_text(text, encoding='utf-8')
        fresh.rename(path)
    finally:
        fresh.unlink(missing_ok=True)


def columns(samples):
    """The samples as columns: a tenth of the size, and ready to be plotted."""
    table = {key: [s[key] for s in samples] for key in COLUMNS}
    table['status'] = [s['status'] for s in samples]
    table['forecast_downtime_ms'] = [_forecast(s, 'downtime-ms') for s in samples]
    table['forecast_eta_ms'] = [_forecast(s, 'eta-ms') for s in samples]
    # A column in which nothing is known says nothing.
    return {key: column for key, column in table.items() if any(v is not None for v in column)}


def _forecast(sample, key):
    found = ((sample['convergence'] or {}).get('forecast') or {}).get(key)
    return None if found is None or found < 0 else found


# ---- one run, one file ----

def run_path(folder, workload, config, number):
    return Path(folder) / workload / f'{config}.{number:03}.json'


def save_run(folder, run):
    write(run_path(folder, run['workload'], run['config'], run['run']),
          json.dumps({'schema': RUN_SCHEMA, **run}, separators=(',', ':')) + '\n')


def load_run(path):
    return _read(path, RUN_SCHEMA)


def runs_of(folder):
    """All runs under a folder, in order."""
    return [load_run(p) for p in sorted(Path(folder).glob('*/*.[0-9][0-9][0-9].json'))]


# ---- many runs, one file ----

def pack(runs):
    """The text of a packed file."""
    seen = {}
    lean = []
    for run in sorted(runs, key=lambda r: (r['run'], r['started'])):
        seen[run['config']] = seen.get(run['config'], 0) + 1
        run = {k: v for k, v in run.items() if k != 'schema'}
        run['convergence'] = brief(run['convergence'])
        if seen[run['config']] > SERIES_OF_RUNS:
            run = {k: v for k, v in run.items() if k not in SERIES}
        elif run.get('samples'):
            run['samples'] = thin(run['samples'])
        lean.append(run)
    common = {key: value for key, value in lean[0].items()
              if all(key in r and r[key] == value for r in lean)}
    rows = [json.dumps({k: v for k, v in run.items() if k not in common},
                       separators=(',', ':')) for run in lean]
    return ('{"schema": ' + json.dumps(PACK_SCHEMA) + ',\n"common": ' + json.dumps(common)
            + ',\n"runs": [\n' + ',\n'.join(rows) + '\n]}\n')


def brief(convergence):
    """query-migrate's answer without its sentences, its history, and the forecast that a run has already."""
    if not convergence:
        return None
    kept = {k: v for k, v in convergence.items() if k in CONVERGENCE_KEPT}
    if kept.get('decision'):
        kept['decision'] = {k: v for k, v in kept['decision'].items() if k in ('reason', 'action', 'remaining', 'elapsed-ms')}
    return kept


def thin(samples):
    """Every n-th sample, and the last, of what is plotted."""
    count = len(samples['at_s'])
    step = -(-count // SAMPLES_KEPT)
    keep = sorted({*range(0, count, step), count - 1})
    return {key: [column[i] for i in keep] for key, column in samples.items() if key not in COLUMNS_DROPPED}


def load_pack(path):
    data = _read(path, PACK_SCHEMA)
    return [{**data['common'], **run} for run in data['runs']]


def pack_demo(about, runs):
    """The text of scripts/demo's file: @about, and one line a run."""
    lean = [{**run, 'samples': thin(run['samples'])} if run.get('samples') else run for run in runs]
    return ('{"schema": ' + json.dumps(DEMO_SCHEMA) + ',\n"about": ' + json.dumps(about) + ',\n"runs": [\n'
            + ',\n'.join(json.dumps(run, separators=(',', ':')) for run in lean) + '\n]}\n')


def load_demo(path):
    """(about, runs)."""
    data = _read(path, DEMO_SCHEMA)
    return data['about'], data['runs']


def load_folder(folder):
    """{workload: runs} of a folder of packed files, or of single runs."""
    found = {}
    for path in sorted(Path(folder).glob('*.json')):
        if _schema(path) == PACK_SCHEMA:
            for run in load_pack(path):
                found.setdefault(run['workload'], []).append(run)
    for run in runs_of(folder):
        found.setdefault(run['workload'], []).append(run)
    return found


def _schema(path):
    try:
        data = json.loads(Path(path).read_text(encoding='utf-8'))
    except (OSError, ValueError) as error:
        raise LabError(f'{path} is no JSON that can be read: {error}') from None
    return data.get('schema') if isinstance(data, dict) else None


def _read(path, schema):
    found = _schema(path)
    if found != schema:
        raise LabError(f'{path} has schema {found!r}, not {schema}')
    return json.loads(Path(path).read_text(encoding='utf-8'))
