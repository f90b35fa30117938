"""The tables of those on duty: which work got on when, how the disk fills, when a chore was done last."""

from sqlalchemy import BigInteger, Column, Double, Integer, Table, Text

from pipeline.store.tables import metadata

# When a worker, by machine:pid of its main process, last got on at a stage. Written by the work itself.
heartbeats = Table(
    "heartbeats",
    metadata,
    Column("worker", Text, primary_key=True),
    Column("stage", Text, primary_key=True),
    Column("at", Double, nullable=False),
)

# The least that was free of a disk on a day (UTC, counted from 1970-01-01), by the folder of ours on it.
disk_days = Table(
    "disk_days",
    metadata,
    Column("place", Text, primary_key=True),
    Column("day", Integer, primary_key=True, autoincrement=False),
    Column("free_bytes", BigInteger, nullable=False),
)

chores = Table(
    "chores",
    metadata,
    Column("name", Text, primary_key=True),
    Column("done_at", Double, nullable=False),
)

DUTY = (heartbeats, disk_days, chores)
