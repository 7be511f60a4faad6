#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Print the results of the last `meson test` run as TAP, one line a test case.

meson counts test programs; its JUnit log has the cases in them.
"""
import re
import sys
import xml.etree.ElementTree as ElementTree


def main():
    if len(sys.argv) != 2 or sys.argv[1].startswith('-'):
        print(f'{__doc__}\nUsage: scripts/lib/meson_tap.py BUILD/meson-logs/testlog.junit.xml')
        return 0 if sys.argv[1:] in (['-h'], ['--help']) else 2
    number = 0
    failed = 0
    for suite in ElementTree.parse(sys.argv[1]).getroot().iter('testsuite'):
        program = suite.get('name', '')
        for case in suite.iter('testcase'):
            number += 1
            name = f"{program} {case.get('name', '')}".strip()
            skipped = case.find('skipped')
            bad = [element for element in (case.find('failure'), case.find('error')) if element is not None]
            if bad:
                failed += 1
                print(f"# {name}: {bad[0].get('message') or (bad[0].text or '').strip()[-300:]}")
                print(f'not ok {number} - {name}')
            elif skipped is not None:
                reason = skipped.get('message') or case.findtext('system-out') or 'no reason given'
                print(f'ok {number} - {name} # SKIP {reason.strip()}')
            else:
                print(f'ok {number} - {name}')
        # A program that died after its last good line left no case that failed.
        died = re.search(r'\(test program exited with status code (-?\d+)\)', suite.findtext('system-err') or '')
        if died:
            number += 1
            failed += 1
            print(f'not ok {number} - {program} ends (status {died[1]})')
    print(f'1..{number}')
    return 1 if failed or not number else 0


if __name__ == '__main__':
    sys.exit(main())
