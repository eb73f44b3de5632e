import numpy as np
import torch

from faceleak.signals import registry


def test_the_embedding_is_what_the_backbone_answers(iresnet18, smooth_faces):
    with torch.no_grad():
        assert torch.equal(registry.get_reader("embedding").read(iresnet18, smooth_faces), iresnet18(smooth_faces))


def test_the_norm_is_the_embeddings_length(iresnet18, smooth_faces):
    with torch.no_grad():
        norms = registry.get_reader("embedding_norm").read(iresnet18, smooth_faces)
        lengths = [[np.sqrt(sum(number**2 for number in row))] for row in iresnet18(smooth_faces).double().tolist()]
    np.testing.assert_allclose(norms, lengths, rtol=1e-5)
