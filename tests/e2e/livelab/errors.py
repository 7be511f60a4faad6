# SPDX-License-Identifier: GPL-2.0-or-later
"""The one exception whose text is meant for the user."""


class LabError(Exception):
    """What failed and what to do about it, in one line."""
