"""`kedro faceleak new`: looks, writes an environment that passes the check of a run, and overwrites nothing."""

import re
import shutil
import signal
from copy import deepcopy
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml
from click.testing import CliRunner, Result
from kedro.config import OmegaConfigLoader
from kedro.framework.cli.utils import _split_params
from safetensors.torch import save_file

from faceleak.cli import cli
from faceleak.faces.alignment import ARCFACE
from faceleak.faces.images import encode_jpeg
from faceleak.faces.sources.landmarks import COLUMNS
from faceleak.runs.configuration import check_parameters
from faceleak.settings import CONFIG_LOADER_ARGS
from faceleak.setup.environment import check
from faceleak.setup.new import SMALLER
from tests.pipelines.conftest import copy_project, kedro

from .conftest import write_people
from .own_network import Net

ASKED = {"--faces": "people", "--weights": "last.pth", "--trial-seconds": "0"}


def new(name: str = "mine", **changes: str | None) -> Result:
    asked = ASKED | {f"--{option.replace('_', '-')}": value for option, value in changes.items()}
    words = [word for option, value in asked.items() if value is not None for word in (option, value)]
    return CliRunner().invoke(cli, ["faceleak", "new", name, *words])


def written(place: Path, block: str, name: str = "mine") -> dict:
    return yaml.safe_load((place / "conf" / name / f"parameters_{block}.yml").read_text())[block]


@pytest.fixture
def all_there(place: Path, faces: Path, weights: Path) -> Path:
    """A project's folder with people/ and last.pth."""
    return place


def test_an_environment_is_written_that_a_run_accepts(all_there: Path) -> None:
    done = new()
    assert done.exit_code == 0, done.output
    check(all_there / "conf" / "mine")
    assert (all_there / "conf/mine/globals.yml").read_text().endswith("data: data/mine\n")
    load = written(all_there, "target")["load"]
    assert (load["architecture"], load["embedding_size"]) == ("iresnet_tiny", 16)
    assert load["preprocessing"]["image_size"] == 32
    assert len(load["sha256"]) == 64
    roles = written(all_there, "faces")["splits"]["roles"]
    assert {role: wanted["people"] for role, wanted in roles.items()} == {
        "member": 8,
        "unseen_identity": 10,
        "auxiliary": 17,
        "public": 5,
    }
    assert written(all_there, "reconstruction") == {"prior": {"principal_components": {"count": 4}}}
    told = " ".join(done.output.split())
    assert "people is a folder with one folder a person: 40 people, 160 images (median 4 a person" in told
    assert "names and shapes fit it, and no other ('module.' before" in told
    assert "['head'] is a classification head of 7 classes, which is left out" in told
    assert "Members nobody said who was trained on, so members are drawn" in told
    assert "kedro run --pipelines=faces,target --env=mine" in told
    for file in (all_there / "conf" / "mine").iterdir():
        assert "#" in file.read_text()


def test_nothing_is_overwritten(all_there: Path) -> None:
    assert new().exit_code == 0
    before = {file: file.read_bytes() for file in (all_there / "conf/mine").iterdir()}
    again = new(architecture="iresnet_tiny")
    assert again.exit_code == 1
    assert "conf/mine is there already, and nothing is overwritten" in again.output
    assert {file: file.read_bytes() for file in (all_there / "conf/mine").iterdir()} == before


def test_how_it_is_fed_is_tried_on_pairs(all_there: Path) -> None:
    done = new(trial_seconds="0.001")  # however fast the machine is, the fewest people
    assert done.exit_code == 0, done.output
    told = " ".join(done.output.split())
    assert "Feeding verification AUC 0." in told
    assert "on 24 people, 96 images; next: " in told
    assert "Cost stage 1 (faces, target, membership) will take roughly " in told
    assert "of disk. Most of it, " in told
    text = (all_there / "conf/mine/parameters_target.yml").read_text()
    assert "NOT SURE" in text or "verify worse" in text


def test_others_make_members_of_all_faces(all_there: Path) -> None:
    write_people(all_there / "non_members", 30, start=100)
    done = new(others="non_members")
    assert done.exit_code == 0, done.output
    block = written(all_there, "faces")
    assert block["source"] == "several"
    roles = {name: part["role"] for name, part in block["several"].items()}
    assert roles == {"trained": "member", "others": "non_member"}
    assert block["splits"]["roles"]["member"] == {"people": "all", "minimum_images": 2}
    assert "as stated" in done.output
    assert "an attack finds what tells these sources apart" in " ".join(done.output.split())
    assert "`blind_partial_knowledge`" in done.output


def test_numbers_of_people_are_taken_for_others_and_told(all_there: Path) -> None:
    write_people(all_there / "numbered", 8)
    write_people(all_there / "others", 30, start=100)
    for folder, name in (("numbered", "person_000"), ("others", "person_100")):
        (all_there / folder / name).rename(all_there / folder / "17")
    done = new(faces="numbered", others="others")
    assert done.exit_code == 0, done.output
    told = " ".join(done.output.split())
    assert "--faces and --others both have people called 17: numbers count and do not name" in told


def test_faces_as_for_sphereface_are_padded(all_there: Path) -> None:
    for image in (all_there / "people/person_000").iterdir():
        image.write_bytes(encode_jpeg(np.zeros((28, 24, 3), np.uint8)))
    done = new()
    told = " ".join(done.output.split())
    assert "Faces of 24×28 pixels are not of the aspect 32×32: they are aligned as for SphereFace. `fit: pad`" in told
    assert written(all_there, "target")["load"]["preprocessing"]["fit"] == "pad"
    assert "of 2 sizes among the 96 that were looked at: 32×32 and 24×28 pixels" in told


def test_names_with_umlauts_and_blanks(all_there: Path) -> None:
    (all_there / "people").rename(all_there / "meine Gesichter")
    (all_there / "meine Gesichter/person_000").rename(all_there / "meine Gesichter/Jörg Müller: ja")
    done = new(faces="meine Gesichter")
    assert done.exit_code == 0, done.output
    assert written(all_there, "faces")["folder"] == {"path": "meine Gesichter"}


def test_an_audit_is_made_smaller_as_is_told(all_there: Path) -> None:
    done = new()
    assert SMALLER in done.output
    assert "Cost not measured, as --trial-seconds is 0" in " ".join(done.output.split())
    smaller = _split_params(None, None, SMALLER.removeprefix("--params="))
    loader = OmegaConfigLoader(str(all_there / "conf"), env="mine", runtime_params=smaller, **CONFIG_LOADER_ARGS)
    references = check_parameters(dict(loader["parameters"])).membership.references
    assert (references.count, references.training.epochs) == (2, 2)


def test_what_cannot_be_written_or_is_stopped_leaves_nothing(all_there: Path, monkeypatch) -> None:
    (all_there / "conf/mine.partial").write_text("")
    before = sorted((all_there / "conf").iterdir())
    done = new()
    assert "conf/mine cannot be made (conf/mine.partial: File exists). See that conf can be written to" in done.output
    monkeypatch.setattr("faceleak.runs.terminal.show", lambda line: signal.raise_signal(signal.SIGINT))
    assert new("other").output.splitlines()[-1] == "Error: Stopped. Nothing was written."
    assert sorted((all_there / "conf").iterdir()) == before


def test_faces_of_another_aspect_are_told(all_there: Path) -> None:
    (all_there / "people/person_000/0.jpg").write_bytes(encode_jpeg(np.zeros((32, 24, 3), np.uint8)))
    done = new()
    assert "Faces of 24×32 pixels are not of the aspect 32×32: they are stretched." in " ".join(done.output.split())
    assert "NOT SURE: faces of 24×32 pixels" in (all_there / "conf/mine/parameters_target.yml").read_text()


def test_a_list_of_members_goes_into_the_configuration(all_there: Path) -> None:
    (all_there / "members.txt").write_text("".join(f"person_{number:03d}\n" for number in range(12)))
    done = new(members="members.txt")
    assert done.exit_code == 0, done.output
    block = written(all_there, "faces")
    assert block["members"] == "members.txt"
    assert block["splits"]["roles"]["member"]["people"] == "all"


def test_a_class_of_ones_own_without_bn_leaves_out_what_reads_bn(all_there: Path, monkeypatch) -> None:
    monkeypatch.syspath_prepend(str(Path(__file__).parent))
    save_file(Net(12).state_dict(), all_there / "net.safetensors")
    asked = {
        "weights": "net.safetensors",
        "factory": "own_network:Net",
        "arguments": '{"size": 12}',
        "image_size": "32",
    }
    done = new(**asked)
    assert done.exit_code == 0, done.output
    load = written(all_there, "target")["load"]
    assert (load["factory"], load["arguments"], load["embedding_size"]) == ("own_network:Net", {"size": 12}, 12)
    assert written(all_there, "membership")["attacks"]["bn_moments"] is None
    assert written(all_there, "reconstruction")["search"]["attack"] == "embedding_norm"


def wrong_weights(place: Path) -> None:
    torch.save({f"blocks.{n}.qkv.weight": torch.zeros(3, 4) for n in range(20)}, place / "vit.pth")
    weights = torch.load(place / "last.pth", weights_only=True)["state_dict"]
    next(iter(weights.values()))[0] = torch.nan
    torch.save(weights, place / "nan.pth")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"name": "base"}, "'base' cannot be the name of an environment"),
        ({"name": "../x"}, "cannot be the name of an environment"),
        ({"weights": None}, "Give the file of the backbone's weights: --weights PATH (or --factory"),
        ({"weights": "none.pth"}, "There is no weights file none.pth. Correct --weights."),
        ({"weights": "lost.pth"}, "there is no 'lost.pth', but: last.pth, "),
        ({"weights": "pepole/x/last.pth"}, "there is no 'pepole', but: people, "),
        (
            {"weights": "people"},
            "There is no weights file people. Correct --weights. It is a folder. In it: person_000,",
        ),
        (
            {"weights": "vit.pth"},
            "vit.pth holds 20 tensors of 0.0 million numbers, no BN layer with statistics; the first is "
            "blocks.0.qkv.weight (3, 4), the last blocks.19.qkv.weight (3, 4). No architecture that faceleak knows "
            "fits, and none is near. Bring the class",
        ),
        ({"architecture": "iresnet18"}, "last.pth are no weights of iresnet18, whatever the embedding and image size."),
        ({"architecture": "iresnet_tini"}, "Did you mean 'iresnet_tiny'?"),
        ({"architecture": "a.b:C"}, "a.b:C is a class: give it as --factory."),
        ({"factory": "no_such_module:Net"}, "no_such_module"),
        ({"image_size": "64"}, "do not fit faces of 64×64 pixels, but 32×32"),
        ({"image_size": "big"}, "give pixels, 112 or HEIGHTxWIDTH"),
        ({"arguments": "{"}, "give an object of JSON"),
        ({"faces": "nowhere"}, "There are no faces at nowhere. Correct --faces."),
        ({"others": "nowhere"}, "There are no faces at nowhere. Correct --others."),
        ({"members": "none.txt"}, "There is no file none.txt. Correct --members."),
        ({"weights": "nan.pth"}, "nan.pth: NaN or infinite numbers are in 1 tensor (conv1.weight)."),
        ({"faces": "loose"}, "loose holds images of 0 people"),
        ({"others": "people"}, "--faces and --others both have 40 people of the same name, such as 'person_000'"),
        ({"members": "few.txt", "others": "people"}, "Give --members (who of the faces was trained on) or --others"),
        ({"members": "few.txt"}, "1 of 1 line is neither a person nor an image of the faces ('nobody')"),
        ({"landmarks": "none.csv"}, "There is no file none.csv. Correct --landmarks."),
        ({"pairs": "few.txt"}, "few.txt does not begin with the number of folds"),
    ],
)
def test_what_is_wrong_is_one_message_and_nothing_is_written(changes: dict, message: str, all_there: Path) -> None:
    wrong_weights(all_there)
    (all_there / "loose").mkdir()
    (all_there / "loose" / "0.jpg").write_bytes((all_there / "people/person_000/0.jpg").read_bytes())
    (all_there / "few.txt").write_text("nobody\n")
    before = sorted((all_there / "conf").iterdir())
    done = new(**changes)
    assert done.exit_code in (1, 2), done.output
    assert message in " ".join(done.output.replace("\n", " ").split()), done.output
    assert done.output.count("Error:") == 1
    assert isinstance(done.exception, SystemExit)
    assert sorted((all_there / "conf").iterdir()) == before


def test_several_architectures_that_fit_are_asked_about(all_there: Path, monkeypatch) -> None:
    from faceleak.backbones import architectures, recognition

    twins = {"iresnet_tiny": architectures.ARCHITECTURES["iresnet_tiny"]}
    twins["iresnet_twin"] = twins["iresnet_tiny"]
    monkeypatch.setattr(architectures, "ARCHITECTURES", twins)
    monkeypatch.setattr(recognition, "ARCHITECTURES", twins)
    done = new()
    assert done.exit_code == 1
    assert "those of 2 architectures: iresnet_tiny, iresnet_twin. Say which one it is: --architecture" in done.output


def test_outside_a_project_it_says_where_to_go(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    done = new()
    assert "run the command in the folder of a faceleak project" in done.output


@pytest.mark.slow
def test_what_is_written_runs(tmp_path: Path, faces: Path, weights: Path) -> None:
    project = copy_project(tmp_path)
    shutil.move(faces, project / "people")
    shutil.move(weights, project / "last.pth")
    write_people(project / "others", 30, start=100)
    asked = ["--faces=people", "--others=others", "--weights=last.pth", "--trial-seconds=1"]
    done = kedro(project, "faceleak", "new", "mine", *asked)
    assert done.returncode == 0, done.stdout + done.stderr
    run = kedro(project, "run", "--pipelines=faces,target", "--env=mine")
    assert run.returncode == 0, run.stdout + run.stderr
    assert (project / "data/mine/08_reporting/preprocessing_check.csv").exists()
    assert re.search(r"Faces and backbone are (NOT )?as they should be: ?", run.stdout)


def test_an_onnx_file_says_itself_what_it_takes_and_gives(all_there: Path, tiny_backbone) -> None:
    kept = {"training": torch.onnx.TrainingMode.PRESERVE, "do_constant_folding": False, "dynamo": False}
    torch.onnx.export(deepcopy(tiny_backbone.net), (torch.rand(1, 3, 32, 32),), "net.onnx", **kept)
    done = new(weights="net.onnx")
    assert done.exit_code == 0, done.output
    load = written(all_there, "target")["load"]
    assert (load["embedding_size"], load["preprocessing"]["image_size"]) == (16, 32)
    assert "architecture" not in load
    assert "leave --architecture and --factory out" in new("other", weights="net.onnx", architecture="iresnet18").output
    assert "takes faces of 32×32 pixels, and no others" in new("other", weights="net.onnx", image_size="64").output


def test_photographs_are_aligned_by_landmarks(all_there: Path) -> None:
    points = ",".join(str(number / 3.5) for point in ARCFACE for number in point)
    rows = [f"{image.parent.name}/{image.name},{points}" for image in sorted((all_there / "people").rglob("*.jpg"))]
    (all_there / "marks.csv").write_text("\n".join([",".join(["image_id", *COLUMNS]), *rows]))
    done = new(landmarks="marks.csv", trial_seconds="0.001")  # however fast the machine is, the fewest people
    assert done.exit_code == 0, done.output
    assert written(all_there, "faces")["landmarks"] == "marks.csv"
    assert "Feeding verification AUC" in " ".join(done.output.split())
