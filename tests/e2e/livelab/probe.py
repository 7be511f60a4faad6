# SPDX-License-Identifier: GPL-2.0-or-later
"""What a QEMU binary can do, asked of the binary itself.

Names of policies come from its QAPI schema, so that a new policy is measured
without anybody naming it here.
"""
import functools
import json
import subprocess
from dataclasses import dataclass

from . import processes
from .errors import LabError

POLICY = 'convergence-policy'


@dataclass(frozen=True)
class Abilities:
    version: str
    capabilities: frozenset
    parameters: frozenset
    policies: tuple     # in the schema's order


@functools.lru_cache(maxsize=None)
def ask(binary):
    """The Abilities of a QEMU binary."""
    questions = ['qmp_capabilities', 'query-qmp-schema', 'query-migrate-capabilities',
                 'query-migrate-parameters', 'quit']
    try:
        done = subprocess.run(
            [*processes.ALONE, str(binary), '-machine', 'none', '-S', '-display', 'none',
             '-nodefaults', '-no-user-config', '-qmp', 'stdio'],
            input=''.join(json.dumps({'execute': q}) + '\n' for q in questions),
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, check=False, timeout=60)
        messages = [json.loads(line) for line in done.stdout.splitlines()]
    except (OSError, ValueError, subprocess.TimeoutExpired) as error:
        raise LabError(f'{binary} does not answer as a QEMU: {error}') from None
    answers = [m['return'] for m in messages if 'return' in m]
    if len(answers) < 4:
        why = (done.stderr.strip().splitlines() or ['no answer'])[-1]
        raise LabError(f'{binary} does not answer as a QEMU: {why}')
    version = next(m['QMP'] for m in messages if 'QMP' in m)['version']['qemu']
    return Abilities('{major}.{minor}.{micro}'.format(**version),
                     frozenset(c['capability'] for c in answers[2]),
                     frozenset(answers[3]), tuple(_policies(answers[1])))


def _policies(schema):
    """Values of the parameter convergence-policy; none in an unpatched QEMU."""
    by_name = {entity['name']: entity for entity in schema}
    command = by_name['migrate-set-parameters']
    members = by_name[command['arg-type']]['members']
    kind = next((m['type'] for m in members if m['name'] == POLICY), None)
    if kind is None:
        return []
    entity = by_name[kind]
    if entity['meta-type'] == 'alternate':      # {enum, null}
        entity = next(by_name[m['type']] for m in entity['members']
                      if by_name[m['type']]['meta-type'] == 'enum')
    return [m['name'] for m in entity['members']]
