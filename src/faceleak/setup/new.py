"""From a checkpoint and faces to an environment: look, try, propose, write, say what was found and what to do next."""

import textwrap
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from faceleak.common.errors import FaceleakError
from faceleak.setup.environment import Found, check_name, other_aspects, write
from faceleak.setup.faces import FoundFaces, look_at_faces
from faceleak.setup.network import Asked, find_network
from faceleak.setup.roles import propose
from faceleak.setup.trial import GOOD, Trial, try_ways

CONF = Path("conf")
HEADING, WIDTH = 10, 100  # characters


class RequestError(FaceleakError):
    """What is asked for contradicts itself."""


@dataclass(frozen=True)
class Request:
    """What the user gives, as the options of `kedro faceleak new` say it.

    faces, others: of people who may have been trained on, and of people who were not. members: a list of who was
    trained on. trial_seconds: how long ways to feed the backbone may be tried; 0 tries none.
    """

    name: str
    faces: Path
    network: Asked
    others: Path | None = None
    members: Path | None = None
    landmarks: Path | None = None
    pairs: Path | None = None
    image_column: str | None = None
    identity_column: str | None = None
    trial_seconds: float = 60.0


def new(request: Request, say: Callable[[str], None]) -> Path:
    """Make conf/<name>, and tell what was found while it is found. Raises FaceleakError; then nothing was written."""
    folder = check_name(request.name, CONF)
    if request.members is not None and request.others is not None:
        raise RequestError("Give --members (who of the faces was trained on) or --others (nobody there was), not both.")
    for path, option in ((request.landmarks, "--landmarks"), (request.pairs, "--pairs")):
        if path is not None and not path.is_file():
            raise RequestError(f"There is no file {path}. Correct {option}.")
    faces = look_at_faces(request.faces, request.members, request.image_column, request.identity_column)
    say(_line("Faces", f"{faces.described()}."))
    others = None
    if request.others is not None:
        others = look_at_faces(request.others, None, request.image_column, request.identity_column)
        say(_line("", f"{others.described()}."))
    if request.pairs is not None:
        _check_pairs(request.pairs, faces, others)
    network = find_network(request.network)
    say(_line("Backbone", f"{network.described()}."))
    trial: Trial | str = "not tried, as --trial-seconds is 0"
    if request.trial_seconds > 0:
        trial = try_ways(network.backbone, others or faces, request.landmarks, request.trial_seconds)
    for line in _on_feeding(trial, faces, request):
        say(line)
    if told := other_aspects(network, faces, others):
        say(
            _line(
                "",
                f"{told.capitalize()}: they are stretched. For faces aligned as for SphereFace, 96×112, take fit: pad.",
            )
        )
    roles = propose(_counts(faces, others))
    for line in _on_members(roles.stated):
        say(line)
    sizes = ", ".join(f"{role} {wanted['people']}" for role, wanted in roles.roles.items())
    say(_line("Roles", f"people: {sizes}."))
    for warning in roles.warnings:
        say(_line("", warning))
    write(folder, Found(faces, others, network, trial, roles, request.landmarks, request.members, request.pairs))
    for line in _next(request.name, folder):
        say(line)
    return folder


def _line(heading: str, text: str) -> str:
    indents = f"{heading:{HEADING}}", " " * HEADING
    lines = textwrap.TextWrapper(WIDTH, *indents, break_long_words=False, break_on_hyphens=False)
    return lines.fill(text)


def _counts(faces: FoundFaces, others: FoundFaces | None) -> dict[str | None, Counter[str]]:
    if others is None:
        return dict(faces.roles)
    for source, option in ((faces, "--faces"), (others, "--others")):
        if None not in source.roles:
            raise RequestError(
                f"{source.path} states roles itself, and {option} beside another would too: give it as --faces alone."
            )
    return {"member": faces.images_a_person, "non_member": others.images_a_person}


def _check_pairs(path: Path, faces: FoundFaces, others: FoundFaces | None) -> None:
    """Raise PairsError where the file is no list of pairs, or shows images that are not among the first faces."""
    from faceleak.faces.pairs import locate, read_pairs
    from faceleak.faces.sources.source import names_of

    sources = [faces] if others is None else [faces, others]
    locate(read_pairs(path), [image_id for found in sources for image_id, _ in names_of(found.source)], path)


def _on_feeding(trial: Trial | str, faces: FoundFaces, request: Request) -> Iterator[str]:
    if isinstance(trial, str):
        yield _line("Feeding", f"color order and scale of pixels are as usual and NOT SURE: {trial}.")
    else:
        yield _line("Feeding", f"{trial.told}.")
        if trial.alike:
            yield _line("", f"Not told apart on these faces: {', '.join(trial.alike)}. Take those of the training.")
        if trial.needs_alignment:
            yield _line("", "Faces that are cut closer verify clearly better: they are not aligned as in the training.")
        if trial.auc < GOOD:
            yield _line(
                "",
                f"An AUC below {GOOD} is low: these faces are not aligned, or fed in a way that was not tried, or the "
                "backbone is another one.",
            )
    if request.landmarks is None and not faces.look_aligned:
        yield _line("", "The faces look like photographs, and backbones want aligned faces: give --landmarks FILE.")


def _on_members(stated: bool) -> Iterator[str]:
    if stated:
        yield _line("Members", "as stated. Everybody else is taken for not trained on.")
        return
    yield _line(
        "Members",
        "nobody said who was trained on, so members are drawn. An audit of stage 1 takes people of whom it is known: "
        "if the backbone was not trained on those that are drawn, all that it says is `cannot conclude`. Say who was, "
        "with --members LIST (a person or an image_id a line) or --others PATH (faces of people who were not).",
    )


def _next(name: str, folder: Path) -> Iterator[str]:
    yield _line("Written", f"{folder}: read its comments, above all those that say NOT SURE. Then:")
    yield ""
    yield f"kedro run --pipelines=faces,target --env={name}               # are faces and backbone as they should be?"
    yield f"kedro run --pipelines=plan --env={name}                       # what the whole audit will cost here"
    yield f"kedro run --pipelines=faces,target,membership --env={name}    # stage 1: who was it trained on?"
    yield f"kedro run --pipelines=report --env={name}                     # data/{name}/08_reporting/audit.html"
