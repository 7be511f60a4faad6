# SPDX-License-Identifier: GPL-2.0-or-later
"""The ways of migrating that are compared.

A configuration is written BASE[+CAPABILITY][+PARAMETER=VALUE]..., where BASE is

    stock, stock-MS     QEMU's own rule, with a downtime limit of MS
    auto-converge, xbzrle, multifd
    post-copy, post-copy-S    switched to post-copy after S seconds (default 5)
    a controller        a loop outside QEMU (controllers.py); NAME-MS: up to MS
    a policy            every one that this QEMU knows, see probe.py

for instance "stock-2000", "stall+downtime-ceiling=1000", "predict+multifd".
"""
from dataclasses import dataclass, field

from . import controllers, probe
from .errors import LabError

CAPABILITY = 'convergence'
POLICY = probe.POLICY
# Those that unpatched QEMU lacks: whoever uses one runs on ours.
OURS = {CAPABILITY, 'page-history', 'guest-hints'}
# Both sides must agree on these.
BOTH_SIDES = ('multifd', 'xbzrle', 'postcopy-ram', 'postcopy-preempt', 'return-path',
              'mapped-ram', 'switchover-ack', 'zero-copy-send')
# What a capability is set up with, unless the configuration says otherwise.
SET_WITH = {'xbzrle': {'xbzrle-cache-size': 128 << 20}, 'multifd': {'multifd-channels': 2}}
BASELINES = {'stock': None, 'auto-converge': 'auto-converge', 'xbzrle': 'xbzrle',
             'multifd': 'multifd', 'post-copy': 'postcopy-ram'}
POSTCOPY_AFTER_S = 5
GROUPS = {'baselines': ['stock', 'stock-2000', 'auto-converge', 'xbzrle', 'multifd', 'post-copy'],
          'controllers': list(controllers.ALL)}


@dataclass
class Config:
    name: str
    capabilities: dict = field(default_factory=dict)
    parameters: dict = field(default_factory=dict)
    policy: str = None      # None = this QEMU's own rule, capability off
    controller: str = None
    controller_limit_ms: int = None
    postcopy_after_s: float = None

    @property
    def destination_capabilities(self):
        """Those that both sides must agree on."""
        return {k: v for k, v in self.capabilities.items() if k in BOTH_SIDES}

    @property
    def needs_ours(self):
        return bool(OURS & set(self.capabilities))

    def enable(self, capability):
        self.capabilities[capability] = True
        for key, value in SET_WITH.get(capability, {}).items():
            self.parameters.setdefault(key, value)


def parse(text):
    base, *settings = text.split('+')
    config = Config(text)
    name, _, number = base.rpartition('-')
    if not number.isdigit():
        name, number = base, None
    if name in controllers.ALL:
        config.controller = name
        config.controller_limit_ms = number and int(number)
    elif name == 'stock':
        if number:
            config.parameters['downtime-limit'] = int(number)
    elif name == 'post-copy' or base in BASELINES:
        config.enable(BASELINES[name])
        if name == 'post-copy':
            config.postcopy_after_s = int(number) if number else POSTCOPY_AFTER_S
    else:
        config.policy = base
        config.enable(CAPABILITY)
        config.parameters[POLICY] = base
    for setting in settings:
        key, equals, value = setting.partition('=')
        if equals:
            config.parameters[key] = int(value) if value.lstrip('-').isdigit() else value
        else:
            config.enable(key)
    return config


def expand(text, abilities):
    """The configurations of a comma-separated list, groups resolved, each once."""
    groups = {**GROUPS, 'policies': list(abilities.policies)}
    groups['all'] = [name for group in ('baselines', 'controllers', 'policies')
                     for name in groups[group]]
    names = []
    for word in filter(None, text.split(',')):
        names += groups.get(word, [word])
    if not names:
        raise LabError('no configuration is given; --list tells what there is')
    return [parse(name) for name in dict.fromkeys(names)]


def lacking(abilities, config):
    """Why a QEMU with these Abilities cannot run a configuration, or None."""
    if config.policy and config.policy not in abilities.policies:
        return (f"'{config.policy}' is neither a baseline ({', '.join(BASELINES)}), nor a controller "
                f"({', '.join(controllers.ALL)}), nor a policy of this QEMU "
                f"({', '.join(abilities.policies) or 'it has none'})")
    for what, wanted, there in (('capability', config.capabilities, abilities.capabilities),
                                ('parameter', config.parameters, abilities.parameters)):
        # Some parameters have no default and are not listed before they are set.
        unknown = sorted(set(wanted) - there - {'convergence-tuning'})
        if unknown:
            return f"this QEMU lacks the {what} {', '.join(unknown)} of '{config.name}'"
    return None
