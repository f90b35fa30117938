"""What `celery -A workers` loads: the one place where importing makes something."""

import os
import sys

from pipeline.errors import SettingsError
from pipeline.settings import read_settings
from workers.app import make_app

os.umask(0o077)  # as for the command line: what a worker writes, its owner alone can read
try:
    app = make_app(read_settings(os.environ))
except SettingsError as error:
    sys.stderr.write(f"wireroom: {error}\n")  # as the command line says it, not under forty lines of trace
    raise SystemExit(2) from None
