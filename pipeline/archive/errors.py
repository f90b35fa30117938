"""The error of the archive."""

from pipeline.errors import WireroomError


class ArchiveError(WireroomError):
    """Say which record is missing, torn or changed, or why one could not be written."""
