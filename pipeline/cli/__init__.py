"""The command line, one file a noun. The only place that settings, terminal and exit codes are known."""

import sys


def main() -> None:
    """Run the command that `sys.argv` names and exit with its code."""
    from pipeline.cli.running import run

    sys.exit(run(sys.argv[1:]))
