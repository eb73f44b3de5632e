"""Project command line: `kedro run`, with errors a user can mend shown in one message, and kills told to MLflow."""

import signal
from collections.abc import Callable
from copy import copy
from types import FrameType
from typing import Any

import click
from kedro.framework.cli.project import run as kedro_run
from kedro.framework.cli.utils import CONTEXT_SETTINGS
from kedro.io.core import DatasetError

from faceleak.errors import FaceleakError

PATIENCE = 5  # seconds


@click.group(context_settings=CONTEXT_SETTINGS, name="faceleak")
def cli() -> None:
    """Audit face-recognition backbones."""


def _stop(signal_number: int, frame: FrameType | None) -> None:  # noqa: ARG001
    """Interrupt, and ask again later: an interrupt that is raised in a destructor is lost."""
    signal.signal(signal.SIGALRM, _stop)
    signal.alarm(PATIENCE)
    raise KeyboardInterrupt


def _mendable(error: BaseException) -> BaseException:
    """The first error in the chain of causes that a user can mend: Kedro wraps what happens in a data set."""
    cause: BaseException | None = error
    while cause is not None and not isinstance(cause, FaceleakError):
        cause = cause.__cause__
    return cause or error


def _with_clear_ends(callback: Callable[..., Any]) -> Callable[..., Any]:
    def run(**options: Any) -> Any:
        signal.signal(signal.SIGINT, _stop)
        signal.signal(signal.SIGTERM, _stop)
        try:
            return callback(**options)
        except (FaceleakError, DatasetError) as error:
            raise click.ClickException(str(_mendable(error))) from None
        except KeyboardInterrupt:
            signal.alarm(0)
            from faceleak.tracking import close_as_killed

            close_as_killed()
            raise click.ClickException("Stopped. Run the same command again: what was finished is kept.") from None

    return run


run = copy(kedro_run)
assert kedro_run.callback is not None
run.callback = _with_clear_ends(kedro_run.callback)
cli.add_command(run)
