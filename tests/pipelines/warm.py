"""What a fork does to be the command `kedro`, and what has to be imported before for it to start at once."""

import atexit
import os
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

IMPORTED = (
    "kedro.framework.cli.cli",
    "kedro.framework.session",
    "kedro_mlflow.framework.hooks",
    "great_expectations",
    "IPython",  # MLflow imports it when a run starts
    "torch",
    "matplotlib.pyplot",
    "faceleak.cli",
    "faceleak.runs.hooks",
)


def run_kedro(project: Path, environment: Mapping[str, str], arguments: Sequence[str], printed: Sequence[Path]) -> None:
    """Be `kedro` in the project; what it prints on stdout and stderr goes to the two files."""
    os.chdir(project)
    os.environ.clear()
    os.environ.update(environment)
    for number, file in enumerate(printed, start=1):
        os.dup2(os.open(file, os.O_WRONLY | os.O_CREAT), number)
    sys.argv = ["kedro", *arguments]
    from kedro.framework.cli.cli import main

    try:
        main()
    finally:
        atexit._run_exitfuncs()  # which processes of multiprocessing leave out
