"""A study: trials that are kept as soon as they end, by one process or several, and gone on with after a kill."""

from collections.abc import Iterator
from contextlib import nullcontext
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pandas as pd

from faceleak.compute import ComputeOptions, run_pieces
from faceleak.membership import calibration, models
from faceleak.named import files_of
from faceleak.pieces import code_version, fingerprint
from faceleak.progress import track
from faceleak.tuning.objective import Objective, OwnData
from faceleak.tuning.options import TuningOptions
from faceleak.tuning.space import parameters_of
from faceleak.tuning.storage import open_storage, study_file, url_of, working_alone

if TYPE_CHECKING:
    from optuna.study import Study
    from optuna.trial import FrozenTrial

    from faceleak.membership.options import AttackOptions

CODE = (
    *(f"faceleak.membership.{module}" for module in ("attacks", "evidence", "strongest")),
    *(f"faceleak.membership.models.{module}" for module in files_of(models, ())),
    *(f"faceleak.membership.calibration.{module}" for module in files_of(calibration, ())),
    *(f"faceleak.tuning.{module}" for module in ("objective", "sampling", "space", "study")),
)
LIBRARIES = ("numpy", "optuna", "scikit-learn", "scipy", "torch")
WITHOUT_EFFECT = {"trials", "storage"}  # on which trials there are


@dataclass(frozen=True, eq=False)
class Share:
    """What one worker needs to take part in a study; `first` are the parameters of the first trial."""

    objective: Objective
    first: dict[str, Any]
    options: TuningOptions
    name: str
    url: str


def run_study(
    data: OwnData, default: "AttackOptions", options: TuningOptions, compute: ComputeOptions
) -> "list[FrozenTrial]":
    """Run what is missing of the study's trials, and return the first `options.trials` that ended, in their order.

    The study's name says all that it depends on, so that a study of the same name is gone on with, and one that is
    finished is only read. With one worker and a file of its own, which trials there are does not depend on kills.
    Raises AttackFitError, StorageError, BusyStudyError, WorkerError.
    """
    name = name_of(data, default, options)
    url = url_of(options, name, compute.cache)
    share = Share(Objective(data, options.space), parameters_of(default, options.space), options, name, url)
    own = options.storage is None
    with working_alone(study_file(compute.cache, name)) if own else nullcontext():
        study = open_study(share)
        if own:
            _fail_interrupted(study)
        missing = options.trials - len(ended(study))
        shares = [share] * min(options.workers, max(missing, 1))
        run_pieces(_take_part, shares, compute.model_copy(update={"workers": options.workers}))
        return ended(study)[: options.trials]


def name_of(data: OwnData, default: "AttackOptions", options: TuningOptions) -> str:
    """Name the study by the hash of all that decides which trials there are."""
    from importlib.metadata import version

    tables = [table for part in data.evidence for table in (part.images, part.own, *part.references)]
    strangers = [pd.DataFrame(part.stranger) for part in data.evidence]
    chosen = options.model_dump(mode="json", exclude=WITHOUT_EFFECT)
    versions = [version(library) for library in LIBRARIES]
    return fingerprint(chosen, default, *tables, *strangers, code_version(*CODE), versions)


def open_study(share: Share) -> "Study":
    """Open the study, which is made if it is not there. Raises StorageError."""
    import optuna

    from faceleak.tuning.sampling import RepeatableSampler

    optuna.logging.set_verbosity(optuna.logging.ERROR)
    return optuna.create_study(
        study_name=share.name,
        storage=open_storage(share.url),
        direction="maximize",
        load_if_exists=True,
        sampler=RepeatableSampler(share.options.seed, share.first),
        pruner=optuna.pruners.MedianPruner() if share.options.pruning else optuna.pruners.NopPruner(),
    )


def ended(study: "Study") -> "list[FrozenTrial]":
    """Trials that were judged, to the end or until they were pruned."""
    from optuna.trial import TrialState

    return study.get_trials(deepcopy=False, states=(TrialState.COMPLETE, TrialState.PRUNED))


def _take_part(share: Share) -> None:
    """Try one attack after the other until the study has its trials."""
    study = open_study(share)
    missing = -(-(share.options.trials - len(ended(study))) // share.options.workers)
    for _ in track(_while_trials_are_missing(study, share.options.trials), "Tuning", missing, "trials"):
        study.optimize(share.objective, n_trials=1)


def _while_trials_are_missing(study: "Study", trials: int) -> Iterator[None]:
    while len(ended(study)) < trials:
        yield


def _fail_interrupted(study: "Study") -> None:
    """Call trials failed that a killed run has left: nobody else works on this study now."""
    from optuna.trial import TrialState

    for trial in study.get_trials(deepcopy=False, states=(TrialState.RUNNING,)):
        study.tell(trial.number, state=TrialState.FAIL)
