"""Stage 2 by several search seeds, and what each term of its objective brings. Needs the results of `make attack`.

`python -m benchmarks.reconstruction` judges the audited target by 5 seeds. `… own` compares objectives on the
attacker's own people instead: a reference backbone is the target there, so that nobody chooses on those who are judged.
Options: `seeds=5`, and any number of `search.<field>=<value>`, as `search.rounds=2`.
"""

import sys
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import yaml
from kedro.config import OmegaConfigLoader

from faceleak.backbones.backbone import Backbone
from faceleak.backbones.embedding import embed_pixels
from faceleak.backbones.loading import load_backbone
from faceleak.compute import keep_freed_memory
from faceleak.configuration import Parameters, check_parameters
from faceleak.datasets.rooms import BackbonesDataset
from faceleak.faces.splits import with_role
from faceleak.faces.store import FaceStore
from faceleak.membership.knowledge import known_images
from faceleak.membership.stacking import parts
from faceleak.metrics.identity_match import measure_panel
from faceleak.metrics.judge import Panel, make_panel
from faceleak.pipelines.reconstruction.nodes import calibrating, embed_people
from faceleak.reconstruction.options import SearchOptions
from faceleak.reconstruction.pieces import STEPS, ReconstructionPiece, reconstruct_all, reconstruct_piece
from faceleak.reconstruction.search import SEARCH_STEPS
from faceleak.reconstruction.untrained import fit_guide, untrained
from faceleak.settings import CONFIG_LOADER_ARGS
from faceleak.tuning.reconstruction.own_people import own_people

DATA = Path("data")
SHOWN = ("member_match_rate", "control_match_rate", "match_advantage", "distinct_members", "unknown_member_match_rate")
OBJECTIVES: dict[str, dict[str, float]] = {
    "membership": {"membership": 1},
    "bn_matching": {"bn_matching": 1},
    "+ bn_matching": {"membership": 1, "bn_matching": 1},
    "+ diversity": {"membership": 1, "diversity": 0.3},
    "+ more diversity": {"membership": 1, "diversity": 1},
    "+ augmented": {"membership": 0.5, "augmented": 0.5},
    "+ total_variation": {"membership": 1, "total_variation": 10},
    "+ latent_prior": {"membership": 1, "latent_prior": 1},
}


@dataclass(frozen=True)
class World:
    """A target with people of all roles, and who judges; own: the attacker's, without the search by nothing."""

    parameters: Parameters
    store: FaceStore
    target: Backbone
    references: dict[str, Backbone]
    splits: pd.DataFrame
    evaluators: dict[str, Backbone]
    own: bool

    @property
    def steps(self) -> tuple[str, ...]:
        """What is judged."""
        return SEARCH_STEPS if self.own else STEPS

    def panel(self) -> Panel:
        """The judges of this world's people."""
        options = self.parameters.reconstruction
        people = embed_people(self.evaluators, self.store, self.splits, self.parameters.compute)
        return make_panel(parts(people, "evaluator"), options.independent, options.far)

    def reconstruct(self, search: SearchOptions) -> dict[str, Any]:
        """`target/<step>/<part>` → array."""
        compute, attack = self.parameters.compute, self.parameters.membership.attacks[search.attack]
        known, compared = known_images(self.splits), calibrating(self.references, attack)

        def piece(backbone: Backbone) -> ReconstructionPiece:
            guide = fit_guide(backbone, compared, self.store, known, attack, compute)
            return ReconstructionPiece("target", guide, self.parameters.reconstruction.prior, search, compute)

        if self.own:
            return {f"target/{key}": array for key, array in reconstruct_piece(piece(self.target)).items()}
        public = with_role(self.splits, "public")["image_id"]
        fresh = untrained(self.target, self.store, public, search.seed, compute)
        return reconstruct_all([piece(self.target)], piece(fresh), compute)

    def measure(self, search: SearchOptions, panel: Panel) -> dict[str, dict[str, Any]]:
        """Step → metrics."""
        arrays, compute = self.reconstruct(search), self.parameters.compute
        embeddings = {
            step: {
                name: embed_pixels(evaluator, arrays[f"target/{step}/pixels"], compute)
                for name, evaluator in self.evaluators.items()
            }
            for step in self.steps
        }
        return {step: measure_panel(embeddings[step], panel, self.parameters.bootstrap) for step in self.steps}


def load_world(own: bool) -> World:
    """The audited target's world, or the one of the attacker's first reference backbone."""
    loader = OmegaConfigLoader("conf", **CONFIG_LOADER_ARGS)
    parameters = check_parameters(dict(loader["parameters"]))
    references = BackbonesDataset(str(DATA / "06_models/references")).load()
    splits = pd.read_parquet(DATA / "03_primary/splits.parquet")
    target = load_backbone(DATA / "06_models/target")
    if own:
        reference_splits = pd.read_parquet(DATA / "03_primary/reference_splits.parquet")
        name = next(iter(references))
        target = references.pop(name)
        splits = own_people(splits, reference_splits, name)
    evaluators = BackbonesDataset(str(DATA / "06_models/evaluators")).load()
    return World(
        parameters, FaceStore(DATA / "02_intermediate/faces.arrow"), target, references, splits, evaluators, own
    )


def rows(measured: Mapping[str, list[dict[str, dict[str, Any]]]]) -> Iterator[str]:
    """A row a setting and step: mean over seeds, and the range where there are several."""
    yield f"{'setting':20} {'step':17}" + "".join(f"{name.removesuffix('_match_rate'):>25}" for name in SHOWN)
    for setting, seeds in measured.items():
        for step in seeds[0]:
            cells = []
            for name in SHOWN:
                values = np.array([seed[step][name] for seed in seeds], float)
                spread = f" ({values.min():.2f}…{values.max():.2f})" if len(values) > 1 else ""
                cells.append(f"{values.mean():.3f}{spread}")
            yield f"{setting:20} {step:17}" + "".join(f"{cell:>25}" for cell in cells)


def run(own: bool, seeds: int, changes: dict[str, Any]) -> None:
    """Print the table, and what judges say alone."""
    keep_freed_memory()
    world = load_world(own)
    search = SearchOptions.model_validate(world.parameters.reconstruction.search.model_dump() | changes)
    settings = OBJECTIVES if own else {"as configured": search.objective}
    panel = world.panel()
    measured: dict[str, list[dict[str, dict[str, Any]]]] = {name: [] for name in settings}
    started = time.perf_counter()
    for name, objective in settings.items():
        for seed in range(search.seed, search.seed + seeds):
            again = search.model_copy(update={"objective": objective, "seed": seed})
            measured[name].append(world.measure(again, panel))
        print(f"{name}: {time.perf_counter() - started:.0f} s", flush=True)
    for line in rows(measured):
        print(line)
    for name, of_seeds in measured.items():
        for evaluator in panel.judges:
            alone = [seed["optimised"]["evaluators"][evaluator] for seed in of_seeds]
            told = {key: float(np.mean([one[key] for one in alone])) for key in alone[0] if "ci_" not in key}
            print(f"{name}: {evaluator} alone " + ", ".join(f"{key} {value:.3f}" for key, value in told.items()))


if __name__ == "__main__":
    asked = dict(argument.split("=", 1) for argument in sys.argv[1:] if "=" in argument)
    changes = {key.removeprefix("search."): yaml.safe_load(value) for key, value in asked.items() if key != "seeds"}
    run("own" in sys.argv[1:], int(asked.get("seeds", 1 if "own" in sys.argv else 5)), changes)
