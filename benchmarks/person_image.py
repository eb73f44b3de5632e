"""The search from one person's image: what holds it near the image, chosen on the attacker's own people.

`python -m benchmarks.person_image own` takes a reference backbone for the target, so that nobody chooses on those who
are judged; without `own` it judges the audited target. Options: `near=3,10,30`, `evaluators=<folder of backbones>`, and
`<field>=<value>` of `reconstruction.person_image`. Needs the results of `make attack`.
"""

import sys
import time
from pathlib import Path
from typing import Any

import yaml

from benchmarks.latent_distance import scorer_of
from benchmarks.reconstruction import World, load_world
from faceleak.pipelines.reconstruction.nodes import embed_people
from faceleak.pipelines.targeted.nodes import choose_person_images, measure_person_images, search_by_scorer
from faceleak.reconstruction.options import PersonImageOptions
from faceleak.work.compute import keep_freed_memory

WHOSE = ("members", "members_other_images", "non_members", "member_excess")


def measure(world: World, people: Any, changes: dict[str, Any]) -> dict[str, Any]:
    """The tree `person_image` of the metrics."""
    options = world.parameters.reconstruction
    chosen = PersonImageOptions.model_validate(options.person_image.model_dump() | changes)
    options = options.model_copy(update={"person_image": chosen})
    given = choose_person_images(world.splits, options)
    found = search_by_scorer(scorer_of(world), world.store, given, options, world.parameters.compute)
    judged = world.evaluators, options, world.parameters.bootstrap, world.parameters.compute
    measured: dict[str, Any] = measure_person_images(found, given, people, *judged)["undefended"]["person_image"]
    return measured


def told(metrics: dict[str, float], name: str) -> str:
    """A value with its interval."""
    return f"{metrics[name]:6.3f} [{metrics[f'{name}_ci_low']:6.3f}, {metrics[f'{name}_ci_high']:6.3f}]"


def run(own: bool, nears: list[float], changes: dict[str, Any], evaluator_folder: Path | None) -> None:
    """Print the tables of every `near`."""
    keep_freed_memory()
    world = load_world(own, evaluator_folder=evaluator_folder)
    people = embed_people(world.evaluators, world.store, world.splits, world.parameters.compute)
    for near in nears:
        started = time.process_time()
        measured = measure(world, people, changes | {"near": near})
        print(f"near {near:g} ({time.process_time() - started:.0f} s of CPU)")
        verdicts = ", ".join(f"{name} {told(of, 'auc')}" for name, of in measured.pop("verdict").items())
        print(f"  verdict, AUC: {verdicts}")
        for method, of_method in measured.items():
            for whose in WHOSE:
                likeness, matches = (told(of_method[whose], name) for name in ("likeness", "match_rate"))
                print(f"  {method:13} {whose:21} likeness {likeness}   match_rate {matches}", flush=True)


if __name__ == "__main__":
    asked = dict(argument.split("=", 1) for argument in sys.argv[1:] if "=" in argument)
    nears = [float(value) for value in asked.pop("near", "10").split(",")]
    evaluator_folder = Path(asked.pop("evaluators")) if "evaluators" in asked else None
    run("own" in sys.argv[1:], nears, {name: yaml.safe_load(value) for name, value in asked.items()}, evaluator_folder)
