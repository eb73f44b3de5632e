"""A backbone without batch normalization, of a class of the user's own, through the whole audit of membership."""

import shutil
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from .conftest import kedro
from .no_bn import Net

OWN = """
target:
  source: load
  load:
    factory: no_bn:Net
    weights: net.safetensors
    embedding_size: 32
    preprocessing: {image_size: 32}
"""
WITHOUT_BN = """
membership:
  attacks:
    bn_distance: null
    bn_moments: null
    fused: {signals: [reference_similarity, anchor_similarity, embedding_norm]}
    bavaria: {signals: [reference_similarity, anchor_similarity, embedding_norm]}
"""


@pytest.fixture
def own(project_with_faces: Path) -> Path:
    """The smoke environment, with a target that has no BN layer."""
    project = project_with_faces
    shutil.copytree(project / "conf" / "smoke", project / "conf" / "own")
    (project / "conf" / "own" / "parameters_target.yml").write_text(OWN)
    shutil.copy(Path(__file__).with_name("no_bn.py"), project / "src")
    torch.manual_seed(0)
    save_file(Net().state_dict(), project / "net.safetensors")
    return project


def run_own(project: Path, pipelines: str) -> tuple[int, str]:
    run = kedro(project, "run", "--env=own", f"--pipelines={pipelines}")
    return run.returncode, " ".join((run.stdout + run.stderr).split())


def test_attacks_that_need_bn_are_named_before_anything_is_trained(own: Path) -> None:
    for pipelines in ("faces,target,membership", "attack"):
        code, output = run_own(own, pipelines)
        assert code == 1, output
        assert (
            "4 of 5 attacks read signals that the target cannot give: bn_distance (bn_distance), bn_moments" in output
        )
        assert "`membership: {attacks: {bn_distance: null, bn_moments: null, fused: null, bavaria: null}}`" in output
        assert not (own / "data/smoke/06_models").exists()
        assert not (own / "data/smoke/cache/backbones").exists()


@pytest.mark.slow
def test_a_backbone_without_bn_is_audited_by_its_embeddings(own: Path) -> None:
    (own / "conf/own/parameters.yml").write_text((own / "conf/smoke/parameters.yml").read_text() + WITHOUT_BN)
    for pipelines in ("faces,target,membership", "report"):
        code, output = run_own(own, pipelines)
        assert code == 0, output
    reports = own / "data/smoke/08_reporting"
    assert "reference_similarity_partial_knowledge" in (reports / "membership_metrics.json").read_text()
    assert (reports / "bn_distances.png").stat().st_size < 20_000  # one line of text
    assert (reports / "audit.html").exists()
