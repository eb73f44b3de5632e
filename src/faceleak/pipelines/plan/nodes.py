"""Plan: which tasks of the configured audit are there, and what the others will take."""

from pathlib import Path
from tempfile import TemporaryDirectory

from faceleak.backbones.target_options import TargetOptions
from faceleak.common.trees import Tree
from faceleak.defenses.options import DefenseOptions
from faceleak.faces.options import FacesOptions
from faceleak.faces.store import FaceStore
from faceleak.membership.attackers import AttackerName
from faceleak.membership.options import MembershipOptions
from faceleak.metrics.options import BootstrapOptions
from faceleak.planning.options import PlanOptions
from faceleak.reconstruction.options import ReconstructionOptions
from faceleak.work.compute import ComputeOptions


def plan_audit(
    packed: Path,
    faces: FacesOptions,
    target: TargetOptions,
    membership: MembershipOptions,
    attackers: list[AttackerName],
    reconstruction: ReconstructionOptions,
    defense: DefenseOptions,
    bootstrap: BootstrapOptions,
    compute: ComputeOptions,
    plan: PlanOptions,
) -> Tree:
    """Ask the nodes of the audit, calibrate, add up. Trains nothing but for calibration.

    packed: where the store lies once it is there. Raises PlanError, SplitError.
    """
    from faceleak.auditing.faces import look_for_copies, split_faces
    from faceleak.pipelines.audit import create_parts
    from faceleak.pipelines.plan.walk import walk
    from faceleak.planning.networks import Network
    from faceleak.planning.plan import count_roles, make_plan
    from faceleak.planning.sample import Sample, StatedFaces, sample_faces
    from faceleak.planning.tasks import Audit, Tasks

    audit = Audit(faces, target, membership, attackers, reconstruction, defense, bootstrap, compute)
    found = None if plan.people is not None else _store_of(packed, faces, compute)
    with TemporaryDirectory() as folder:
        canvas = Network.of_target(target).card.preprocessing.canvas
        sample = Sample(*sample_faces(found, faces, canvas, Path(folder)), compute, membership.signals())
        store = found or StatedFaces.of(faces, plan, sample)
        manifest = store.manifest()
        splits = split_faces(manifest, faces)
        if found is not None and faces.duplicates == "drop":
            _, splits = look_for_copies(found, splits, faces)
        works = walk(create_parts(), Tasks(audit, store, splits))
        return {**make_plan(works, sample, plan), "counts": count_roles(manifest, splits)}


def _store_of(packed: Path, faces: FacesOptions, compute: ComputeOptions) -> FaceStore | None:
    """The store, if it is there and was made from what is configured."""
    from faceleak.auditing.faces import open_source
    from faceleak.faces.store import is_made_from

    if not packed.exists() or not is_made_from(packed, open_source(faces, compute).fingerprint()):
        return None
    return FaceStore(packed)
