import pytest

from faceleak.faces.options import FacesOptions
from faceleak.planning.counts import Count, count_configured, count_splits
from faceleak.planning.errors import PlanError
from faceleak.planning.options import PlanOptions

ROLES = {
    "member": {"people": 5},
    "unseen_identity": {"people": 4, "maximum_images": 3},
    "auxiliary": {"people": "all"},
}


def faces(**changed) -> FacesOptions:
    demo = {"people": 12, "images_per_person": 6}
    return FacesOptions(**{"source": "demo", "demo": demo, "splits": {"roles": ROLES}} | changed)


def test_the_configuration_counts_what_splitting_draws(demo_store):
    from faceleak.faces.splits import split

    options, manifest = faces(), demo_store.manifest()
    drawn = count_splits(split(manifest, options.splits), Count(12, len(manifest)), options.splits.known_share)
    assert count_configured(options, PlanOptions()) == drawn
    assert drawn.roles["member"] == Count(5, 15)
    assert drawn.evaluated == 5 * 6 + 4 * 3


def test_a_source_that_is_not_packed_has_to_be_stated():
    unpacked = faces(source="recordio", recordio={"path": "train.rec"})
    with pytest.raises(PlanError, match=r"plan\.people and plan\.images"):
        count_configured(unpacked, PlanOptions())
    counted = count_configured(unpacked, PlanOptions(people=100, images=6800))
    assert counted.roles["member"] == Count(5, 170)
    assert counted.roles["auxiliary"] == Count(91, 91 * 68)


def test_more_people_than_there_are_cannot_be_planned():
    with pytest.raises(PlanError, match="ask for 9 people, and the source has 8"):
        count_configured(faces(demo={"people": 8, "images_per_person": 6}), PlanOptions())
