# SPDX-License-Identifier: GPL-2.0-or-later
"""The one exception whose text is meant for the user, and the programs that say it."""
import sys


class LabError(Exception):
    """What failed and what to do about it, in one line."""


def run_program(main, name, interrupted, files=False):
    """Run @main as the whole program @name, and exit as it says; what fails is told in one line.

    @interrupted is what a Ctrl-C leaves to be said; it begins with a new line where progress may stand in the line.
    @files: a file that cannot be read or written is the user's affair, too."""
    try:
        sys.exit(main())
    except LabError as problem:
        sys.exit(f'{name}: {problem}')
    except OSError as error:
        if not files:
            raise
        sys.exit(f'{name}: {error.filename or "write"}: {error.strerror}')
    except KeyboardInterrupt:
        sys.exit(interrupted)
