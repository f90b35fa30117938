"""What `celery -A workers` loads: the one place where importing makes something."""

import os

from pipeline.settings import read_settings
from workers.app import make_app
from workers.ending import refusing

os.umask(0o077)  # as for the command line: what a worker writes, its owner alone can read
with refusing():
    app = make_app(read_settings(os.environ))
