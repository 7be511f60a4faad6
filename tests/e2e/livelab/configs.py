# SPDX-License-Identifier: GPL-2.0-or-later
"""The ways of migrating that are compared.

A configuration is written NAME[+PARAMETER=VALUE...], for instance "stock",
"stock-2000" (a downtime limit of 2000 ms), "stall+downtime-ceiling=1000".
Every policy name that this QEMU knows is a configuration too.
"""
from dataclasses import dataclass, field

from .errors import LabError
from .guest import capabilities

CAPABILITY = 'convergence'
POLICY = 'convergence-policy'
BASELINES = {
    'stock': ({}, {}),
    'auto-converge': ({'auto-converge': True}, {}),
    'xbzrle': ({'xbzrle': True}, {'xbzrle-cache-size': 128 << 20}),
    'multifd': ({'multifd': True}, {'multifd-channels': 2}),
}


@dataclass
class Config:
    name: str
    capabilities: dict = field(default_factory=dict)
    parameters: dict = field(default_factory=dict)
    policy: str = None      # None = this QEMU's own rule, capability off

    @property
    def destination_capabilities(self):
        """Those that both sides must agree on."""
        return {k: v for k, v in self.capabilities.items() if k in ('multifd', 'xbzrle')}


def parse(text):
    base, *settings = text.split('+')
    name, _, limit = base.rpartition('-')
    if name == 'stock' and limit.isdigit():
        config = Config(text, parameters={'downtime-limit': int(limit)})
    elif base in BASELINES:
        caps, params = BASELINES[base]
        config = Config(text, dict(caps), dict(params))
    else:
        config = Config(text, {CAPABILITY: True}, {POLICY: base}, policy=base)
    for setting in settings:
        key, equals, value = setting.partition('=')
        if not equals:
            raise LabError(f"'{setting}' in configuration '{text}' is not PARAMETER=VALUE")
        config.parameters[key] = int(value) if value.lstrip('-').isdigit() else value
    return config


def lacking(guest, config):
    """Why this QEMU cannot run a configuration, or None."""
    unknown = set(config.capabilities) - capabilities(guest)
    if not unknown:
        return None
    if config.policy and CAPABILITY in unknown:
        return (f"'{config.policy}' is neither a baseline ({', '.join(BASELINES)}) nor a "
                'policy of this QEMU, which has no convergence capability')
    return f"this QEMU lacks the capability {', '.join(sorted(unknown))}"
