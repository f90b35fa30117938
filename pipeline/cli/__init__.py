"""The command line, one file a noun. The only place that settings, terminal and exit codes are known."""

import os
import sys

OWNER_ALONE = 0o077
"""The umask: whatever Wireroom writes, and whatever it starts, its owner alone can read."""


def main() -> None:
    """Run the command that `sys.argv` names and exit with its code."""
    from pipeline.cli.running import run

    os.umask(OWNER_ALONE)
    sys.exit(run(sys.argv[1:]))
