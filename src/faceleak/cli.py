"""Project command line: `kedro run`, with errors a user can mend shown in one message, and kills told to MLflow."""

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any

import click
from kedro.framework.cli.project import run as kedro_run
from kedro.framework.cli.utils import CONTEXT_SETTINGS, KedroCliError
from kedro.framework.project import pipelines as registry
from kedro.io.core import DatasetError
from kedro.utils import load_obj
from yaml import YAMLError

from faceleak import pipelines
from faceleak.common.errors import FaceleakError
from faceleak.common.named import check_name, files_of
from faceleak.runs.order import together

PATIENCE = 5  # seconds
GONE = {  # pipelines that were once there → what runs the same
    "compare": "--pipelines=faces,repeats",
    "tuning_reconstruction": "--pipelines=tuning --tags=reconstruction",
}


@click.group(context_settings=CONTEXT_SETTINGS, name="faceleak")
def cli() -> None:
    """Audit face-recognition backbones."""


class CommandError(FaceleakError):
    """A command line that asks for what is not there."""


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


@contextmanager
def _clear_ends() -> Iterator[None]:
    try:
        yield
    except (FaceleakError, DatasetError) as error:
        raise click.ClickException(str(_mendable(error))) from None
    except KedroCliError as error:  # which shows itself as the error before it
        raise click.ClickException(error.message) from None
    except KeyboardInterrupt:
        signal.alarm(0)
        from faceleak.runs.tracking import close_as_killed

        close_as_killed()
        raise click.ClickException("Stopped. Run the same command again: what was finished is kept.") from None


def _check_choice(options: dict[str, Any]) -> None:
    """Raise CommandError where what is chosen to run is not there."""
    names = [name for name in (*options["pipelines"], options["pipeline"]) if name]
    for name in names:
        if name in GONE:
            raise CommandError(f"The pipeline `{name}` is gone: run `kedro run {GONE[name]}` instead.")
        check_name(name, "pipeline", ["__default__", *files_of(pipelines)], CommandError)
    registry.set_requested(names or None)
    run = together({name: registry[name] for name in names or ["__default__"]})
    try:
        chosen = ("tags", "from_nodes", "to_nodes", "node_names", "from_inputs", "to_outputs")
        run.filter(**{option: options[option] for option in chosen}, node_namespaces=options["namespaces"])
    except ValueError as error:
        nodes = ", ".join(node.name for node in run.nodes)
        raise CommandError(
            f"Nothing was run: {str(error).rstrip('.')}. The nodes that can be chosen: {nodes}."
        ) from error
    try:
        load_obj(options["runner"] or "SequentialRunner", "kedro.runner")(**options["runner_params"])
    except (ImportError, AttributeError, TypeError, ValueError) as error:
        raise CommandError(f"--runner or --runner-params cannot be used: {error}.") from error


class Run(click.Command):
    """`kedro run` that ends with one message where a user can mend what is wrong."""

    def make_context(self, *arguments: Any, **more: Any) -> click.Context:
        """Read the command line, and the file of --config."""
        with _clear_ends():
            try:
                return super().make_context(*arguments, **more)
            except (KeyError, TypeError, ValueError, YAMLError, OSError) as error:
                raise CommandError(
                    f"The file of --config cannot be read: {error}. It holds a block `run` with long names of options, "
                    "such as `pipelines`, `env` and `params`."
                ) from error

    def invoke(self, context: click.Context) -> Any:
        """Run what was chosen."""
        signal.signal(signal.SIGINT, _stop)
        signal.signal(signal.SIGTERM, _stop)
        with _clear_ends():
            _check_choice(context.params)
            return super().invoke(context)


cli.add_command(Run("run", callback=kedro_run.callback, params=kedro_run.params, help=kedro_run.help))
