"""Bad input ends the command with one message, exit code 1 and no stack trace. All kinds: `test_bad_inputs.py`."""

from pathlib import Path

import numpy as np
import torch
from PIL import Image

from .conftest import kedro


def fill_folder(folder: Path, people: int, images: int = 2) -> None:
    random = np.random.default_rng(0)
    for person in range(people):
        (folder / f"person_{person}").mkdir(parents=True)
        for image in range(images):
            pixels = random.integers(0, 255, (48, 48, 3), dtype=np.uint8)
            Image.fromarray(pixels).save(folder / f"person_{person}" / f"{image}.jpg")


def truncated_jpeg(folder: Path) -> None:
    path = folder / "person_0" / "0.jpg"
    path.write_bytes(path.read_bytes()[:300])


def test_bad_faces(project: Path) -> None:
    earlier = project / "data/smoke/02_intermediate/faces.arrow"
    earlier.parent.mkdir(parents=True)
    earlier.write_bytes(b"an earlier store")
    faces = project / "people"
    fill_folder(faces, people=3)
    truncated_jpeg(faces)
    run = kedro(
        project, "run", "--env=smoke", "--pipelines=faces", "--params=faces.source=folder,faces.folder.path=people"
    )
    assert_clear_end(run.returncode, run.stdout + run.stderr, ["person_0/0.jpg", "damaged"])
    assert earlier.read_bytes() == b"an earlier store"


def test_bad_parameters_stop_the_run_before_any_work(project: Path) -> None:
    run = kedro(project, "run", "--env=smoke", "--pipelines=faces", "--params=target.train.epoch=3")
    assert_clear_end(run.returncode, run.stdout + run.stderr, ["target.train.epoch", "unknown key", "3"])
    assert not (project / "data").exists()


def test_weights_of_another_shape(audited: Path) -> None:
    weights = audited / "weights.pt"
    torch.save({"conv1.weight": torch.zeros(3, 3, 3, 3), "extra": torch.zeros(1)}, weights)
    target = audited / "data/smoke/06_models/target/backbone.safetensors"
    before = target.read_bytes()
    parameters = "target.source=load,target.load.architecture=iresnet_tiny,target.load.embedding_size=32"
    run = kedro(
        audited, "run", "--env=smoke", "--pipelines=target", f"--params={parameters},target.load.weights=weights.pt"
    )
    expected = ["do not fit the architecture iresnet_tiny", "missing", "unexpected (extra)", "of another shape (conv1"]
    assert_clear_end(run.returncode, run.stdout + run.stderr, expected)
    assert target.read_bytes() == before


def assert_clear_end(returncode: int, output: str, expected: list[str]) -> None:
    assert returncode == 1, output
    assert "Traceback" not in output
    assert output.count("Error:") == 1, output
    flat = " ".join(output.split())
    for words in expected:
        assert words in flat, output
