"""An audit from Python: what it refuses before any work, what it returns, and that it is the pipelines' audit."""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
import yaml
from torch import nn

import faceleak
from faceleak.auditing.audit import _count_roles
from faceleak.auditing.given import Faces, GivenError, open_backbone, open_faces
from faceleak.auditing.membership import readable_attacks
from faceleak.auditing.settings import SettingsError, make_settings
from faceleak.faces.store import FaceStore
from faceleak.work.compute import single_threaded
from tests.auditing.conftest import SETTINGS, TINY, World
from tests.backbones.own_networks import Own
from tests.pipelines.conftest import copy_project, kedro

IMAGES = np.zeros((4, 32, 32, 3), np.uint8)
PEOPLE = ["a", "a", "b", "b"]
PROJECT = Path(__file__).parents[2]


def test_numbers_are_those_of_the_pipelines_to_the_bit(world: World, result: faceleak.Audit, tmp_path: Path) -> None:
    project = copy_project(tmp_path)
    roles = {"members": "member", "same_identity": "same_identity", "others": "unseen_identity"}
    sources = {
        name: {
            "source": "folder",
            "folder": {"path": str(path)},
            "role": roles.get(name, "non_member"),
            **({"people_of": "members"} if name == "same_identity" else {}),
        }
        for name, path in world.faces.items()
    }
    described = {name: str(value) if isinstance(value, Path) else value for name, value in world.weights.items()}
    load = {"weights": described.pop("path"), **described}
    parameters = {
        "faces": {"source": "several", "several": sources, "splits": result.settings["faces"]["splits"]},
        "target": {"source": "load", "load": load},
        "membership": SETTINGS["membership"],
        "bootstrap": SETTINGS["bootstrap"],
        "compute": {"device": "cpu", "workers": 1, "threads": 1},
    }
    conf = project / "conf" / "mine"
    conf.mkdir()
    (conf / "globals.yml").write_text("data: data/mine\n")
    (conf / "parameters.yml").write_text(yaml.safe_dump(parameters))
    run = kedro(project, "run", "--pipelines=faces,target,membership", "--env=mine")
    assert run.returncode == 0, run.stdout + run.stderr
    reports = project / "data" / "mine" / "08_reporting"
    expected = {
        **json.loads((reports / "utility_metrics.json").read_text())["undefended"],
        **json.loads((reports / "membership_metrics.json").read_text())["undefended"],
    }
    assert json.loads(json.dumps(result.metrics["undefended"])) == expected
    scores = pd.read_parquet(project / "data" / "mine" / "07_model_output" / "scores.parquet")
    pd.testing.assert_frame_equal(result.scores, scores, check_exact=True)


def test_people_play_the_parts_that_their_argument_says(result: faceleak.Audit) -> None:
    people = result.splits.groupby("role")["identity"].nunique().to_dict()
    assert people == {"member": 6, "same_identity": 6, "unseen_identity": 10, "auxiliary": 6, "public": 2}
    assert set(result.splits["decided_by"]) == {"user"}
    of_members = result.splits[result.splits["role"].isin(["member", "same_identity"])]
    assert of_members["identity"].str.startswith("members/").all()
    assert result.utility["drawn_members"] == 0


def test_faces_are_given_as_folders_arrays_or_a_store(world: World, tmp_path: Path) -> None:
    folder = open_faces({"members": world.faces["members"], "public": None})
    array = open_faces({"members": (IMAGES, PEOPLE), "public": None})
    store = open_faces({"members": world.store, "public": None})
    assert [len(folder), len(array), len(store)] == [6 * 3, 4, 24 * 6]
    assert {image.stated_role for image in array.read(0)} == {"member"}
    assert [image.identity for image in array.read(1)] == ["members/a", "members/b", "members/b"]
    assert len({image.image_id for image in array.read(0)}) == 4
    first = next(iter(store.read(3)))
    assert first.content == world.store.jpeg(3)
    assert array.fingerprint() != open_faces({"members": (IMAGES + 1, PEOPLE), "public": None}).fingerprint()


def test_arrays_reach_the_store_as_they_are(tmp_path: Path) -> None:
    from faceleak.faces.packing import Packing

    pixels = np.full((4, 32, 32, 3), (200, 40, 90), np.uint8)  # one color: JPEG keeps it
    Packing(open_faces({"members": Faces(pixels, PEOPLE), "public": None})).into(tmp_path / "faces.arrow")
    stored = FaceStore(tmp_path / "faces.arrow").images(np.arange(4), 32)
    assert np.abs(stored.astype(int) - pixels).max() <= 2


@pytest.mark.parametrize(
    ("images", "people", "message"),
    [
        (IMAGES.astype(np.float32), PEOPLE, r"an array of float32 \(4, 32, 32, 3\), but faceleak takes uint8"),
        (IMAGES[..., 0], PEOPLE, r"an array of uint8 \(4, 32, 32\)"),
        (IMAGES.transpose(0, 3, 1, 2), PEOPLE, r"\(4, 3, 32, 32\)"),
        (IMAGES, PEOPLE[:3], "There are 4 images and 3 entries that say who is on them"),
    ],
)
def test_arrays_that_do_not_fit_are_refused(images: np.ndarray, people: list[str], message: str) -> None:
    with pytest.raises(GivenError, match=message):
        faceleak.Faces(images, people)


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"members": "no/such/folder"}, "`members` is 'no/such/folder', and there is no such folder"),
        ({"members": None}, "`members` is None. Give images that the backbone was trained on: a folder"),
        ({"auxiliary": None}, "`auxiliary` is None. Give faces of yet other people, the attacker's own: a folder"),
        ({"members": __file__}, "which is a file. Give the folder that holds one folder a person, its pixels as"),
        ({"cache": f"{__file__}/cache"}, "test_audit.py/cache cannot be written to (Not a directory)"),
        ({"others": [1, 2]}, "`others` is of the type list. Give a folder with one folder a person, faceleak.Faces"),
        ({"backbone": 3}, "The backbone is of the type int. Give a torch.nn.Module"),
        ({"backbone": "no/such/folder"}, "There is no backbone at no/such/folder"),
        ({"preprocessing": "arcface"}, "`preprocessing` is for a torch.nn.Module"),
        ({"attacks": ["bn_distanze"]}, "There is no attack 'bn_distanze'. Did you mean 'bn_distance'"),
        ({"attacks": {"mine": {"signals": ["bn_distanze"]}}}, "membership.attacks.mine.signals.0: There is no signal"),
        ({"settings": {"reconstruction": {}}}, "There is no block of settings 'reconstruction'"),
        ({"settings": {"faces": {"source": "demo"}}}, "There is no key of the block faces 'source'"),
        ({"settings": {"membership": 3}}, "The settings of membership are 3, but a block holds keys"),
        ({"settings": {"membership": {"references": {"cuont": 2}}}}, "membership.references.cuont: unknown key"),
        ({"settings": {"bootstrap": {"resamples": -1}}}, "bootstrap.resamples: -1 is not allowed"),
        ({"device": "gpu"}, "compute.device: 'gpu' is not allowed"),
    ],
)
def test_what_cannot_be_audited_is_one_message_before_any_work(
    world: World, changed: dict[str, object], message: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    from faceleak.faces.packing import Packing

    monkeypatch.setattr(Packing, "into", lambda *_: pytest.fail("faces were packed"))
    with pytest.raises((GivenError, SettingsError, faceleak.FaceleakError)) as raised:
        faceleak.audit(**({"backbone": world.target, **world.faces} | changed))  # type: ignore[arg-type]
    assert message in str(raised.value)


def test_nobody_plays_two_parts_under_one_name(caplog: pytest.LogCaptureFixture) -> None:
    given = {"members": (IMAGES, PEOPLE), "others": (IMAGES, ["b", "b", "c", "7"]), "public": None}
    with pytest.raises(GivenError, match="`members` and `others` both have 1 person of the same name, such as 'b'"):
        open_faces(given)
    given = {"members": (IMAGES, [0, 0, 1, 1]), "others": (IMAGES, [1, 1, 2, 2]), "public": None}
    faces = open_faces(given)
    assert {image.identity for image in faces.read(0)} == {"members/0", "members/1", "others/1", "others/2"}
    assert "`members` and `others` both have people called 1: numbers count and do not name" in caplog.text


def test_too_few_images_of_the_attackers_are_told_with_the_remedy(world: World) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (6, 32, 32, 3), np.uint8)
    faces = world.faces | {"auxiliary": (noise, list("aabbcc"))}
    message = (
        r"`auxiliary` leaves a reference backbone 1 image of 1 person to train on, and it takes two people and one "
    )
    with pytest.raises(GivenError, match=message + r"batch of 8 images\. .* \{\"batch_size\": …\}"):
        faceleak.audit(world.target, **faces, settings=SETTINGS, device="cpu")


def test_attacks_by_name_without_bn_layers_go_without_what_reads_them(tmp_path: Path) -> None:
    target = open_backbone(nn.Sequential(nn.Conv2d(3, 4, 8, 8), nn.Flatten(), nn.Linear(64, 8)), {"image_size": 32})
    changes = {"membership": {"references": {"training": TINY}}}
    asked = ["bn_distance", "reference_similarity"]
    options = make_settings(target.card, changes, asked, tmp_path, "cpu", seed=0).membership
    options, told = readable_attacks(target, options, by_default=True)
    assert list(options.attacks) == ["reference_similarity"]
    assert told[0].startswith("The attack bn_distance is left out: ")


def test_a_script_that_workers_would_run_again_is_refused(world: World, tmp_path: Path) -> None:
    faces = {name: str(path) for name, path in world.faces.items()}
    script = tmp_path / "script.py"
    call = f"faceleak.audit({str(world.target)!r}, **{faces!r}, settings={{'compute': {{'workers': 2}}}}, device='cpu')"
    script.write_text(f"import faceleak\n{call}\n")
    environment = {**os.environ, "PYTHONPATH": str(PROJECT / "src"), "OMP_NUM_THREADS": "1"}
    run = subprocess.run([sys.executable, script], env=environment, capture_output=True, text=True, check=False)
    assert "SettingsError: compute.workers is 2, and each worker process would run" in run.stderr
    assert 'Put the call of faceleak.audit below `if __name__ == "__main__":`' in run.stderr


def manifest(**people: int) -> pd.DataFrame:
    """So many people of each part with two images, and one more person with a single image."""
    names = [f"{part}/{number}" for part, count in people.items() for number in range(count) for _ in range(2)]
    identities = [*names, "others/alone"]
    return pd.DataFrame({"identity": identities, "source": [name.partition("/")[0] for name in identities]})


@pytest.mark.parametrize(
    ("people", "has_public", "message"),
    [
        ({"members": 3, "others": 10, "auxiliary": 9}, False, "`members` has 3 people with 2 images or more"),
        ({"members": 4, "others": 9, "auxiliary": 9}, False, "`others` has 9 people"),
        ({"members": 4, "others": 10, "auxiliary": 2}, False, "`auxiliary` has 2 people .* takes 3 at least"),
        ({"members": 4, "others": 10, "auxiliary": 2}, True, "`public` has 0 people"),
    ],
)
def test_too_few_people_are_told(people: dict[str, int], has_public: bool, message: str) -> None:
    with pytest.raises(GivenError, match=message):
        _count_roles(manifest(**people), 2, has_public)


def test_public_faces_are_a_fifth_of_the_attackers_people_unless_they_are_given() -> None:
    people = {"members": 4, "others": 10, "auxiliary": 20}
    counted = _count_roles(manifest(**people), 2, has_public=False)
    assert {role: wanted["people"] for role, wanted in counted.items()} == {
        "member": "all",
        "unseen_identity": 10,
        "auxiliary": 16,
        "public": 4,
    }
    counted = _count_roles(manifest(**people, public=3), 2, has_public=True)
    assert [counted["auxiliary"]["people"], counted["public"]["people"]] == [20, 3]


def test_a_network_in_memory_is_audited_by_the_attacks_that_can_be_made_on_it(world: World, tmp_path: Path) -> None:
    faces = {name: path for name, path in world.faces.items() if name != "same_identity"}
    with single_threaded():
        torch.manual_seed(0)
        audit = faceleak.audit(
            Own(), preprocessing={"image_size": 32}, **faces, settings=SETTINGS, device="cpu", cache=tmp_path
        )
    assert audit.configuration.membership.threat_models == ["partial_knowledge"]
    assert audit.left_out[0].startswith(
        "The attack fused goes without bn_moments: a reference (iresnet_tiny) has other"
    )
    assert audit.verdict.code == "cannot conclude"
    assert set(audit.attacks["population"]) == {"unseen_identity", "identity"}
    assert audit.card["architecture"] == "tests.backbones.own_networks:Own"
    assert (tmp_path / "faces.arrow").is_file()
    assert "tests.backbones.own_networks:Own" in audit.to_html(tmp_path / "audit.html").read_text()
