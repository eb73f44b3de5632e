"""The base of every error that a user can mend, and the commands by which messages say how.

The command line shows such a message without a stack trace.
"""

import os

BASE = "base"
ENVIRONMENT = "FACELEAK_ENVIRONMENT"  # of the run, as a variable of its process: worker processes know it too


class FaceleakError(ValueError):
    """What was found, why it matters and what to do about it, in one message."""


def run_in(environment: str | None) -> None:
    """Let messages name commands for this environment of the configuration; without one, for that of `conf/base`."""
    os.environ[ENVIRONMENT] = environment or BASE


def kedro_run(pipelines: str, environment: str | None = None) -> str:
    """The command that runs pipelines in the environment given, or in that of this run."""
    name = environment or os.environ.get(ENVIRONMENT, BASE)
    return f"kedro run --pipelines={pipelines}" + ("" if name == BASE else f" --env={name}")
