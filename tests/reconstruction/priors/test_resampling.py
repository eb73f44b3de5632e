import torch

from faceleak.reconstruction.priors.resampling import enlarge, low_pass, smooth


def test_the_filter_by_hand() -> None:
    assert torch.allclose(low_pass()[0, 0, 0], torch.tensor([1.0, 3.0, 3.0, 1.0]) / 16)
    assert low_pass().sum() == 4


def test_enlarging_keeps_a_flat_image_inside_and_its_sum_times_four() -> None:
    flat = enlarge(torch.full((1, 2, 5, 5), 0.5), low_pass())
    assert flat.shape == (1, 2, 10, 10)
    assert torch.allclose(flat[:, :, 1:-1, 1:-1], torch.tensor(0.5))


def test_a_row_enlarged_by_hand() -> None:
    rows = torch.zeros(1, 1, 3, 3)
    rows[0, 0, 1] = torch.tensor([0.0, 4.0, 0.0])
    # along the row, each pixel spreads as [1, 3, 3, 1] / 4 over four; so it does across, where rows 2 and 3 get 3 / 4
    assert torch.allclose(enlarge(rows, low_pass())[0, 0, 2], 0.75 * torch.tensor([0.0, 1.0, 3.0, 3.0, 1.0, 0.0]))


def test_smoothing_takes_one_row_and_one_column_away() -> None:
    impulse = torch.zeros(1, 1, 7, 7)
    impulse[0, 0, 3, 3] = 1
    smoothed = smooth(impulse, low_pass())
    assert smoothed.shape == (1, 1, 6, 6)
    assert torch.allclose(smoothed[0, 0, 1:5, 1:5], low_pass()[0, 0])
