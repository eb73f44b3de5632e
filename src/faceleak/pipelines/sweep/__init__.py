"""The `sweep` pipeline: leakage against the size of the training set, a fitted line and what it predicts.

The size is the number of people and of images a person.
"""

from dataclasses import asdict

import pandas as pd
from kedro.pipeline import Node, Pipeline

from faceleak.auditing.kinds import Figure
from faceleak.backbones.target_options import TargetOptions
from faceleak.common.errors import FaceleakError
from faceleak.common.trees import Tree
from faceleak.faces.options import FacesOptions
from faceleak.faces.splits import with_role
from faceleak.faces.store import FaceStore
from faceleak.membership.inputs import evaluated_images
from faceleak.membership.options import MembershipOptions, SweepOptions
from faceleak.metrics.options import BootstrapOptions
from faceleak.metrics.roc import non_members_needed
from faceleak.pipelines import faces
from faceleak.work.compute import ComputeOptions

FPR = 0.01


class SweepError(FaceleakError):
    """There is nothing to sweep over, or no target that could be trained."""


def measure_sweep(
    store: FaceStore,
    faces: FacesOptions,
    target: TargetOptions,
    options: MembershipOptions,
    bootstrap: BootstrapOptions,
    compute: ComputeOptions,
) -> pd.DataFrame:
    """Train and attack a target for each training set: people, images_per_person, auc, advantage, ci_low, ci_high.

    The advantage, with its bounds, is TPR − FPR at an FPR of 1 %, against people whom the target never saw. Raises
    SweepError where the target cannot be trained, the configuration has no sweep, or too few images of such people
    are there.
    """
    from faceleak.backbones.training import TrainingTask, train_backbones
    from faceleak.membership import sweep
    from faceleak.metrics.membership import measure_membership
    from faceleak.signals.reading import read_signals

    if target.train is None or target.source != "train":
        raise SweepError("The target was loaded; a sweep trains targets. Set target.source to `train`.")
    chosen = _sweep_of(options)
    attack = options.attacks[chosen.attack]
    manifest = store.manifest()
    splits = {cell: sweep.split_cell(manifest, cell, faces.splits) for cell in sweep.cells(chosen)}
    tasks = [
        TrainingTask(
            cell.name,
            store,
            with_role(images, "member"),
            sweep.training_of(cell, target.train, chosen.minimum_steps),
            compute,
            compute.cache / "backbones",
        )
        for cell, images in splits.items()
    ]
    fewest = min(int((evaluated_images(images)["role"] == "unseen_identity").sum()) for images in splits.values())
    if fewest < non_members_needed(FPR):
        raise SweepError(
            f"A sweep measures TPR at 1 % FPR, which {fewest} evaluated images of unseen people cannot show: at least "
            f"{non_members_needed(FPR):.0f} are needed. Raise the people or maximum_images of "
            "faces.splits.roles.unseen_identity."
        )
    rows = []
    for (cell, images), backbone in zip(splits.items(), train_backbones(tasks, compute), strict=True):
        signals = read_signals(sorted(attack.signals_read()), backbone, store, images, compute)
        scores = sweep.score_cell(signals, images, attack)
        metrics = measure_membership(scores, None, bootstrap)["unseen_identity"]
        tpr = {"advantage": "", "ci_low": "_ci_low", "ci_high": "_ci_high"}
        measured = {name: float(metrics[f"tpr_at_fpr_1pct{end}"] or 0.0) - FPR for name, end in tpr.items()}
        rows.append(asdict(cell) | {"auc": metrics["auc"]} | measured)
    return pd.DataFrame(rows)


def fit_line(table: pd.DataFrame, options: MembershipOptions, bootstrap: BootstrapOptions) -> tuple[Tree, Figure]:
    """Fit log(TPR − FPR) against the logs of both sizes; return line and prediction as plain data, and the figure."""
    from faceleak.metrics.scaling import fit_power_law
    from faceleak.reporting.scaling import scaling_figure

    size = _sweep_of(options).training_set
    leaking = table[table["advantage"] > 0]
    law = fit_power_law(leaking, bootstrap.level)
    prediction = law.predict(size.people, size.images_per_person)
    law_numbers = {name: value for name, value in asdict(law).items() if name != "inverse"}
    plain = {
        "law": law_numbers,
        "left_out": len(table) - len(leaking),
        "prediction": asdict(prediction) | size.model_dump(),
    }
    return plain, scaling_figure(leaking, law, size.people, size.images_per_person)


def _sweep_of(options: MembershipOptions) -> SweepOptions:
    if options.sweep is None:
        raise SweepError("membership.sweep is missing: it says which training sets to compare. See --env=sweep.")
    return options.sweep


def create_pipeline() -> Pipeline:
    """Faces, a target for each training set, the fitted line and its figure."""
    own = Pipeline(
        [
            Node(
                measure_sweep,
                [
                    "face_store",
                    "params:faces",
                    "params:target",
                    "params:membership",
                    "params:bootstrap",
                    "params:compute",
                ],
                "sweep_table",
                name="measure_sweep",
            ),
            Node(
                fit_line,
                ["sweep_table", "params:membership", "params:bootstrap"],
                ["sweep_line", "sweep_figure"],
                name="fit_line",
            ),
        ]
    )
    return faces.create_pipeline() + own
