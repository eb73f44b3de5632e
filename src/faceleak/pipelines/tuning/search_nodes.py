"""Tuning of stage 2: target and evaluators of the attacker's own, a study on them, the chosen search on the target."""

import pandas as pd

from faceleak.auditing.kinds import Attacks, Backbone, Figure
from faceleak.common.trees import Metrics, Tree
from faceleak.faces.store import FaceStore
from faceleak.membership.attackers import TARGET_VIEW, UNDEFENDED, View
from faceleak.membership.options import MembershipOptions
from faceleak.membership.stacking import parts
from faceleak.metrics.options import BootstrapOptions
from faceleak.pipelines.reconstruction.nodes import calibrating, train_evaluators
from faceleak.reconstruction.arrays import Array, ComparedArray
from faceleak.reconstruction.options import ReconstructionOptions
from faceleak.tuning.reconstruction.options import ReconstructionTuningOptions
from faceleak.work.compute import ComputeOptions

DEFAULT, TUNED = "default", "tuned"


def gather_own_people(
    splits: pd.DataFrame,
    reference_splits: pd.DataFrame,
    reconstruction: ReconstructionOptions,
    tuning: ReconstructionTuningOptions,
) -> pd.DataFrame:
    """Let the first reference be the target: who is its member, its control, and known.

    Raises OutsideSpaceError, ShadowSearchError.
    """
    from faceleak.tuning.reconstruction.space import check_search
    from faceleak.tuning.reconstruction.study import own_people

    check_search(reconstruction, tuning)
    return own_people(splits, reference_splits, str(reference_splits["reference"].iloc[0]))


def train_own_evaluators(
    store: FaceStore, own_splits: pd.DataFrame, reconstruction: ReconstructionOptions, compute: ComputeOptions
) -> dict[str, Backbone]:
    """Train the independent evaluators anew, on the attacker's own people; loaded ones are the same."""
    matchers = {name: reconstruction.evaluators[name] for name in reconstruction.independent}
    return train_evaluators(store, own_splits, reconstruction.model_copy(update={"evaluators": matchers}), compute)


def run_study(
    references: dict[str, Backbone],
    store: FaceStore,
    reference_splits: pd.DataFrame,
    own_splits: pd.DataFrame,
    own_evaluators: dict[str, Backbone],
    own_people_embeddings: pd.DataFrame,
    membership: MembershipOptions,
    reconstruction: ReconstructionOptions,
    tuning: ReconstructionTuningOptions,
    bootstrap: BootstrapOptions,
    compute: ComputeOptions,
) -> tuple[pd.DataFrame, dict[str, float], Tree, Figure]:
    """Try searches on the attacker's own target: the trials, what mattered, the chosen one as `--config` takes it."""
    from faceleak.membership.inputs import known_images
    from faceleak.metrics.matcher import make_matcher
    from faceleak.reconstruction.scorer import fit_scorer
    from faceleak.reporting.tuning import front_figure
    from faceleak.tuning.reconstruction.results import CHOSEN, importances, trials_table
    from faceleak.tuning.reconstruction.space import block_of, search_of
    from faceleak.tuning.reconstruction.study import OwnTarget, try_searches

    own = str(reference_splits["reference"].iloc[0])
    others = {name: reference for name, reference in references.items() if name != own}
    attack = membership.attacks[reconstruction.search.attack]
    known = known_images(own_splits)
    compared, optimizer = calibrating(others, attack), reconstruction.search.optimizer
    scorer = fit_scorer(references[own], compared, store, known, attack, compute, optimizer)
    people = parts(own_people_embeddings, "evaluator")
    matchers = {name: make_matcher(table, reconstruction.far) for name, table in people.items()}
    target = OwnTarget(scorer, own_evaluators, matchers, bootstrap, compute)
    search, prior = reconstruction.search, reconstruction.prior
    trials = try_searches(target, own_splits, search, prior, tuning)
    table, shares = trials_table(trials, tuning.standard_errors), importances(trials, tuning.seed)
    chosen = trials[int(table.index[table[CHOSEN]][0])]
    block = block_of(*search_of(chosen.params, tuning.space, search, prior), tuning.space)
    return table, shares, {"run": {"params": {"reconstruction": block}}}, front_figure(table, shares)


def reconstruct_by_both(
    views: dict[View, Backbone],
    references: dict[str, Backbone],
    attack_models: Attacks,
    tuned_search: Tree,
    membership: MembershipOptions,
    reconstruction: ReconstructionOptions,
    compute: ComputeOptions,
) -> dict[ComparedArray, Array]:
    """Reconstruct faces from the audited target by the default and by the tuned search."""
    from faceleak.membership.options import ModelKey
    from faceleak.reconstruction.optimizers import registry as optimizers
    from faceleak.reconstruction.scorer import make_scorer
    from faceleak.reconstruction.tasks import ReconstructionTask, reconstruct_task
    from faceleak.tuning.reconstruction.space import with_block
    from faceleak.work.compute import run_tasks

    search, prior = reconstruction.search, reconstruction.prior
    compared = tuple(calibrating(references, membership.attacks[search.attack]))
    attack = attack_models[UNDEFENDED][ModelKey(search.attack, search.threat_model)]
    scorer = make_scorer(views[TARGET_VIEW], attack, compared, optimizers.get(search.optimizer).TAKES_GRADIENTS)
    tuned, its_prior = with_block(tuned_search["run"]["params"]["reconstruction"], search, prior)
    tasks = {
        DEFAULT: ReconstructionTask(scorer, prior, search, compute),
        TUNED: ReconstructionTask(scorer, its_prior, tuned, compute),
    }
    run_tasks(reconstruct_task, [task for task in tasks.values() if not task.path.exists()], compute)
    return {
        ComparedArray(name, step, part): array
        for name, task in tasks.items()
        for step, arrays in reconstruct_task(task).items()
        for part, array in arrays.items()
    }


def compare_with_default(
    reconstructions: dict[ComparedArray, Array],
    trials: pd.DataFrame,
    evaluators: dict[str, Backbone],
    people: pd.DataFrame,
    reconstruction: ReconstructionOptions,
    bootstrap: BootstrapOptions,
    compute: ComputeOptions,
) -> tuple[Metrics, Figure]:
    """Matcher both on the audited target: variant → tuning_reconstruction → search → metrics, and the figure."""
    from faceleak.backbones.embedding import embed_pixels
    from faceleak.metrics.matcher import make_matcher
    from faceleak.reporting.tuning import fresh_figure
    from faceleak.tuning.reconstruction.results import CHOSEN, Contender, compare

    names = reconstruction.independent
    tables = parts(people, "evaluator")

    def contender(name: str, trial: pd.Series) -> Contender:
        pixels = reconstructions[ComparedArray(name, "optimized", "pixels")]
        embeddings = [embed_pixels(evaluators[matcher], pixels, compute) for matcher in names]
        return Contender(float(trial["own_advantage"]), float(trial["steps_per_face"]), embeddings)

    measured = compare(
        contender(DEFAULT, trials.iloc[0]),
        contender(TUNED, trials[trials[CHOSEN]].iloc[0]),
        [make_matcher(tables[name], reconstruction.far) for name in names],
        bootstrap,
    )
    return {UNDEFENDED: {"tuning_reconstruction": measured}}, fresh_figure(measured)
