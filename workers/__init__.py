"""Transport: how the stages run as Celery workers. Knows no news."""
