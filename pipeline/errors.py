"""The errors that a caller may expect.

WireroomError                one line for a person; exit 1
├── UsageError               the command or its input is wrong; exit 2
│   ├── SettingsError        a setting is unknown, malformed, contradicts another or cannot work
│   └── QueryError           a search query that does not parse; names the place and the fix
├── StoreVersionError        the store was written by another version
├── StoreFailedError         the store cannot be opened, or fails; says what helps
├── AlreadyRunningError      another `up` holds this home
├── IndexBusyError           another process is writing the embedded index
├── IndexAbsentError         there is no index to search yet
├── IndexUnavailableError    the index does not answer, or takes nothing just now; the rows wait
├── GenerationMovedError     another generation is live, or another process builds this one
├── RebuildBusyError         another process builds a generation of the index
└── RebuildFailedError       a generation could not be built, or is not what the store says
"""


class WireroomError(Exception):
    """Carry one line that tells a person what is wrong and what to do."""


class UsageError(WireroomError):
    """Say that the command or its input is wrong."""


class SettingsError(UsageError):
    """Say which setting is wrong and what it should look like."""


class QueryError(UsageError):
    """Say where a search query is wrong and how to mend it."""


class StoreVersionError(WireroomError):
    """Say that the store was written by another version of Wireroom."""


class StoreFailedError(WireroomError):
    """Say what is wrong with the store, and apart in `do` what helps."""

    def __init__(self, what: str, do: str) -> None:
        """Put both into one line."""
        super().__init__(f"{what}: {do}")
        self.do = do


class AlreadyRunningError(WireroomError):
    """Say that another `up` runs on the same home."""


class IndexBusyError(WireroomError):
    """Say that another process is writing the embedded index; claims must be given back."""


class IndexAbsentError(WireroomError):
    """Say that there is no index to search yet."""


class IndexUnavailableError(WireroomError):
    """Say that the index does not answer, or takes nothing just now; claims must be given back."""


class GenerationMovedError(WireroomError):
    """Say that a generation is not ours to write any more; claims must be given back."""


class RebuildBusyError(WireroomError):
    """Say that another process builds a generation of the index, or brings one up to date."""


class RebuildFailedError(WireroomError):
    """Say why a generation was not exposed; the live one stays."""
