from pathlib import Path

import pytest
from PIL import Image

from faceleak.faces.options import FacesOptions
from faceleak.faces.packing import Packing
from faceleak.faces.sources.opening import open_images
from faceleak.faces.sources.source import SourceError
from faceleak.faces.splits import split_as_stated
from faceleak.faces.store import FaceStore

ROLES = {"member": {"people": "all"}, "unseen_identity": {"people": 2}, "public": {"people": "all"}}


def people(folder: Path, names: str, images: int = 2) -> dict:
    for name in names:
        (folder / name).mkdir(parents=True)
        for number in range(images):
            Image.new("RGB", (20, 20), (hash((folder.name, name, number)) % 256, number, 9)).save(
                folder / name / f"{number}.png"
            )
    return {"source": "folder", "folder": {"path": folder}}


@pytest.fixture
def options(tmp_path) -> dict:
    """Members a to c with held-out images of a and b, and non-members of the same names from two sources."""
    return {
        "source": "several",
        "several": {
            "trained": {"role": "member", **people(tmp_path / "trained", "abc")},
            "held_out": {"role": "same_identity", "people_of": "trained", **people(tmp_path / "held_out", "ab", 1)},
            "non_members": {"role": "non_member", **people(tmp_path / "non_members", "abcd")},
            "one": {"role": "public", **people(tmp_path / "one", "z")},
        },
        "splits": {"roles": ROLES},
    }


def manifest_of(options: dict, path: Path):
    Packing(open_images(FacesOptions.model_validate(options))).into(path)
    return FaceStore(path).manifest()


def test_sources_are_told_apart_and_names_do_not_collide(options, tmp_path):
    manifest = manifest_of(options, tmp_path / "faces.arrow")
    assert manifest["source"].value_counts().to_dict() == {"trained": 6, "held_out": 2, "non_members": 8, "one": 2}
    assert manifest["image_id"].is_unique
    assert set(manifest.loc[manifest["source"] == "held_out", "identity"]) == {"trained/a", "trained/b"}
    assert manifest["identity"].nunique() == 8


def test_the_users_roles_are_kept_and_non_members_fill_the_others(options, tmp_path):
    manifest = manifest_of(options, tmp_path / "faces.arrow")
    splits = split_as_stated(manifest, FacesOptions.model_validate(options).splits)
    by_source = splits.merge(manifest[["image_id", "source"]]).groupby("source")["role"].unique().apply(set).to_dict()
    assert by_source == {
        "trained": {"member"},
        "held_out": {"same_identity"},
        "non_members": {"unseen_identity", "public"},
        "one": {"public"},
    }
    assert splits.groupby("role")["identity"].nunique()["unseen_identity"] == 2
    assert (splits["decided_by"] == "user").all()
    assert splits.groupby("identity")["known"].nunique().max() == 1
    assert len(splits) == len(manifest)


def test_reading_goes_on_in_a_later_source(options):
    source = open_images(FacesOptions.model_validate(options))
    everything = list(source.read(0))
    for start in (0, 5, 6, 9, len(source)):
        assert list(source.read(start)) == everything[start:]


def test_another_role_is_another_fingerprint(options):
    first = open_images(FacesOptions.model_validate(options)).fingerprint()
    options["several"]["one"]["role"] = "auxiliary"
    assert open_images(FacesOptions.model_validate(options)).fingerprint() != first


def test_a_missing_part_is_named(options, tmp_path):
    options["several"]["one"]["folder"]["path"] = tmp_path / "nowhere"
    with pytest.raises(SourceError, match="nowhere"):
        len(open_images(FacesOptions.model_validate(options)))


@pytest.mark.parametrize(
    ("part", "change", "reason"),
    [
        ("one", {"role": None}, "one: no role"),
        ("one", {"role": "non-member"}, "non_member"),
        ("held_out", {"people_of": "nobody"}, "none of the sources"),
        ("held_out", {"people_of": None}, "several.held_out: its people are members.*Name the source .* in people_of"),
        ("held_out", {"people_of": "non_members"}, "no source with the role member has them"),
        ("one", {"source": "recordio"}, "no block `recordio`"),
        ("one", {"source": "several"}, "lfw_download"),
        ("one", {"pth": 1}, "pth"),
    ],
)
def test_parts_that_make_no_sense_are_refused(part, change, reason, options):
    options["several"][part] |= change
    with pytest.raises(ValueError, match=reason):
        FacesOptions.model_validate(options)
