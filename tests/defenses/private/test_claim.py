from faceleak.defenses.private.claim import describe
from faceleak.defenses.private.settings import PrivateSettings


def test_the_claim_says_for_whom_it_holds_and_for_whom_not():
    people = describe(PrivateSettings(unit="identity", secret_seed=True), 8.0, 1e-3, 0.25, 1.1)
    images = describe(PrivateSettings(unit="image"), 8.0, 1e-3, 0.25, 1.1)
    assert "all images of one person" in people["covers"]
    assert "one image," in images["covers"]
    assert "e^8 " in people["covers"]
    assert "0.001" in people["covers"]
    assert not any("group privacy" in gap or "seed" in gap for gap in people["does_not_cover"])
    assert any("group privacy" in gap for gap in images["does_not_cover"])
    assert any("seed" in gap for gap in images["does_not_cover"])
    assert (images["seed"], people["seed"]) == ("known", "secret")
