# SPDX-License-Identifier: GPL-2.0-or-later
"""Test results as TAP: one line a test, a skip says why and is no pass."""
import sys
import time
import traceback

from .errors import LabError


class Skip(Exception):
    """Why a test cannot run here."""


class Tap:
    def __init__(self, count):
        self.number = self.failed = self.skipped = 0
        self.count = count
        print(f'TAP version 13\n1..{count}', flush=True)

    def run(self, description, test):
        """Run @test; it returns a remark, or raises."""
        self.number += 1
        begin_s = time.monotonic()
        try:
            remark = test()
        except Skip as why:
            self.skipped += 1
            print(f'ok {self.number} - {description} # SKIP {why}', flush=True)
            return
        except (LabError, AssertionError) as failure:
            self._not_ok(description, str(failure) or 'assertion failed')
            if isinstance(failure, AssertionError):
                self._comment(traceback.format_exc())
            return
        except Exception:   # pylint: disable=broad-except
            self._not_ok(description, 'the test itself broke')
            self._comment(traceback.format_exc())
            return
        self._comment(f'{remark or ""} ({time.monotonic() - begin_s:.0f} s)')
        print(f'ok {self.number} - {description}', flush=True)

    def _not_ok(self, description, why):
        self.failed += 1
        print(f'not ok {self.number} - {description}')
        self._comment(why)

    @staticmethod
    def _comment(text):
        for line in text.strip().splitlines():
            print(f'# {line}', flush=True)


def run_program(main):
    """Run @main as the whole program, and exit as it says; what ends it early is told as TAP has it."""
    try:
        sys.exit(main())
    except LabError as problem:
        print(f'Bail out! {problem}')
        sys.exit(1)
    except KeyboardInterrupt:
        print('Bail out! interrupted')
        sys.exit(130)
