from faceleak.planning.searching import faces_climbed, faces_ranked
from faceleak.reconstruction.options import SearchOptions


def test_faces_of_a_search_are_counted_round_by_round():
    search = SearchOptions(attack="a", candidates=100, selected=4, rounds=3, steps=5, images_per_person=2)
    # rounds start from 16, 8 and 4 latents
    assert faces_climbed(search) == 5 * (16 + 8 + 4)
    assert faces_ranked(search) == 100 + 2 * (16 + 8 + 4) + 3 * 4 + 4 * 4


def test_what_is_counted_is_what_a_search_does():
    import torch

    from faceleak.reconstruction import search as searching
    from faceleak.reconstruction.priors.demo import DemoPrior

    search = SearchOptions(attack="a", candidates=12, selected=2, rounds=2, steps=3, images_per_person=2, batch_size=8)
    ranked, climbed = [], []

    class Counted:
        draws, images = False, 1

        def __init__(self) -> None:
            self.guide = self

        def score(self, faces):
            ranked.append(len(faces))
            return faces.mean((1, 2, 3))

        def rating(self, faces, seed):
            return self.score(faces)

        def __call__(self, faces, latents, seed=0):
            climbed.append(len(faces))
            return faces.mean((1, 2, 3))

        def keep(self, ratings, faces, count):
            return ratings.topk(count).indices

    searching.reconstruct(DemoPrior(torch.device("cpu")), Counted(), search, torch.device("cpu"))
    assert sum(ranked) == faces_ranked(search)
    assert sum(climbed) == faces_climbed(search)
