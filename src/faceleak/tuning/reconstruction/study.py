"""The study of stage 2: searches on the attacker's own target.

What is weighed is how many members of that target a search finds, and how many steps it takes.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from statistics import NormalDist
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from faceleak.backbones.backbone import Backbone
from faceleak.backbones.embedding import embed_pixels
from faceleak.faces.splits import COLUMNS, EVALUATED_ROLES, with_role
from faceleak.membership.inputs import check_disjoint
from faceleak.metrics.identity_match import measure_match
from faceleak.metrics.matcher import Matcher
from faceleak.metrics.options import BootstrapOptions
from faceleak.reconstruction.objectives import registry as objectives
from faceleak.reconstruction.objectives.objective import Objective
from faceleak.reconstruction.options import SearchOptions
from faceleak.reconstruction.priors import load_prior
from faceleak.reconstruction.priors.options import PriorOptions
from faceleak.reconstruction.scorer import Scorer
from faceleak.reconstruction.search import reconstruct
from faceleak.reconstruction.tasks import ReconstructionTask
from faceleak.tuning.reconstruction.options import ReconstructionTuningOptions, SearchSpace
from faceleak.tuning.reconstruction.space import parameters_of, suggest_search
from faceleak.tuning.study import WITHOUT_EFFECT, Plan, run_plan, versions
from faceleak.work.compute import ComputeOptions, pick_device, training_dtype
from faceleak.work.tasks import code_version, fingerprint

if TYPE_CHECKING:
    from optuna import Trial
    from optuna.trial import FrozenTrial

ADVANTAGE, ERROR, STEPS, DISTINCT = "own_advantage", "own_advantage_error", "steps_per_face", "distinct_members"
KNOWN_SHARE = 0.5


@dataclass(frozen=True, eq=False)
class OwnTarget:
    """A target whose members the attacker knows: what guides a search, and who judges what it finds.

    evaluators, matchers: by the same names; all have to agree.
    """

    scorer: Scorer
    evaluators: Mapping[str, Backbone]
    matchers: Mapping[str, Matcher]
    bootstrap: BootstrapOptions
    compute: ComputeOptions

    def measure(self, search: SearchOptions, prior: PriorOptions) -> dict[str, float]:
        """Run the search, and measure what it finds as `measure_match` does. Raises MetricError, PriorError."""
        device = pick_device(self.compute)
        objective = Objective(self.scorer.to(device), search.objective)
        found = reconstruct(load_prior(prior, device), objective, search, device, training_dtype(self.compute, device))[
            "optimized"
        ]
        embeddings = [embed_pixels(backbone, found.pixels, self.compute) for backbone in self.evaluators.values()]
        return measure_match(embeddings, [self.matchers[name] for name in self.evaluators], self.bootstrap)


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


def try_searches(
    target: OwnTarget,
    people: pd.DataFrame,
    search: SearchOptions,
    prior: PriorOptions,
    options: ReconstructionTuningOptions,
) -> "list[FrozenTrial]":
    """Try searches on `target`, the configured one first; see `run_plan`.

    people: splits as `own_people` makes them, which say who is judged.
    """
    small = options.of_trial(search)
    plan = Plan(
        name=name_of(target, people, small, prior, options),
        objective=SearchObjective(target, options.space, small, prior),
        first=parameters_of(small, prior, options.space),
        options=options,
        directions=("maximize", "minimize"),
    )
    return run_plan(plan, target.compute)


def name_of(
    target: OwnTarget,
    people: pd.DataFrame,
    search: SearchOptions,
    prior: PriorOptions,
    options: ReconstructionTuningOptions,
) -> str:
    """Name the study by the hash of all that decides which trials there are."""
    guided = ReconstructionTask(target.scorer, prior, search, target.compute).path.name
    evaluators = {name: backbone.network_hash() for name, backbone in target.evaluators.items()}
    thresholds = {name: matcher.threshold for name, matcher in target.matchers.items()}
    chosen = options.model_dump(mode="json", exclude=WITHOUT_EFFECT | {"standard_errors"})
    parts = (guided, evaluators, thresholds, chosen, target.bootstrap, people)
    terms = map(objectives.module, options.space.objective)
    return fingerprint(*parts, code_version(__name__, *terms), versions())


def own_people(splits: pd.DataFrame, reference_splits: pd.DataFrame, reference: str) -> pd.DataFrame:
    """Splits in which `reference` is the target: image_id, identity, sha256, role, known.

    Its members, other images of theirs, as many images of the other auxiliary people, who are the controls, and the
    `public` people. Half of each kind is `known`, as an attacker with partial knowledge knows them. Nobody of those by
    whom the audited target is judged is among them. Raises IdentityOverlapError.
    """
    images = reference_splits[reference_splits["reference"] == reference]
    check_disjoint(images["identity"], with_role(splits, *EVALUATED_ROLES)["identity"])
    members = set(images.loc[images["is_member"], "identity"])
    most = images[images["role"] == "same_identity"].groupby("identity").size().max()
    place = images.groupby(["identity", "role"]).cumcount()
    kept = images[(images["role"] != "unseen_identity") | (place < most)]
    random = np.random.default_rng(0)
    groups = [sorted(members), sorted(set(images["identity"]) - members)]
    known = [person for group in groups for person in random.permutation(group)[: round(KNOWN_SHARE * len(group))]]
    own = kept.assign(known=kept["identity"].isin(known))
    columns = [column for column in COLUMNS if column in own]
    return pd.concat([own[columns], with_role(splits, "public")[columns]], ignore_index=True)
