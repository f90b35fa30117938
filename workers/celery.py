"""What `celery -A workers` loads: the one place where importing makes something."""

import os

from pipeline.settings import read_settings
from workers.app import make_app

app = make_app(read_settings(os.environ))
