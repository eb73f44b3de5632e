"""Where studies are kept: a file of their own in the cache, or a database that several machines share."""

import warnings
from contextlib import AbstractContextManager
from pathlib import Path
from typing import TYPE_CHECKING

from faceleak.common.errors import FaceleakError
from faceleak.tuning.options import StudyOptions
from faceleak.work.lock import alone_at

if TYPE_CHECKING:
    from optuna.storages import RDBStorage

HEARTBEAT, GRACE = 30, 120  # seconds
PATIENCE = 60  # seconds that a worker waits for others to have written


class StorageError(FaceleakError):
    """The database of a study cannot be used."""


class BusyStudyError(FaceleakError):
    """Another run is working on the same study."""


def url_of(options: StudyOptions, name: str, cache: Path) -> str:
    """Where the study of this name is kept."""
    if options.storage is not None:
        return options.storage.get_secret_value()
    return f"sqlite:///{study_file(cache, name).absolute()}"


def study_file(cache: Path, name: str) -> Path:
    """The study's own file."""
    return cache / "studies" / f"{name}.db"


def working_alone(file: Path) -> AbstractContextManager[None]:
    """Keep other runs from this study inside the block. Raises BusyStudyError if one is at it."""
    busy = BusyStudyError(
        "Another run is tuning with the same data and options at this moment. Wait until it has ended and run the "
        "same command again, which finds its trials; raise `workers` to have several processes on a study."
    )
    return alone_at(file, busy)


def open_storage(url: str) -> "RDBStorage":
    """Open the database, which is made if it is not there. Raises StorageError.

    Trials send heartbeats, so a trial whose machine is gone fails after a while and another takes its place.
    """
    from optuna.exceptions import ExperimentalWarning, StorageInternalError
    from optuna.storages import RDBStorage
    from sqlalchemy.exc import SQLAlchemyError

    waiting = {"connect_args": {"timeout": PATIENCE}} if url.startswith("sqlite") else None
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ExperimentalWarning)
            return RDBStorage(url, engine_kwargs=waiting, heartbeat_interval=HEARTBEAT, grace_period=GRACE)
    except (SQLAlchemyError, StorageInternalError, RuntimeError, ValueError, ImportError) as error:
        raise StorageError(
            f"The database of the study cannot be used ({type(error).__name__}). Check the URL in `storage`, that "
            "its server answers and that its driver is installed; where `storage` is empty, remove the folder "
            "`studies` of compute.cache."
        ) from error
