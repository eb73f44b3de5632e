"""Defence: the target → variants → views of every attacker; what follows are the nodes of the other pipelines."""

from typing import Any

import pandas as pd

from faceleak.compute import ComputeOptions
from faceleak.defenses.options import DefenseOptions
from faceleak.faces.splits import with_role
from faceleak.faces.store import FaceStore
from faceleak.membership.attackers import UNDEFENDED, UNDOING


def make_variants(target: Any, options: DefenseOptions) -> dict[str, Any]:
    """The target itself and every configured variant of it, by name."""
    from faceleak.defenses import registry

    defended = {
        variant.name: registry.get(variant.defense).defend(target, variant.strength, variant.seed)
        for variant in options.variants
    }
    return {UNDEFENDED: target, **defended}


def make_views(
    variants: dict[str, Any], store: FaceStore, splits: pd.DataFrame, options: DefenseOptions, compute: ComputeOptions
) -> dict[str, Any]:
    """Every variant as it is released and, where an adaptive attacker takes part, with its defence undone."""
    from faceleak.defenses.undoing.bn_reestimation import reestimate

    if "adaptive" not in options.attackers:
        return variants
    own_faces = with_role(splits, "auxiliary")["image_id"]
    own_faces = own_faces.sample(min(options.undoing_images, len(own_faces)), random_state=0)
    undone = {
        f"{name}+{UNDOING}": reestimate(backbone, store, own_faces, compute) for name, backbone in variants.items()
    }
    return {**variants, **undone}


def collect_points(
    utility: dict[str, dict[str, Any]], membership: dict[str, dict[str, Any]], options: DefenseOptions
) -> pd.DataFrame:
    """One row a variant and attacker: utility and attack AUC on unseen identities, with intervals."""
    from faceleak.reporting.privacy_utility import collect

    return collect(utility, membership, options.attackers)


def draw_privacy_utility(points: pd.DataFrame) -> Any:
    """Privacy against utility."""
    from faceleak.reporting.privacy_utility import privacy_utility_figure

    return privacy_utility_figure(points)
