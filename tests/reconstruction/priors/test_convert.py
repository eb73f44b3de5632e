import hashlib
from pathlib import Path

import pytest
import torch
from safetensors import safe_open

from faceleak.reconstruction.priors.convert import convert, main
from faceleak.reconstruction.priors.prior import PriorError
from faceleak.reconstruction.priors.stylegan2_file import load_stylegan2

from .conftest import rosinality_state


@pytest.fixture
def both(official_content, pickled, official_state, tmp_path: Path) -> tuple[Path, Path]:
    other = tmp_path / "same.pt"
    mean = official_state["mapping.w_avg"]
    torch.save({"g_ema": rosinality_state(official_state), "latent_avg": mean}, other)
    return pickled(official_content()), other


def test_both_formats_end_in_the_same_generator(both, tmp_path: Path) -> None:
    w = torch.randn(2, 6, 9, generator=torch.Generator().manual_seed(0))
    drawn = []
    for number, source in enumerate(both):
        target = tmp_path / f"{number}.safetensors"
        shape = convert(source, target)
        with safe_open(target, "pt") as file:
            metadata = file.metadata()
        assert metadata["source_sha256"] == hashlib.sha256(source.read_bytes()).hexdigest()
        assert metadata["source_format"] == ("stylegan2-ada-pytorch", "rosinality")[number]
        assert metadata["shape"] == shape.model_dump_json()
        assert (shape.resolution, shape.z_size, shape.w_size, shape.channels) == (16, 7, 9, (12, 10, 8))
        drawn.append(load_stylegan2(target).draw(w))
    assert torch.allclose(*drawn, atol=1e-5)


def test_the_command_line_says_what_it_wrote(both, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    target = tmp_path / "out.safetensors"
    assert main([str(both[0]), str(target)]) == 0
    said = capsys.readouterr().out
    assert "16 pixels" in said
    assert hashlib.sha256(target.read_bytes()).hexdigest() in said


@pytest.mark.parametrize(
    ("source", "target", "said"),
    [
        ("a.zip", "b.safetensors", "no known kind"),
        ("a.pkl", "b.pt", "safetensors"),
        ("a.pkl", "b.safetensors", "a.pkl"),
    ],
)
def test_the_command_line_ends_with_one_clear_error(
    source: str, target: str, said: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([str(tmp_path / source), str(tmp_path / target)]) == 1
    error = capsys.readouterr().err
    assert said in error
    assert "Traceback" not in error
    assert not (tmp_path / target).exists()


def test_values_that_are_not_finite_are_refused(official_content, pickled, tmp_path: Path) -> None:
    content = official_content()
    content["G_ema"].synthesis.b8.conv0.bias.data[0] = torch.nan
    with pytest.raises(PriorError, match=r"not finite in convolutions\.1\.bias"):
        convert(pickled(content), tmp_path / "out.safetensors")
    assert not (tmp_path / "out.safetensors").exists()
