import numpy as np
import pandas as pd
import pytest
import torch
from opacus.accountants import PRVAccountant
from torch import nn

from faceleak.defenses.private.checks import (
    buffers_of,
    check_buffers,
    check_draws,
    check_modes,
    check_sampling,
    check_start,
)
from faceleak.defenses.private.errors import BufferMovedError, PrivateStartError, SamplingError
from faceleak.defenses.private.sampling import DrawRecord, PoissonSampler

UNITS, STEPS, RATE = 100, 60, 0.25


def sampled(draws: list[torch.Tensor]) -> tuple[np.ndarray, np.ndarray]:
    record = DrawRecord(torch.zeros(UNITS, dtype=torch.int64))
    for drawn in draws:
        record.add(drawn)
    return np.array(record.sizes), record.times_drawn.numpy()


def poisson(rate: float = RATE, steps: int = STEPS, seed: int = 0) -> list[torch.Tensor]:
    sampler = PoissonSampler(UNITS, rate, torch.Generator().manual_seed(seed))
    return [sampler.draw() for _ in range(steps)]


@pytest.mark.parametrize("seed", range(20))
@pytest.mark.parametrize(("rate", "steps"), [(RATE, STEPS), (0.01, 300), (0.9, 5), (0.02, 1), (1.0, 3)])
def test_poisson_draws_pass(rate, steps, seed):
    check_draws(*sampled(poisson(rate, steps, seed)), rate)


def test_shuffled_batches_are_refused():
    random = torch.Generator().manual_seed(0)
    draws = [batch for _ in range(15) for batch in torch.randperm(UNITS, generator=random).split(25)]
    with pytest.raises(SamplingError, match="vary less"):
        check_draws(*sampled(draws), RATE)


def test_batches_of_one_size_are_refused():
    random = torch.Generator().manual_seed(0)
    draws = [torch.randperm(UNITS, generator=random)[:25] for _ in range(STEPS)]
    with pytest.raises(SamplingError, match="sizes of the batches vary less"):
        check_draws(*sampled(draws), RATE)


def test_always_the_same_units_are_refused():
    with pytest.raises(SamplingError, match="vary"):
        check_draws(*sampled([poisson()[0]] * STEPS), len(poisson()[0]) / UNITS)


@pytest.mark.parametrize("rate", [0.15, 0.4])
def test_another_rate_is_refused(rate):
    with pytest.raises(SamplingError, match="are expected"):
        check_draws(*sampled(poisson(rate)), RATE)


def test_two_steps_of_one_size_prove_nothing():
    check_draws(*sampled([torch.arange(25), torch.arange(20, 45)]), RATE)


@pytest.fixture
def counted() -> tuple[DrawRecord, PoissonSampler, PRVAccountant]:
    sampler, accountant = PoissonSampler(UNITS, RATE, torch.Generator().manual_seed(0)), PRVAccountant()
    record = DrawRecord(torch.zeros(UNITS, dtype=torch.int64))
    for _ in range(STEPS):
        record.add(sampler.draw())
        accountant.step(noise_multiplier=1.0, sample_rate=RATE)
    return record, sampler, accountant


def test_what_was_drawn_and_counted_alike_passes(counted):
    check_sampling(*counted, UNITS, STEPS)


def test_a_sampler_of_another_kind_or_over_other_units_is_refused(counted):
    record, sampler, accountant = counted

    class Shuffled(PoissonSampler):
        pass

    for other in (Shuffled(UNITS, RATE, sampler.random), PoissonSampler(UNITS + 1, RATE, sampler.random)):
        with pytest.raises(SamplingError, match="no PoissonSampler over all"):
            check_sampling(record, other, accountant, UNITS, STEPS)


def test_a_rate_that_the_accountant_does_not_know_is_refused(counted):
    record, sampler, _ = counted
    other = PRVAccountant()
    other.history = [(1.0, RATE / 2, STEPS)]
    with pytest.raises(SamplingError, match="has counted the rates"):
        check_sampling(record, sampler, other, UNITS, STEPS)


@pytest.mark.parametrize("change", [-1, 1])
def test_steps_that_were_not_counted_are_refused(counted, change):
    record, sampler, accountant = counted
    accountant.history = [(1.0, RATE, STEPS + change)]
    with pytest.raises(SamplingError, match=f"{STEPS} were drawn and {STEPS + change} counted"):
        check_sampling(record, sampler, accountant, UNITS, STEPS)


def test_bn_in_train_mode_is_refused():
    net = nn.Sequential(nn.Conv2d(3, 2, 1), nn.BatchNorm2d(2, affine=False), nn.BatchNorm2d(2).eval())
    with pytest.raises(BufferMovedError, match="1 BN layers are in train mode"):
        check_modes(net)
    net[1].eval()
    check_modes(net)


def test_a_buffer_that_moved_appeared_or_vanished_is_refused():
    net = nn.Sequential(nn.BatchNorm2d(2), nn.BatchNorm2d(2))
    before = buffers_of(net)
    check_buffers(before, buffers_of(net))
    net[1](torch.rand(4, 2, 3, 3))
    for other in (buffers_of(net), dict(list(before.items())[1:]), before | {"own": torch.zeros(1)}):
        with pytest.raises(BufferMovedError, match="of 6 buffers changed"):
            check_buffers(before, other)


def people(*names: str) -> pd.DataFrame:
    return pd.DataFrame({"identity": names, "sha256": [f"image of {name}" for name in names]})


def test_a_start_of_other_people_passes():
    check_start({"data_hash": "public"}, people("ann", "ben"), people("cem"), "private")


def test_a_start_that_shares_images_or_people_is_refused():
    copied = people("dan").assign(sha256="image of cem")
    for public, found in ((people("ann", "cem"), "1 images and 1 people"), (copied, "1 images and 0 people")):
        with pytest.raises(PrivateStartError, match=f"shares {found}"):
            check_start({}, public, people("cem"), "private")


@pytest.mark.parametrize("card", [{"data_hash": "private"}, {"data_hash": "other", "start": {"data_hash": "private"}}])
def test_a_start_whose_card_names_the_private_data_is_refused(card):
    with pytest.raises(PrivateStartError, match="was trained on the target's private data"):
        check_start(card, people("ann"), people("cem"), "private")
