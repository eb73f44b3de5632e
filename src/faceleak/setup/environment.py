"""The files of an environment: what differs from conf/base, each line that a user will change with a comment."""

import json
import re
import shutil
import textwrap
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from faceleak.common.errors import FaceleakError
from faceleak.setup.network import GUIDE, FoundNetwork
from faceleak.setup.roles import Roles

if TYPE_CHECKING:
    from faceleak.runs.configuration import Parameters
    from faceleak.setup.faces import FoundFaces
    from faceleak.setup.trial import Trial

NAME = re.compile(r"[A-Za-z0-9]([\w-]*[A-Za-z0-9])?", re.ASCII)
RESERVED = ("base", "local")
SIDE = 16  # a network that is trained here takes sides that are multiples of it
USUAL_SIDE = 112
COMPONENTS = 512
SPHEREFACE = (96, 112)  # pixels, width × height, of faces that are aligned as for SphereFace
PLAIN = re.compile(r"[A-Za-z_./~][\w./~-]*", re.ASCII)
WORDS = {"true", "false", "null", "yes", "no", "on", "off", "y", "n", "~"}


class EnvironmentExistsError(FaceleakError):
    """An environment cannot be made: its name is none, it is there already, or this is no project of faceleak."""


@dataclass(frozen=True)
class Found:
    """All that the files say. trial: what was tried, or why nothing was. members: the list of who was trained on."""

    faces: "FoundFaces"
    others: "FoundFaces | None"
    network: FoundNetwork
    trial: "Trial | str"
    roles: Roles
    landmarks: Path | None = None
    members: Path | None = None
    pairs: Path | None = None


def check_name(name: str, conf: Path) -> Path:
    """The folder that an environment will have. Raises EnvironmentExistsError."""
    if not (conf / "base").is_dir():
        raise EnvironmentExistsError(
            f"There is no folder {conf / 'base'} here: run the command in the folder of a faceleak project, where "
            "pyproject.toml and conf/ are."
        )
    if not NAME.fullmatch(name) or name in RESERVED:
        raise EnvironmentExistsError(
            f"{name!r} cannot be the name of an environment: take letters, digits, _ and -, and another one than "
            f"{' and '.join(RESERVED)}."
        )
    if (conf / name).exists():
        raise EnvironmentExistsError(
            f"{conf / name} is there already, and nothing is overwritten. Take another name, or remove it first."
        )
    return conf / name


def write(folder: Path, found: Found) -> "Parameters":
    """Write all files, check them as a run does, and put them in their place, whole or not at all.

    Returns all parameters of the environment. Raises ConfigurationError where they do not fit together.
    """
    partial = folder.with_name(f"{folder.name}.partial")
    shutil.rmtree(partial, ignore_errors=True)
    try:
        partial.mkdir()
        for name, content in files(folder.name, found).items():
            (partial / name).write_text(content, encoding="utf-8")
        parameters = check(partial)
        partial.rename(folder)
    except OSError as error:
        raise EnvironmentExistsError(
            f"{folder} cannot be made ({error.filename}: {error.strerror}). See that {folder.parent} can be written "
            "to, or take another name."
        ) from error
    finally:
        shutil.rmtree(partial, ignore_errors=True)
    return parameters


def check(folder: Path) -> "Parameters":
    """All parameters of an environment, checked as a run does. Raises ConfigurationError."""
    from kedro.config import OmegaConfigLoader

    from faceleak.runs.configuration import check_parameters
    from faceleak.settings import CONFIG_LOADER_ARGS

    loader = OmegaConfigLoader(str(folder.parent), env=folder.name, **CONFIG_LOADER_ARGS)
    return check_parameters(dict(loader["parameters"]))


def files(name: str, found: Found) -> dict[str, str]:
    """File → content."""
    return {
        "globals.yml": f"# Everything that runs with --env={name} make lies below this folder, apart from all others.\n"
        f"data: data/{name}\n",
        "parameters_faces.yml": _faces(found),
        "parameters_target.yml": _target(found),
        "parameters_membership.yml": _membership(found),
        "parameters_reconstruction.yml": _reconstruction(found),
    }


def _faces(found: Found) -> str:
    faces, roles = found.faces, found.roles
    lines = [*textwrap.wrap(f"{faces.described()}.", 116, initial_indent="# ", subsequent_indent="# "), "faces:"]
    if found.others is None:
        lines += [f"  source: {faces.kind}", f"  {faces.kind}: {_flow(faces.block)}"]
    else:
        lines += ["  source: several", "  several:"]
        for name, source, role in (("trained", faces, "member"), ("others", found.others, "non_member")):
            what = "all of them were trained on" if role == "member" else "none of them was trained on"
            described = {"role": role, "source": source.kind, source.kind: source.block}
            lines.append(f"    {name}: {_flow(described)}  # {what}")
    if found.members is not None:
        lines.append(f"  members: {_scalar(str(found.members))}  # who was trained on; all others were not")
    if found.landmarks is not None:
        lines.append(f"  landmarks: {_scalar(str(found.landmarks))}  # by which faces are aligned to 112×112")
    lines += [
        "  duplicates: stop  # or drop: of copies of an image in several roles, one is kept",
        "  splits:",
        "    roles:  # more people make intervals smaller and the audit longer",
        *(f"      {role}: {_flow(wanted)}  # {roles.why[role]}" for role, wanted in roles.roles.items()),
    ]
    if not roles.stated:
        lines.append("    training_share: 0.5  # of a member's images; who was trained on is drawn, not known")
    lines += [
        "  validation:",
        f"    minimum_images_per_identity: {min(roles.images, 2)}  # of people who are compared",
    ]
    return "\n".join(lines) + "\n"


def _target(found: Found) -> str:
    network, trial, load = found.network, found.trial, found.network.load
    lines = ["# The backbone under audit: nothing of it is trained or changed.", "target:", "  source: load", "  load:"]
    if load.architecture is not None:
        lines.append(f"    architecture: {load.architecture}  # {network.told_by['network']}")
    if load.factory is not None:
        lines.append(f"    factory: {load.factory}")
        lines.append(f"    arguments: {json.dumps(load.arguments)}")
    if load.weights is not None:
        lines.append(f"    weights: {_scalar(str(load.weights))}")
        lines.append(f"    sha256: {load.sha256}  # another file is refused")
    lines.append(f"    embedding_size: {load.embedding_size}")
    fed = load.preprocessing if isinstance(trial, str) else trial.preprocessing
    size = fed.image_size if isinstance(fed.image_size, int) else list(fed.image_size)
    lines += [
        "    preprocessing:",
        f"      image_size: {size}  # pixels, height × width: {network.told_by['image_size']}",
        f"      fit: {fed.fit}  # or pad, crop: what happens to faces of another aspect{_of_another_aspect(found)}",
        f"      color_order: {fed.color_order}  # {_sure_of_colors(trial)}",
        f"      mean: {list(fed.mean)}  # x in 0…1 becomes (x − mean) / std: {_sure_of_scale(trial)}",
        f"      std: {list(fed.std)}",
    ]
    if not isinstance(trial, str) and trial.bn_eps is not None:
        lines.append(f"    bn_eps: {trial.bn_eps:g}  # of the BN layers: verifies clearly better than the usual one")
    elif load.architecture is not None and network.bn_layers:
        lines.append("    bn_eps: null  # the architecture's; no weights file holds it: networks from MXNet have 2e-5")
    if network.heads:
        lines.append(f"    # Its head ({', '.join(network.heads)}) is left out; to take it too: {GUIDE}#the-head")
    if found.pairs is not None:
        lines += ["  utility:", f"    pairs: {_scalar(str(found.pairs))}  # accuracy by LFW's protocol"]
    return "\n".join(lines) + "\n"


def _of_another_aspect(found: Found) -> str:
    """What to say where faces are narrower or wider than the network's input."""
    if told := other_aspects(found.network, found.faces, found.others):
        return f". {'' if found.network.load.preprocessing.fit == 'pad' else 'NOT SURE: '}{told}"
    return ""


def other_aspects(network: FoundNetwork, *sources: "FoundFaces | None") -> str:
    """Which faces have not the aspect of the network's input, in words; nothing where all have it."""
    height, width = network.load.preprocessing.canvas.shape
    other = sorted(f"{w}×{h}" for w, h in _of_other_aspects(network, *sources))
    if not other:
        return ""
    many = f" and {len(other) - 1} other sizes" if len(other) > 1 else ""
    return f"faces of {other[0]} pixels{many} are not of the aspect {width}×{height}"


def are_padded(network: FoundNetwork, *sources: "FoundFaces | None") -> bool:
    """Whether faces of another aspect are as for SphereFace: with black on both sides, they are as for ArcFace."""
    height, width = network.load.preprocessing.canvas.shape
    other = _of_other_aspects(network, *sources)
    return height == width and bool(other) and all(w * SPHEREFACE[1] == h * SPHEREFACE[0] for w, h in other)


def _of_other_aspects(network: FoundNetwork, *sources: "FoundFaces | None") -> set[tuple[int, int]]:
    height, width = network.load.preprocessing.canvas.shape
    sizes = {size for source in sources if source is not None for size in source.sizes}
    return {(w, h) for w, h in sizes if w * height != h * width}


def _sure_of_colors(trial: "Trial | str") -> str:
    if isinstance(trial, str):
        return f"NOT SURE: as is usual; {trial}"
    if any(name.startswith("colors") for name in trial.alike):
        return "NOT SURE: the other order verifies as well on these faces"
    return "the other order verifies worse"


def _sure_of_scale(trial: "Trial | str") -> str:
    if isinstance(trial, str):
        return f"NOT SURE: as is usual; {trial}"
    scales = [name for name in trial.alike if not name.startswith(("colors", "BN"))]
    if scales:
        return f"NOT SURE: as well on these faces do {'; '.join(scales)}"
    return "the other usual ones verify worse"


def _membership(found: Found) -> str:
    load, side = found.network.load, USUAL_SIDE
    size = load.preprocessing.image_size
    if isinstance(size, int) and size % SIDE == 0:
        side = size
    embeddings = "[reference_similarity, anchor_similarity, embedding_norm]"
    own = f"architecture: {load.architecture}, embedding_size: {load.embedding_size}" if load.architecture else "…"
    nothing = "    bn_distance: null  # the backbone has no BN layer to read\n    bn_moments: null\n"
    without = "" if found.network.bn_layers else nothing
    return f"""# Attacks beside those of conf/base, and the attacker's references. `null` takes an attack of base away.
membership:
  # `shadow`, an attacker who knows no member, needs references of the target's own architecture (below): slow.
  threat_models: [partial_knowledge]
  attacks:
{without}    embedding_norm: {{signals: [embedding_norm]}}
    fused: {{signals: {embeddings}, calibration: features}}
    bavaria: {{signals: {embeddings}, calibration: bavaria}}
  risk: {{attack: bavaria, threat_model: partial_knowledge}}
  references:
    # Small ones, which calibrate what embeddings show. For `shadow`: {own}
    training: {{architecture: iresnet_demo, image_size: {side}, epochs: 15, batch_size: 32, horizontal_flip: true}}
"""


def _reconstruction(found: Found) -> str:
    count = min(COMPONENTS, found.roles.roles["public"]["people"] - 1)
    without = "  search: {attack: embedding_norm}  # an attack that reads no BN layer: the backbone has none\n"
    return f"""# Stage 2 draws faces by principal components of those of the role `public`: fewer than it has
# images, and the more, the better. `ceiling` in the results says how many members they can draw.
reconstruction:
  prior: {f"{{principal_components: {{count: {count}}}}}" if count > 0 else "demo  # too few public faces"}
{"" if found.network.bn_layers else without}"""


def _flow(values: Mapping[str, Any]) -> str:
    """A mapping on one line of YAML."""
    parts = (
        f"{key}: {_flow(value) if isinstance(value, Mapping) else _scalar(value)}" for key, value in values.items()
    )
    return "{" + ", ".join(parts) + "}"


def _scalar(value: Any) -> str:
    """A value as YAML reads it back; text in quotes where it could be taken for anything else."""
    if isinstance(value, str) and PLAIN.fullmatch(value) and value.lower() not in WORDS:
        return value
    return json.dumps(value, ensure_ascii=False)
