"""Plan: which pieces of the configured audit are there, and what the others will take."""

from pathlib import Path
from typing import Any

from faceleak.backbones.target_options import TargetOptions
from faceleak.compute import ComputeOptions
from faceleak.defenses.options import DefenseOptions
from faceleak.faces.options import FacesOptions
from faceleak.membership.options import MembershipOptions
from faceleak.metrics.options import BootstrapOptions
from faceleak.planning.options import PlanOptions
from faceleak.reconstruction.options import ReconstructionOptions


def plan_audit(
    packed: Path,
    faces: FacesOptions,
    target: TargetOptions,
    membership: MembershipOptions,
    reconstruction: ReconstructionOptions,
    defense: DefenseOptions,
    bootstrap: BootstrapOptions,
    compute: ComputeOptions,
    plan: PlanOptions,
) -> dict[str, Any]:
    """Count, calibrate, add up. `packed`: where the store lies once it is there. Trains nothing but for calibration."""
    from faceleak.pipelines.faces.nodes import list_faces, open_source, split_faces
    from faceleak.pipelines.plan.there import find_pieces
    from faceleak.planning.configured import Audit
    from faceleak.planning.counts import Count, count_configured, count_splits
    from faceleak.planning.plan import make_plan

    def audit(counts: Any) -> Audit:
        return Audit(faces, target, membership, reconstruction, defense, bootstrap, compute, counts)

    if plan.people is not None or (store := _store_of(packed, open_source, faces, compute)) is None:
        return make_plan(audit(count_configured(faces, plan)), plan, None, {})
    manifest = list_faces(store)
    splits = split_faces(manifest, faces)
    size = Count(int(manifest["identity"].nunique()), len(manifest))
    planned = audit(count_splits(splits, size, faces.splits.known_share))
    return make_plan(planned, plan, store, find_pieces(planned, store, splits))


def _store_of(packed: Path, open_source: Any, faces: FacesOptions, compute: ComputeOptions) -> Any:
    """The store, if it is there and was made from what is configured."""
    from faceleak.faces.store import FaceStore, is_made_from

    if not packed.exists() or not is_made_from(packed, open_source(faces, compute).fingerprint()):
        return None
    return FaceStore(packed)
