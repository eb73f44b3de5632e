"""Stage 2 by several search seeds, and what each term of its objective brings. Needs the results of `make attack`.

`python -m benchmarks.reconstruction` judges the audited target by 5 seeds. `… terms` compares objectives there, and
`… optimizers` Adam and CMA-ES at equal numbers of images. With `own` all of them take the attacker's own people: a
reference backbone is the target there, so that nobody chooses on those who are judged. The search that is guided by
nothing is made only where no objectives are compared, on the audited target.
Options: `seeds=5`, `env=attacks`, `only=<setting>,<setting>`, `evaluators=<folder of backbones>` in place of the
configured evaluators, and any number of `search.<field>=<value>`, as `search.rounds=2`.
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
from faceleak.faces.splits import with_role
from faceleak.faces.store import FaceStore
from faceleak.membership.inputs import known_images
from faceleak.membership.stacking import parts
from faceleak.metrics.identity_match import measure_panel
from faceleak.metrics.matcher import Panel, make_panel
from faceleak.pipelines.reconstruction.nodes import calibrating, embed_people
from faceleak.reconstruction.options import EvaluatorOptions, SearchOptions
from faceleak.reconstruction.scorer import fit_scorer, untrained
from faceleak.reconstruction.search import SEARCH_STEPS
from faceleak.reconstruction.tasks import STEPS, ByStep, ReconstructionTask, reconstruct_all, reconstruct_task
from faceleak.runs.configuration import Parameters, check_parameters
from faceleak.runs.datasets.rooms import BackbonesDataset
from faceleak.settings import CONFIG_LOADER_ARGS
from faceleak.tuning.reconstruction.study import own_people
from faceleak.work.compute import keep_freed_memory

DATA = Path("data")
SHOWN = ("member_match_rate", "control_match_rate", "match_advantage", "distinct_members", "unknown_member_match_rate")
OBJECTIVES: dict[str, dict[str, float]] = {
    "membership": {"membership": 1},
    "bn_matching": {"bn_matching": 1},
    "+ bn_matching": {"membership": 1, "bn_matching": 1},
    "+ diversity": {"membership": 1, "diversity": 1},
    "+ augmented": {"membership": 0.5, "augmented": 0.5},
    "+ consistency": {"membership": 1, "consistency": 10},
    "+ total_variation": {"membership": 1, "total_variation": 10},
    "+ latent_prior": {"membership": 1, "latent_prior": 1},
    "all useful": {"membership": 1, "diversity": 1, "consistency": 10, "total_variation": 10},
}
STEPS_OF_ADAM, POPULATION = 160, 16
OPTIMIZERS: dict[str, dict[str, Any]] = {
    "adam": {"optimizer": "adam", "steps": STEPS_OF_ADAM},
    "cma_es": {"optimizer": "cma_es", "steps": STEPS_OF_ADAM // POPULATION, "population": POPULATION},
    "cma_es × 10": {"optimizer": "cma_es", "steps": 10 * STEPS_OF_ADAM // POPULATION, "population": POPULATION},
}


@dataclass(frozen=True)
class World:
    """A target with people of all roles, and who judges; guided_by_nothing: whether to search by nothing as well."""

    parameters: Parameters
    store: FaceStore
    target: Backbone
    references: dict[str, Backbone]
    splits: pd.DataFrame
    evaluators: dict[str, Backbone]
    guided_by_nothing: bool

    @property
    def steps(self) -> tuple[str, ...]:
        """What is judged."""
        return STEPS if self.guided_by_nothing else SEARCH_STEPS

    def panel(self) -> Panel:
        """The evaluators of this world's people."""
        options = self.parameters.reconstruction
        people = embed_people(self.evaluators, self.store, self.splits, self.parameters.compute)
        return make_panel(parts(people, "evaluator"), options.independent, options.far)

    def reconstruct(self, search: SearchOptions) -> ByStep:
        """Step → part → array."""
        compute, attack = self.parameters.compute, self.parameters.membership.attacks[search.attack]
        known, compared = known_images(self.splits), calibrating(self.references, attack)

        def task(backbone: Backbone) -> ReconstructionTask:
            scorer = fit_scorer(backbone, compared, self.store, known, attack, compute, search.optimizer)
            return ReconstructionTask(scorer, self.parameters.reconstruction.prior, search, compute)

        if not self.guided_by_nothing:
            return reconstruct_task(task(self.target))
        public = with_role(self.splits, "public")["image_id"]
        fresh = untrained(self.target, self.store, public, search.seed, compute)
        return reconstruct_all({"target": task(self.target)}, task(fresh), compute)["target"]

    def measure(self, search: SearchOptions, panel: Panel) -> dict[str, dict[str, Any]]:
        """Step → metrics."""
        arrays, compute = self.reconstruct(search), self.parameters.compute
        embeddings = {
            step: {
                name: embed_pixels(evaluator, arrays[step]["pixels"], compute)
                for name, evaluator in self.evaluators.items()
            }
            for step in self.steps
        }
        return {step: measure_panel(embeddings[step], panel, self.parameters.bootstrap) for step in self.steps}


def load_world(own: bool, env: str = "local", evaluator_folder: Path | None = None, terms: bool = False) -> World:
    """The audited target's world, or the one of the attacker's first reference backbone.

    evaluator_folder: backbones that judge together; without it, the configured evaluators do. terms: objectives are
    compared, without a search by nothing.
    """
    loader = OmegaConfigLoader("conf", env=env, **CONFIG_LOADER_ARGS)
    parameters = check_parameters(dict(loader["parameters"]))
    references = BackbonesDataset(str(DATA / "06_models/references")).load()
    splits = pd.read_parquet(DATA / "03_primary/splits.parquet")
    target = load_backbone(DATA / "06_models/target")
    if own:
        reference_splits = pd.read_parquet(DATA / "03_primary/reference_splits.parquet")
        name = next(iter(references))
        target = references.pop(name)
        splits = own_people(splits, reference_splits, name)
    evaluators = BackbonesDataset(str(evaluator_folder or DATA / "06_models/evaluators")).load()
    if evaluator_folder:
        named = {name: EvaluatorOptions.model_construct(independent=True) for name in evaluators}
        asked = parameters.reconstruction.model_copy(update={"evaluators": named})
        parameters = parameters.model_copy(update={"reconstruction": asked})
    store = FaceStore(DATA / "02_intermediate/faces.arrow")
    return World(parameters, store, target, references, splits, evaluators, not own and not terms)


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


def settings_of(mode: str, objective: dict[str, float]) -> dict[str, dict[str, Any]]:
    """What is compared: setting → fields of the search."""
    if mode == "terms":
        return {name: {"objective": weights} for name, weights in OBJECTIVES.items()}
    if mode == "optimizers":
        return {name: {"rounds": 1} | changes for name, changes in OPTIMIZERS.items()}
    return {"as configured": {"objective": objective}}


def run(
    mode: str, own: bool, seeds: int, changes: dict[str, Any], only: list[str], env: str, evaluator_folder: Path | None
) -> None:
    """Print the table, and what evaluators say alone."""
    keep_freed_memory()
    world = load_world(own, env, evaluator_folder, mode == "terms")
    search = SearchOptions.model_validate(world.parameters.reconstruction.search.model_dump() | changes)
    settings = settings_of(mode, search.objective)
    settings = {name: fields for name, fields in settings.items() if not only or name in only}
    panel = world.panel()
    measured: dict[str, list[dict[str, dict[str, Any]]]] = {name: [] for name in settings}
    for name, fields in settings.items():
        started = time.process_time()
        for seed in range(search.seed, search.seed + seeds):
            again = SearchOptions.model_validate(search.model_dump() | fields | {"seed": seed})
            measured[name].append(world.measure(again, panel))
        print(f"{name}: {time.process_time() - started:.0f} s of CPU", flush=True)
        for line in list(rows({name: measured[name]}))[1:]:
            print(line, flush=True)
    for line in rows(measured):
        print(line)
    for name, of_seeds in measured.items():
        for evaluator in panel.matchers:
            alone = [seed["optimized"]["evaluators"][evaluator] for seed in of_seeds]
            told = {key: float(np.mean([one[key] for one in alone])) for key in alone[0] if "ci_" not in key}
            print(f"{name}: {evaluator} alone " + ", ".join(f"{key} {value:.3f}" for key, value in told.items()))


if __name__ == "__main__":
    words = [argument for argument in sys.argv[1:] if "=" not in argument]
    asked = dict(argument.split("=", 1) for argument in sys.argv[1:] if "=" in argument)
    run(
        mode=next((word for word in words if word in ("terms", "optimizers")), "configured"),
        own="own" in words,
        seeds=int(asked.pop("seeds", 5)),
        only=[name for name in asked.pop("only", "").split(",") if name],
        env=asked.pop("env", "local"),
        evaluator_folder=Path(asked.pop("evaluators")) if "evaluators" in asked else None,
        changes={key.removeprefix("search."): yaml.safe_load(value) for key, value in asked.items()},
    )
