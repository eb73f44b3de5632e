import sys
from copy import deepcopy
from pathlib import Path

import numpy as np
import pytest
import torch
from torch.nn.modules.batchnorm import _BatchNorm

from faceleak.backbones.architectures import build
from faceleak.backbones.backbone import Backbone
from faceleak.backbones.training_options import TrainingOptions
from faceleak.defenses.private import network, training
from faceleak.defenses.private.accounting import noise_multiplier
from faceleak.defenses.private.errors import BufferMovedError, PrivateTrainingError, SamplingError
from faceleak.defenses.private.network import arcface_losses
from faceleak.defenses.private.sampling import PoissonSampler, make_units
from faceleak.defenses.private.settings import PrivateSettings
from faceleak.defenses.private.training import PrivateRun
from faceleak.work import checkpointed

LOSS = TrainingOptions(architecture="iresnet_tiny", image_size=32, embedding_size=16, epochs=1, scale=16)
KINDS = ["scale_and_bias", "last_layer", "scale_and_bias_and_last_layer", "all"]


def length(gradients) -> float:
    return float(torch.cat([gradient.double().flatten() for gradient in gradients]).norm())


def plain_gradient(run, rows) -> list[torch.Tensor]:
    """Gradient of the mean loss over these images, by autograd through a copy without any hook."""
    net = network.with_frozen_norms(run.start.net).eval()
    copies = dict(net.named_parameters())
    names = [name for name, parameter in run.net.named_parameters() if parameter.requires_grad]
    head = deepcopy(run.parameters[-1].detach()).requires_grad_()
    pixels = run.store.images(run.units.positions[rows], run.start.canvas)
    inputs = run.start.preprocess(training.to_tensor(pixels, run.device))
    normalize = torch.nn.functional.normalize
    cosines = normalize(net(inputs)) @ normalize(head).T
    loss = arcface_losses(cosines, run.units.classes[rows], run.loss.margin, run.loss.scale).mean()
    return list(torch.autograd.grad(loss, [*(copies[name] for name in names), head]))


@pytest.mark.parametrize("unit", ["image", "identity"])
@pytest.mark.parametrize("kind", KINDS)
def test_a_step_sums_the_clipped_gradients_of_whole_units(make_run, unit, kind):
    bound = 2.0
    run = make_run(unit=unit, trainable=kind, clipping_norm=bound)
    chosen = [run.units.members[number] for number in (0, 3, 4)]
    expected = [torch.zeros_like(parameter) for parameter in run.parameters]
    lengths = []
    for rows in chosen:
        gradient = plain_gradient(run, rows)
        lengths.append(length(gradient))
        factor = min(1, bound / lengths[-1])
        expected = [so_far + factor * part for so_far, part in zip(expected, gradient, strict=True)]
    assert max(lengths) > bound
    torch.testing.assert_close(run._sum_over_units(chosen), expected, rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("unit", ["image", "identity"])
@pytest.mark.parametrize("number", [1, 3])
def test_one_unit_changes_the_sum_by_at_most_the_clipping_norm(make_run, unit, number, monkeypatch):
    monkeypatch.setattr(
        training,
        "views",
        lambda faces, n, random: (
            torch.cat([faces, faces.flip(3), 0.5 * faces])[torch.arange(n * len(faces)).view(n, -1).T.flatten()]
            if n > 1
            else faces
        ),
    )  # the same for each image
    run = make_run(unit=unit, views=number, clipping_norm=0.3)
    chosen = [run.units.members[unit] for unit in range(4)]
    everyone = run._sum_over_units(chosen)
    for left_out in range(4):
        others = run._sum_over_units([rows for place, rows in enumerate(chosen) if place != left_out])
        change = length([more - fewer for more, fewer in zip(everyone, others, strict=True)])
        assert 0.29 < change < 0.3 * 1.001  # all are longer than 0.3


def test_equal_views_are_averaged_within_the_unit(make_run, monkeypatch):
    monkeypatch.setattr(training, "views", lambda faces, n, random: faces.repeat_interleave(n, 0))
    once, often = (make_run(views=number, clipping_norm=1e3) for number in (1, 4))
    chosen = once.units.members[:2]
    torch.testing.assert_close(often._sum_over_units(chosen), once._sum_over_units(chosen), rtol=1e-3, atol=1e-4)


def test_a_step_adds_noise_and_divides_by_the_expected_number(make_run, monkeypatch):
    monkeypatch.setattr(PoissonSampler, "draw", lambda self: torch.zeros(0, dtype=torch.int64))
    run = make_run(clipping_norm=0.5, momentum=0.0)
    run.noise_multiplier = 2.0
    run.step()
    noise = torch.cat([parameter.grad.flatten() for parameter in run.parameters])
    assert len(noise) > 400
    assert float(noise.std()) == pytest.approx(2.0 * 0.5 / 3, rel=0.15)
    assert run.accountant.history == [(2.0, 3 / 5, 1)]


def test_the_learning_rate_falls_linearly(make_run, nowhere):
    run = make_run(epsilon=None, steps=4, learning_rate=0.2)
    rates = []
    for _ in range(4):
        run.step()
        rates.append(run.optimizer.param_groups[0]["lr"])
    assert rates == pytest.approx([0.2, 0.15, 0.1, 0.05])


def test_without_epsilon_it_is_training_without_clipping_and_noise(make_run, monkeypatch):
    monkeypatch.setattr(training, "add_noise", lambda gradients, *_: gradients)
    plain, private = make_run(epsilon=None), make_run(clipping_norm=1e6)
    for run in (plain, private):
        run.step()  # one: more would make rounding grow
    before = dict(plain.start.net.named_parameters())
    after = [run.result({}).net.state_dict() for run in (plain, private)]
    torch.testing.assert_close(*after, rtol=1e-3, atol=1e-4)
    assert any(not torch.equal(after[0][name], parameter) for name, parameter in before.items())
    assert plain.accountant.history == []


@pytest.mark.parametrize("kind", KINDS)
def test_the_result_is_built_like_the_start_and_only_the_trained_part_differs(make_run, nowhere, kind):
    run = make_run(trainable=kind)
    run.train(nowhere)
    result, start = run.result({"privacy": {}}), run.start
    assert list(result.net.state_dict()) == list(start.net.state_dict())
    assert result.card == start.card.model_copy(update={"training": {"privacy": {}}})
    norms = {name for name, layer in start.net.named_modules() if isinstance(layer, _BatchNorm)}
    for name, tensor in result.net.state_dict().items():
        of_norm = name.rpartition(".")[0] in norms
        learns = {
            "scale_and_bias": of_norm,
            "last_layer": name.startswith("fc."),
            "scale_and_bias_and_last_layer": of_norm or name.startswith("fc."),
            "all": True,
        }[kind] and name != "features.weight" and "running" not in name and "num_batches" not in name  # fmt: skip
        assert torch.equal(tensor, start.net.state_dict()[name]) != learns, name


def test_interrupted_training_ends_like_uninterrupted_training_to_the_bit(make_run, nowhere, tmp_path, monkeypatch):
    monkeypatch.setattr(training, "STEPS_PER_CHECKPOINT", 2)
    settings = {"steps": 5, "views": 2, "images_per_unit": 2}
    whole = make_run(**settings)
    whole.train(tmp_path / "whole.pt")
    killed = make_run(**settings)
    monkeypatch.setattr(checkpointed, "track", lambda steps, *_: list(steps)[:3])
    with pytest.raises(SamplingError):  # the claim of what was not finished
        killed.train(nowhere)
    monkeypatch.undo()
    resumed = make_run(**settings)
    resumed.train(nowhere)
    assert resumed.record.sizes == whole.record.sizes
    torch.testing.assert_close(resumed.model.state_dict(), whole.model.state_dict(), rtol=0, atol=0)
    assert resumed.claim() == whole.claim()
    assert sum(steps for *_, steps in resumed.accountant.history) == 5


def test_a_damaged_checkpoint_is_left_aside(make_run, nowhere, monkeypatch):
    nowhere.write_bytes(b"no checkpoint")
    run, fresh = make_run(), make_run()
    run.train(nowhere)
    fresh.train(nowhere.with_name("none.pt"))
    torch.testing.assert_close(run.model.state_dict(), fresh.model.state_dict(), rtol=0, atol=0)


def test_the_result_follows_the_seed_and_secret_draws_do_not(make_run, nowhere):
    def trained(seed=0, **settings):
        run = make_run(seed, steps=2, **settings)
        run.train(nowhere)
        return run.result({}).weights_hash()

    assert trained() == trained()
    assert trained() != trained(seed=1)
    assert trained(secret_seed=True) != trained(secret_seed=True)


def test_the_claim_is_what_was_asked_for(make_run, nowhere, monkeypatch):
    monkeypatch.setattr(training, "noise_multiplier", noise_multiplier)
    run = make_run(epsilon=4.0, delta=1e-2)
    run.train(nowhere)
    claim = run.claim()
    assert 3.9 < claim["epsilon"] <= 4.01
    assert (claim["delta"], claim["unit"], claim["sample_rate"], claim["steps"]) == (1e-2, "identity", 3 / 5, 4)
    assert claim["noise_multiplier"] == run.noise_multiplier > 0


def test_more_units_a_step_than_there_are_is_an_error(make_run):
    with pytest.raises(PrivateTrainingError, match="units_per_step is 6, and there are 5 units"):
        make_run(units_per_step=6)


def test_weights_that_are_not_finite_are_an_error(make_run, nowhere):
    with pytest.raises(PrivateTrainingError, match="NaN or infinite"):
        make_run(epsilon=None, learning_rate=1e30).train(nowhere)


def left_in_train_mode(net) -> None:
    net.train()


def test_statistics_that_would_learn_stop_the_run_before_it_begins(make_run, nowhere, monkeypatch):
    monkeypatch.setattr(training, "training_mode", left_in_train_mode)
    with pytest.raises(BufferMovedError, match="in train mode"):
        make_run().train(nowhere)


def test_statistics_that_moved_make_the_run_fail(make_run, nowhere, monkeypatch):
    monkeypatch.setattr(training, "training_mode", left_in_train_mode)
    monkeypatch.setattr(training, "check_modes", lambda net: None)
    run = make_run()
    with pytest.raises(BufferMovedError, match="buffers changed during private training"):
        run.train(nowhere)
    with pytest.raises(BufferMovedError):
        run.result({})


class Shuffled(PoissonSampler):
    def draw(self) -> torch.Tensor:
        return torch.randperm(self.units, generator=self.random)[: round(self.units * self.rate)]


def test_a_sampler_of_another_kind_makes_the_run_fail(make_run, nowhere):
    run = make_run()
    run.sampler = Shuffled(len(run.units), run.sampler.rate, run.random)
    with pytest.raises(SamplingError, match="the sampler is a Shuffled"):
        run.train(nowhere)


def test_a_poisson_sampler_that_draws_batches_of_one_size_makes_the_run_fail(make_run, nowhere, monkeypatch):
    monkeypatch.setattr(PoissonSampler, "draw", Shuffled.draw)
    monkeypatch.setattr(training.PrivateRun, "_sum_over_units", lambda self, batch: [0 * p for p in self.parameters])
    with pytest.raises(SamplingError, match="sizes of the batches vary less"):
        make_run(unit="image", units_per_step=8, steps=60).train(nowhere)


def test_a_step_that_is_not_counted_makes_the_run_fail(make_run, nowhere):
    run = make_run()
    run.accountant.step = lambda **_: None if run.accountant.history else run.accountant.history.append((1.0, 0.6, 1))
    with pytest.raises(SamplingError, match="counted"):
        run.train(nowhere)


def test_images_of_a_unit_stay_together_when_the_batch_is_small(make_run):
    run = make_run(images_per_unit=6)
    sizes = []
    run._sum_over_units = lambda batch: sizes.append(len(np.concatenate(batch))) or [0 * p for p in run.parameters]
    run.compute = run.compute.model_copy(update={"batch_size": 4})
    run.step()
    assert set(sizes) <= {3, 6}


def test_a_start_that_cannot_take_channels_last_is_trained_on_contiguous_images(
    tiny_backbone, demo_store, private_images, compute, monkeypatch
):
    monkeypatch.syspath_prepend(str(Path(__file__).parents[2] / "backbones"))
    arguments = {"size": 16, "positions": 256}
    card = tiny_backbone.card.model_copy(update={"architecture": "own_networks:Viewing", "arguments": arguments})
    start, settings = Backbone(build(card), card), PrivateSettings(steps=2, units_per_step=3, trainable="last_layer")
    run = PrivateRun(
        start, make_units(private_images, demo_store, settings.unit), demo_store, settings, LOSS, compute, 0
    )
    before = start.net.last.weight.clone()
    run.step()
    assert not torch.equal(run.result({}).net.last.weight, before)
    sys.modules.pop("own_networks", None)
