"""Something to try things on: fictitious people, and a small target that learnt half of them by heart in seconds."""

from pathlib import Path

import pandas as pd

import faceleak
from faceleak.backbones.training import TrainingTask, train_backbones
from faceleak.backbones.training_options import TrainingOptions
from faceleak.defenses.owner import Owner
from faceleak.faces.demo import DemoFaces
from faceleak.faces.options import DemoOptions, RoleOptions, SplitOptions
from faceleak.faces.splits import split, with_role
from faceleak.faces.store import FaceStore, pack
from faceleak.membership import fitting, scoring
from faceleak.membership.options import AttackOptions
from faceleak.work.compute import ComputeOptions

PEOPLE = {"member": 24, "unseen_identity": 24, "auxiliary": 16, "public": 12}
ARGUMENTS = {  # of faceleak.audit, and whose images they hold
    "members": "member",
    "same_identity": "same_identity",
    "others": "unseen_identity",
    "auxiliary": "auxiliary",
    "public": "public",
}
SIDE = 64  # pixels of an image
NOTHING = pd.DataFrame(columns=["reference", "image_id"])


def make_faces(folder: Path) -> tuple[FaceStore, pd.DataFrame, ComputeOptions]:
    """Draw 76 people with 8 images each and give them roles."""
    compute = ComputeOptions(device="cpu", precision="float32", workers=1, cache=folder / "cache")
    pack(DemoFaces(DemoOptions(people=sum(PEOPLE.values()), images_per_person=8), compute), folder / "faces.arrow")
    store = FaceStore(folder / "faces.arrow")
    roles = {role: RoleOptions(people=people) for role, people in PEOPLE.items()}
    return store, split(store.manifest(), SplitOptions(roles=roles)), compute


def as_given(store: FaceStore, splits: pd.DataFrame) -> dict[str, faceleak.Faces]:
    """Return the faces as `faceleak.audit` takes them: as arrays, with who is on each."""
    rows = {argument: with_role(splits, role) for argument, role in ARGUMENTS.items()}
    return {
        argument: faceleak.Faces(store.images(store.positions(images["image_id"]), SIDE), list(images["identity"]))
        for argument, images in rows.items()
    }


def train_target(store: FaceStore, splits: pd.DataFrame, compute: ComputeOptions, epochs: int = 30) -> Owner:
    """Train a target on the members. The owner holds it as `backbone`, beside the faces and how it was trained."""
    columns = ["image_id", "identity", "sha256"]
    options = TrainingOptions(
        architecture="iresnet_tiny",
        image_size=32,
        embedding_size=32,
        epochs=epochs,
        batch_size=16,
        learning_rate=0.05,
        margin=0.3,
        scale=16,
    )
    members = with_role(splits, "member")[columns]
    task = TrainingTask("the target", store, members, options, compute, compute.cache / "backbones")
    public = with_role(splits, "public")[columns]
    return Owner(train_backbones([task], compute)[0], task, store, public, compute)


def attack(signals: pd.DataFrame, splits: pd.DataFrame, attacks: dict[str, AttackOptions]) -> pd.DataFrame:
    """Fit attacks on what an attacker with partial knowledge has, and score the images that nobody told it about."""
    fitted = fitting.fit_attacks(signals, NOTHING, NOTHING, splits, attacks, ["partial_knowledge"])
    return scoring.score_images(signals, NOTHING, fitted, splits, ["static", "refitted", "adaptive"])
