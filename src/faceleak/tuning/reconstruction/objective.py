"""What is weighed: how many members of the attacker's own target a search finds, and how many steps it takes."""

from collections.abc import Mapping
from dataclasses import dataclass
from statistics import NormalDist
from typing import TYPE_CHECKING, Any

from faceleak.backbones.backbone import Backbone
from faceleak.backbones.embedding import embed_pixels
from faceleak.metrics.identity_match import measure_match
from faceleak.metrics.judge import Judge
from faceleak.metrics.options import BootstrapOptions
from faceleak.reconstruction.guide import Guide
from faceleak.reconstruction.objectives import registry as objectives
from faceleak.reconstruction.objectives.objective import Objective
from faceleak.reconstruction.options import SearchOptions
from faceleak.reconstruction.priors import load_prior
from faceleak.reconstruction.priors.options import PriorOptions
from faceleak.reconstruction.search import reconstruct
from faceleak.tuning.reconstruction.options import SearchSpace
from faceleak.tuning.reconstruction.space import suggest_search
from faceleak.work.compute import ComputeOptions, pick_device, training_dtype

if TYPE_CHECKING:
    from optuna import Trial

ADVANTAGE, ERROR, STEPS, DISTINCT = "own_advantage", "own_advantage_error", "steps_per_face", "distinct_members"


@dataclass(frozen=True, eq=False)
class OwnTarget:
    """A target whose members the attacker knows: what guides a search, and who judges what it finds.

    evaluators, judges: by the same names; all have to agree.
    """

    guide: Guide
    evaluators: Mapping[str, Backbone]
    judges: Mapping[str, Judge]
    bootstrap: BootstrapOptions
    compute: ComputeOptions

    def measure(self, search: SearchOptions, prior: PriorOptions) -> dict[str, float]:
        """Run the search, and measure what it finds as `measure_match` does. Raises MetricError, PriorError."""
        device = pick_device(self.compute)
        objective = Objective(self.guide.to(device), search.objective)
        found = reconstruct(load_prior(prior, device), objective, search, device, training_dtype(self.compute, device))[
            "optimized"
        ]
        embeddings = [embed_pixels(backbone, found.pixels, self.compute) for backbone in self.evaluators.values()]
        return measure_match(embeddings, [self.judges[name] for name in self.evaluators], self.bootstrap)


@dataclass(frozen=True, eq=False)
class SearchObjective:
    """One trial: choose a search of the space and run it on the attacker's own target."""

    target: OwnTarget
    space: SearchSpace
    search: SearchOptions
    prior: PriorOptions

    def __call__(self, trial: "Trial") -> tuple[float, float]:
        """Match advantage in −1…1, higher is better, and `steps_per_face`, lower is better."""
        search, prior = suggest_search(trial, self.space, self.search, self.prior)
        measured = self.target.measure(search, prior)
        trial.set_user_attr(ERROR, standard_error(measured, "match_advantage", self.target.bootstrap.level))
        trial.set_user_attr(DISTINCT, measured[DISTINCT])
        return measured["match_advantage"], steps_per_face(search)


def standard_error(metrics: Mapping[str, Any], metric: str, level: float) -> float:
    """Of a metric, from its interval at this confidence level: half its width over the normal quantile."""
    width = float(metrics[f"{metric}_ci_high"] - metrics[f"{metric}_ci_low"])
    return width / 2 / NormalDist().inv_cdf((1 + level) / 2)


def steps_per_face(search: SearchOptions) -> float:
    """Steps of all latents in all rounds, for each face that is returned: what the search costs.

    A term such as `consistency` looks at two images a step, so its steps count twice.
    """
    latents = [search.starts, *(min(search.starts, kept) for kept in search.kept[:-1])]
    return objectives.images(search.objective) * search.steps * sum(latents) / search.selected
