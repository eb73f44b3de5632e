import numpy as np
import pytest
import torch
from scipy.stats import norm
from torch import nn

from faceleak.membership.models.training import Examples, Schedule, cross_entropy, cross_fit, evaluate, flat, gaussian


def test_cross_entropy_by_hand():
    loss = cross_entropy(torch.tensor([[0.0], [2.0]]), torch.tensor([1.0, 0.0]))
    np.testing.assert_allclose(loss, [np.log(2), np.log(1 + np.exp(2))], rtol=1e-6)


def test_the_gaussian_loss_is_the_density_less_its_constant():
    outputs = torch.tensor([[1.0, 0.5], [-2.0, -1.0]])
    expected = -norm.logpdf([3.0, -1.0], [1.0, -2.0], np.exp([0.5, -1.0])) - 0.5 * np.log(2 * np.pi)
    np.testing.assert_allclose(gaussian(outputs, torch.tensor([3.0, -1.0])), expected, rtol=1e-6)


def test_scales_stay_within_bounds():
    loss = gaussian(torch.tensor([[0.0, -1e9], [0.0, 1e9]]), torch.tensor([1.0, 1.0]))
    assert torch.isfinite(loss).all()


def build():
    return nn.Linear(3, 1)


def examples_of(rows=200, noise=0.0, seed=0, weights=None):
    random = np.random.default_rng(seed)
    values = random.normal(size=(rows, 3)).astype(np.float32)
    targets = (values[:, 0] + noise * random.normal(size=rows) > 0).astype(np.float32)
    return Examples(values, targets, np.ones(rows, np.float32) if weights is None else weights)


def folds_of(rows, number=2):
    parts = np.array_split(np.arange(rows)[::-1], number)  # not in the order of the rows
    return [(np.setdiff1d(np.arange(rows), part), part) for part in parts]


def test_every_row_is_judged_by_a_network_that_had_not_seen_it():
    examples = examples_of()
    _, outputs = cross_fit(build, cross_entropy, examples, folds_of(200), Schedule(epochs=60, learning_rate=0.05))
    assert outputs.shape == (200, 1)
    assert np.mean((outputs[:, 0] > 0) == examples.targets) > 0.95  # in the order of the rows
    flipped = Examples(examples.rows, examples.targets.copy(), examples.weights)
    flipped.targets[:100] = 1 - flipped.targets[:100]  # each half learns the opposite of the other
    schedule = Schedule(epochs=3, batch_size=4, learning_rate=0.05)
    _, outputs = cross_fit(build, cross_entropy, flipped, folds_of(200), schedule)
    assert np.mean((outputs[:, 0] > 0) == flipped.targets) < 0.4


def test_training_ends_where_held_out_people_stop_gaining():
    def epochs_run(noise, patience):
        count = 0

        def counting(outputs, targets):
            nonlocal count
            count += torch.is_inference_mode_enabled()
            return cross_entropy(outputs, targets)

        schedule = Schedule(epochs=60, patience=patience, learning_rate=0.05)
        cross_fit(build, counting, examples_of(noise=noise), folds_of(200), schedule)
        return count / 2

    assert epochs_run(noise=100.0, patience=3) < 30  # there is nothing to learn
    assert epochs_run(noise=0.0, patience=3) > 50


def test_a_row_without_weight_changes_nothing():
    examples = examples_of()
    weights = np.ones(200, np.float32)
    weights[::3] = 0
    spoilt = Examples(examples.rows, np.where(weights == 0, 1 - examples.targets, examples.targets), weights)
    clean = Examples(examples.rows, examples.targets, weights)
    networks = [cross_fit(build, cross_entropy, each, folds_of(200), Schedule(epochs=4))[0] for each in (clean, spoilt)]
    assert flat(networks[0]) == flat(networks[1])


def test_parameters_written_down_are_the_network():
    network, rows = build(), examples_of().rows
    with torch.inference_mode():
        expected = network(torch.from_numpy(rows)).numpy()
    np.testing.assert_array_equal(evaluate(build, flat(network), rows), expected)


def test_threads_are_given_back():
    threads = torch.get_num_threads()
    cross_fit(build, cross_entropy, examples_of(40), folds_of(40), Schedule(epochs=1))
    assert torch.get_num_threads() == threads


def test_one_epoch_at_least_is_trained():
    network, _ = cross_fit(build, cross_entropy, examples_of(40), folds_of(40), Schedule(epochs=1, learning_rate=0.1))
    initial, _ = cross_fit(build, cross_entropy, examples_of(40), folds_of(40), Schedule(epochs=1, learning_rate=0.0))
    assert np.abs(np.subtract(flat(network), flat(initial))).max() == pytest.approx(0.1, rel=0.2)  # one step of Adam
