"""A study: trials by one process or several, each saved when it ends, and continued after a kill."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import nullcontext
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, Literal

from faceleak.tuning.options import StudyOptions
from faceleak.tuning.storage import open_storage, study_file, url_of, working_alone
from faceleak.work.compute import ComputeOptions, run_tasks
from faceleak.work.progress import track

if TYPE_CHECKING:
    from optuna.study import Study
    from optuna.trial import FrozenTrial

LIBRARIES = ("numpy", "optuna", "scikit-learn", "scipy", "torch")
WITHOUT_EFFECT = {"trials", "storage"}  # on which trials there are


@dataclass(frozen=True, eq=False)
class Plan:
    """What one worker needs to take part in a study.

    name: says all that the study depends on. objective: a trial → its value, or one for each of `directions`. first:
    the parameters of the first trial. pruning: whether a trial ends early that reports less than the median of others.
    """

    name: str
    objective: Callable[[Any], Any]
    first: Mapping[str, Any]
    options: StudyOptions
    directions: tuple[Literal["maximize", "minimize"], ...] = ("maximize",)
    pruning: bool = False


def versions() -> list[str]:
    """Versions of the libraries on which a trial's value depends."""
    from importlib.metadata import version

    return [version(library) for library in LIBRARIES]


def run_plan(plan: Plan, compute: ComputeOptions) -> "list[FrozenTrial]":
    """Run what is missing of the study's trials, and return the first `options.trials` that ended, in their order.

    A study of the same name is gone on with, and one that is finished is only read. With one worker and a file of its
    own, which trials there are does not depend on kills. Raises StorageError, BusyStudyError, WorkerError and whatever
    the objective raises.
    """
    options = plan.options
    url = url_of(options, plan.name, compute.cache)
    own = options.storage is None
    with working_alone(study_file(compute.cache, plan.name)) if own else nullcontext():
        study = open_study(plan, url)
        if own:
            _fail_interrupted(study)
        missing = options.trials - len(ended(study))
        plans = [plan] * min(options.workers, max(missing, 1))
        run_tasks(partial(_take_part, url=url), plans, compute.model_copy(update={"workers": options.workers}))
        return ended(study)[: options.trials]


def open_study(plan: Plan, url: str) -> "Study":
    """Open the study, which is made if it is not there. Raises StorageError."""
    import optuna

    from faceleak.tuning.sampling import RepeatableSampler

    optuna.logging.set_verbosity(optuna.logging.ERROR)
    return optuna.create_study(
        study_name=plan.name,
        storage=open_storage(url),
        directions=list(plan.directions),
        load_if_exists=True,
        sampler=RepeatableSampler(plan.options.seed, plan.first),
        pruner=optuna.pruners.MedianPruner() if plan.pruning else optuna.pruners.NopPruner(),
    )


def ended(study: "Study") -> "list[FrozenTrial]":
    """Trials that were judged, to the end or until they were pruned."""
    from optuna.trial import TrialState

    return study.get_trials(deepcopy=False, states=(TrialState.COMPLETE, TrialState.PRUNED))


def _take_part(plan: Plan, url: str) -> None:
    """Run one trial after the other until the study has all."""
    study = open_study(plan, url)
    options = plan.options
    missing = -(-(options.trials - len(ended(study))) // options.workers)
    for _ in track(_while_trials_are_missing(study, options.trials), "Tuning", missing, "trials"):
        study.optimize(plan.objective, n_trials=1)


def _while_trials_are_missing(study: "Study", trials: int) -> Iterator[None]:
    while len(ended(study)) < trials:
        yield


def _fail_interrupted(study: "Study") -> None:
    """Mark trials that a killed process left running as failed (safe: this process holds the lock)."""
    from optuna.trial import TrialState

    for trial in study.get_trials(deepcopy=False, states=(TrialState.RUNNING,)):
        study.tell(trial.number, state=TrialState.FAIL)
