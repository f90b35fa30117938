"""A plain Celery + Redis pipeline, written as the usual advice says, to be killed like Wireroom."""
