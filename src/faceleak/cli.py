"""Project command line: `kedro run`, with errors a user can mend shown in one message, and `kedro faceleak`."""

import json
import logging
import re
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
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


@cli.group("faceleak")
def faceleak() -> None:
    """Bring a backbone and faces of your own."""


FILE = click.Path(path_type=Path)


@contextmanager
def _warnings_alone() -> Iterator[None]:
    """No lines of log below a warning: what they tell of a checkpoint is told in other words."""
    log = logging.getLogger("faceleak")
    level = log.level
    log.setLevel(logging.WARNING)
    try:
        yield
    finally:
        log.setLevel(level)


def _image_size(_: click.Context, __: click.Parameter, given: str | None) -> int | tuple[int, int] | None:
    """112, or height x width: 112x96."""
    if given is None:
        return None
    sides = re.fullmatch(r"(\d+)(?:[x×](\d+))?", given)
    if sides is None or min(map(int, sides.groups("16"))) < 16:
        raise click.BadParameter("give pixels, 112 or HEIGHTxWIDTH such as 112x96, of 16 at least")
    height, width = int(sides[1]), int(sides[2] or sides[1])
    return height if height == width else (height, width)


def _arguments(_: click.Context, __: click.Parameter, given: str | None) -> dict[str, Any]:
    try:
        arguments = json.loads(given or "{}")
    except ValueError as error:
        raise click.BadParameter(f"{error}; give an object of JSON, such as '{{\"width\": 32}}'") from error
    if not isinstance(arguments, dict):
        raise click.BadParameter("give an object of JSON, such as '{\"width\": 32}'")
    return arguments


@faceleak.command("new")
@click.argument("name")
@click.option("--faces", required=True, type=FILE, help="Folder of people's folders, .rec, .bin, Parquet or CSV list.")
@click.option("--weights", type=FILE, help="The backbone: .safetensors, .pt, .pth, .ckpt or .onnx.")
@click.option("--members", type=FILE, help="Text file of who was trained on: a person or an image_id a line.")
@click.option("--others", type=FILE, help="Faces of people who were not trained on; all of --faces were then.")
@click.option("--landmarks", type=FILE, help="Five landmarks an image, where the faces are photographs.")
@click.option("--pairs", type=FILE, help="Pairs of images in the format of LFW's pairs.txt, for its accuracy.")
@click.option("--architecture", help="Where it is not to be recognized by names and shapes.")
@click.option("--factory", help="Your own network: package.module:Class.")
@click.option("--arguments", callback=_arguments, help="What --factory is built with, as JSON.")
@click.option("--image-size", callback=_image_size, help="Pixels: 112, or HEIGHTxWIDTH.")
@click.option("--image-column", help="Of Parquet: the column with encoded images.")
@click.option("--identity-column", help="Of Parquet: the column that says who is on them.")
@click.option(
    "--trial-seconds",
    default=60.0,
    show_default=True,
    help="To try color order and scale on pairs of faces; 0: none.",
)
def new(
    name: str,
    faces: Path,
    weights: Path | None,
    architecture: str | None,
    factory: str | None,
    arguments: dict[str, Any],
    image_size: int | tuple[int, int] | None,
    **more: Any,
) -> None:
    """Make the environment NAME for a backbone and faces of your own.

    Looks at both first: which network it is, how it is fed, who could play which role. Writes conf/NAME, with a comment
    for each line that you will want to change, and overwrites nothing.
    """
    with _clear_ends(), _warnings_alone():
        from faceleak.runs.terminal import show
        from faceleak.setup.network import Asked
        from faceleak.setup.new import CONF, Request
        from faceleak.setup.new import new as make

        try:
            make(Request(name, faces, Asked(weights, architecture, factory, arguments, image_size), **more), show)
        except KeyboardInterrupt:
            written = f"{CONF / name} is written" if (CONF / name).exists() else "Nothing was written"
            raise CommandError(f"Stopped. {written}.") from None
