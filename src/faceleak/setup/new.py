"""From a checkpoint and faces to an environment: look, try, propose, write, say what was found and what to do next."""

import textwrap
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from faceleak.common.errors import FaceleakError
from faceleak.setup.environment import Found, are_padded, check_name, other_aspects, write
from faceleak.setup.network import Asked, fed_with, find_network
from faceleak.setup.paths import check_file, check_there
from faceleak.setup.roles import propose

if TYPE_CHECKING:
    from faceleak.runs.configuration import Parameters
    from faceleak.setup.faces import FoundFaces
    from faceleak.setup.trial import Trial

CONF = Path("conf")
HEADING, WIDTH = 10, 100  # characters
SMALLER = "--params=membership.references.count=2,membership.references.training.epochs=2"


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
    _check_paths(request)

    from faceleak.setup.faces import look_at_faces

    faces = look_at_faces(request.faces, request.members, request.image_column, request.identity_column)
    say(_line("Faces", f"{faces.described()}."))
    others = None
    if request.others is not None:
        others = look_at_faces(request.others, None, request.image_column, request.identity_column)
        say(_line("", f"{others.described()}."))
        for line in _on_names(faces, others):
            say(line)
    if request.pairs is not None:
        _check_pairs(request.pairs, faces, others)
    network = find_network(request.network)
    say(_line("Backbone", f"{network.described()}."))
    if are_padded(network, faces, others):
        network = fed_with(network, fit="pad")
    trial: Trial | str = "not tried, as --trial-seconds is 0"
    if request.trial_seconds > 0:
        from faceleak.setup.trial import try_ways

        trial = try_ways(network.backbone, others or faces, request.landmarks, request.trial_seconds)
    for line in _on_feeding(trial, faces, request):
        say(line)
    if told := other_aspects(network, faces, others):
        say(_line("", f"{told.capitalize()}: {_fitted(network.load.preprocessing.fit)}"))
    counts = _counts(faces, others)
    roles = propose(counts)
    for line in _on_members(roles.stated, faces, others):
        say(line)
    sizes = ", ".join(f"{role} {wanted['people']}" for role, wanted in roles.roles.items())
    say(_line("Roles", f"people: {sizes}."))
    for warning in roles.warnings:
        say(_line("", warning))
    found = Found(faces, others, network, trial, roles, request.landmarks, request.members, request.pairs)
    parameters = write(folder, found)
    say(_line("Written", f"{folder}: read its comments, above all those that say NOT SURE."))
    for line in _on_cost(parameters, counts, request):
        say(line)
    for line in _next(request.name):
        say(line)
    return folder


def _check_paths(request: Request) -> None:
    """Raise RequestError or PathError where what is asked for is not there: before anything heavy is imported."""
    if request.members is not None and request.others is not None:
        raise RequestError("Give --members (who of the faces was trained on) or --others (nobody there was), not both.")
    for path, option in ((request.faces, "--faces"), (request.others, "--others")):
        check_there(path, "faces", option)
    for path, option in (
        (request.members, "--members"),
        (request.landmarks, "--landmarks"),
        (request.pairs, "--pairs"),
    ):
        check_file(path, "file", option)
    check_file(request.network.weights, "weights file", "--weights")


def _line(heading: str, text: str) -> str:
    indents = f"{heading:{HEADING}}", " " * HEADING
    lines = textwrap.TextWrapper(WIDTH, *indents, break_long_words=False, break_on_hyphens=False)
    return lines.fill(text)


def _counts(faces: "FoundFaces", others: "FoundFaces | None") -> dict[str | None, Counter[str]]:
    if others is None:
        return dict(faces.roles)
    for source, option in ((faces, "--faces"), (others, "--others")):
        if None not in source.roles:
            raise RequestError(
                f"{source.path} states roles itself, and {option} beside another would too: give it as --faces alone."
            )
    named = {f"others/{identity}": images for identity, images in others.images_a_person.items()}
    return {"member": faces.images_a_person, "non_member": Counter(named)}


def _check_pairs(path: Path, faces: "FoundFaces", others: "FoundFaces | None") -> None:
    """Raise PairsError where the file is no list of pairs, or shows images that are not among the first faces."""
    from faceleak.faces.pairs import locate, read_pairs
    from faceleak.faces.sources.source import names_of

    sources = [faces] if others is None else [faces, others]
    locate(read_pairs(path), [image_id for found in sources for image_id, _ in names_of(found.source)], path)


def _on_names(faces: "FoundFaces", others: "FoundFaces") -> Iterator[str]:
    """Raise GivenError where a person is among those who were trained on and among those who were not."""
    from faceleak.auditing.given import compare_names

    people = {"--faces": faces.images_a_person, "--others": others.images_a_person}
    yield from (_line("", told) for told in compare_names(people, "Take them out of --others, or give them new names"))


def _fitted(fit: str) -> str:
    if fit == "pad":
        return (
            "they are aligned as for SphereFace. `fit: pad` is taken, which puts black on both sides: so they are "
            "aligned as for ArcFace."
        )
    return "they are stretched. For faces aligned as for SphereFace, 96×112, take fit: pad."


def _on_feeding(trial: "Trial | str", faces: "FoundFaces", request: Request) -> Iterator[str]:
    from faceleak.auditing.target import GOOD

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


def _on_members(stated: bool, faces: "FoundFaces", others: "FoundFaces | None") -> Iterator[str]:
    if stated:
        yield _line("Members", "as stated. Everybody else is taken for not trained on.")
        if others is not None:
            yield _line(
                "",
                f"They come from {faces.path}, and the others from {others.path}: an attack finds what tells these "
                "sources apart (cameras, alignment, compression) as well as who was trained on. In the result, see the "
                "blind baseline (`blind_partial_knowledge`), which never asks the backbone: if its AUC is above 0.5, "
                "the sources differ, and the verdict is `cannot conclude`. Best are members and others of one source.",
            )
        return
    yield _line(
        "Members",
        "nobody said who was trained on, so members are drawn. An audit of stage 1 takes people of whom it is known: "
        "if the backbone was not trained on those that are drawn, all that it says is `cannot conclude`. Say who was, "
        "with --members LIST (a person or an image_id a line) or --others PATH (faces of people who were not).",
    )


def _on_cost(parameters: "Parameters", counts: dict[str | None, Counter[str]], request: Request) -> Iterator[str]:
    if request.trial_seconds > 0:
        from faceleak.setup.cost import estimate

        try:
            yield _line("Cost", estimate(parameters, counts))
        except FaceleakError as error:
            yield _line("Cost", f"cannot be told: {error}")
    else:
        yield _line("Cost", "not measured, as --trial-seconds is 0: the second command below tells it.")
    yield _line("", "For a smaller first look, put this behind the third command below:")
    yield f"{'':{HEADING}}{SMALLER}"


def _next(name: str) -> Iterator[str]:
    yield ""
    yield f"kedro run --pipelines=faces,target --env={name}               # are faces and backbone as they should be?"
    yield f"kedro run --pipelines=plan --env={name}                       # what the whole audit will cost here"
    yield f"kedro run --pipelines=faces,target,membership --env={name}    # stage 1: who was it trained on?"
    yield f"kedro run --pipelines=report --env={name}                     # data/{name}/08_reporting/audit.html"
