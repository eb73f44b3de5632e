import torch

from faceleak.reconstruction.objectives.objective import best, best_of_different


def test_the_best_come_first_and_ties_keep_their_order() -> None:
    assert best(torch.tensor([1.0, 3.0, 2.0, 3.0]), 3).tolist() == [1, 3, 2]


def test_the_same_person_is_kept_twice_only_where_nobody_else_is_nearly_as_good() -> None:
    ratings = torch.tensor([5.0, 4.9, 4.0, -3.0])  # standard deviation 3.85
    people = torch.tensor([[1.0, 0], [2, 0], [0, 1], [-1, 0]])
    assert best_of_different(ratings, people, 1.0, 3).tolist() == [0, 2, 1]
    assert best_of_different(ratings, people, 0.0, 3).tolist() == [0, 1, 2]
    assert best_of_different(ratings, people, 0.1, 4).tolist() == [0, 1, 2, 3]
    assert best_of_different(ratings, people, 1.0, 9).tolist() == [0, 2, 1, 3]
