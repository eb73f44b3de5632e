from faceleak.defenses.bn_reestimation import Settings, defend
from faceleak.defenses.owner import OwnFaces
from faceleak.defenses.undoing.bn_reestimation import undo


def test_public_faces_are_what_the_undoing_would_take(owner):
    expected = undo(owner.backbone, OwnFaces(owner.store, owner.public, owner.compute))
    assert defend(owner, Settings(), 0).weights_hash() == expected.weights_hash()
