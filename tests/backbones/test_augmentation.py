import subprocess
import sys

import numpy as np
import pytest
import torch

from faceleak.backbones.augmentation import augment, mirrored, strongly_changed
from faceleak.backbones.training_options import TrainingOptions


def options(**changes) -> TrainingOptions:
    return TrainingOptions(architecture="iresnet_tiny", epochs=1, **changes)


def random(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


def faces_of(number: int, size: int = 32) -> torch.Tensor:
    coarse = torch.rand(number, 3, 6, 6, generator=torch.Generator().manual_seed(0))
    return torch.nn.functional.interpolate(coarse, (size, size), mode="bicubic").clamp(0, 1)


def test_half_of_the_faces_are_mirrored_and_the_others_are_as_they_were():
    faces = faces_of(400, 8)
    changed = mirrored(faces, random())
    as_before, turned = ((changed == other).flatten(1).all(1) for other in (faces, faces.flip(3)))
    assert (as_before ^ turned).all()
    assert 160 < int(turned.sum()) < 240  # 200 ± 10


@pytest.mark.parametrize("size", [16, 32, 112])
def test_strong_changes_keep_shape_and_range_and_change_every_face_by_itself(size):
    faces = faces_of(1, size).expand(24, -1, -1, -1)
    changed = strongly_changed(faces, random())
    assert changed.shape == faces.shape
    assert 0 <= float(changed.min()) <= float(changed.max()) <= 1
    assert len(torch.unique(changed.flatten(1), dim=0)) == 24
    assert not (changed == faces).flatten(1).all(1).any()


def test_strong_changes_are_of_every_kind():
    plain = torch.full((200, 3, 32, 32), 0.5)
    changed = strongly_changed(plain, random())
    black = (changed == 0).all(1).flatten(1).float().mean(1)
    assert 60 < int((black > 0).sum()) < 140  # half of them have a part erased
    assert float(black.max()) < 0.25
    brightness = changed.flatten(1).max(1).values
    assert float(brightness.std()) > 0.05
    ramp = torch.linspace(0, 1, 32).expand(200, 3, 32, 32)
    assert float(strongly_changed(ramp, random())[:, :, 8:24, 16].std()) > 0.03  # cropped here and there


def test_people_stay_recognizable():
    faces = faces_of(40)
    changed = strongly_changed(faces, random())
    similarity = torch.corrcoef(torch.cat([faces, changed]).flatten(1))[:40, 40:]
    assert float((similarity.argmax(0) == torch.arange(40)).float().mean()) > 0.8  # 0.025 by chance


def test_the_generator_alone_decides():
    faces, before = faces_of(8), torch.get_rng_state()
    first = augment(faces, options(augmentation="strong"), random(3))
    torch.manual_seed(11)
    assert torch.equal(augment(faces, options(augmentation="strong"), random(3)), first)
    assert not torch.equal(augment(faces, options(augmentation="strong"), random(4)), first)
    torch.set_rng_state(before)
    augment(faces, options(augmentation="strong"), random(3))
    assert torch.equal(torch.get_rng_state(), before)


def test_two_batches_of_an_epoch_are_changed_each_in_its_own_way():
    faces, generator = faces_of(8), random()
    first, second = (strongly_changed(faces, generator) for _ in range(2))
    assert not torch.equal(first, second)


def test_the_faces_handed_in_stay_and_without_augmentation_nothing_is_done():
    faces = faces_of(8)
    before = faces.clone()
    augment(faces, options(augmentation="strong"), random())
    assert torch.equal(faces, before)
    assert augment(faces, options(horizontal_flip=False), random()) is faces
    assert torch.equal(augment(faces, options(), random()), mirrored(faces, random()))


def test_kornia_is_imported_only_where_it_is_used():
    program = (
        "import sys, torch, numpy as np; from faceleak.backbones import augmentation, training;"
        "from faceleak.backbones.training_options import TrainingOptions as T;"
        "augmentation.augment(torch.rand(2, 3, 8, 8), T(architecture='iresnet18', epochs=1), np.random.default_rng(0));"
        "sys.exit('kornia' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0
