"""What every method of erasure must keep, whichever file of the room it is; and what each one does besides."""

from copy import deepcopy
from dataclasses import replace

import numpy as np
import pytest
import torch

from faceleak.backbones.embedding import embed
from faceleak.backbones.loading import save_backbone
from faceleak.defenses import weight_noise
from faceleak.erasure import registry
from faceleak.erasure.request import ErasureError
from faceleak.erasure.steps import Step

SETTINGS = {
    "center_push": {"epochs": 1},
    "finetuning": {"epochs": 1},
    "gradient_ascent": {"epochs": 1},
    "head_removal": {},
    "low_rank": {"share": 0.25},
    "negative_label_smoothing": {"epochs": 1},
    "noisy_finetuning": {"epochs": 1},
    "retraining": {},
}
OF_STEPS = [name for name, settings in SETTINGS.items() if "epochs" in settings]


def erased(name, request, seed=0, **settings):
    module = registry.get(name)
    return module.erase(request, module.Settings(**(settings or SETTINGS[name])), seed)


def class_cosines(backbone, request, head):
    """Cosines of the erased images to the class centers that their people had."""
    images = request.erased_images
    embeddings = torch.from_numpy(embed(backbone, request.owner.store, images["image_id"], request.owner.compute))
    rows = head.weight[[head.identities.index(name) for name in images["identity"]]]
    return torch.cosine_similarity(embeddings, rows)


def test_every_method_of_the_room_is_tested_here():
    assert set(registry.names()) - {"given"} == set(SETTINGS)


@pytest.mark.parametrize("name", SETTINGS)
def test_the_backbone_handed_in_stays_and_the_head_loses_who_is_erased(name, request_):
    target = request_.owner.backbone
    before, card, head = deepcopy(target.state_dict()), target.card.model_copy(deep=True), target.head
    result = erased(name, request_)
    if name != "low_rank":
        assert set(result.head.identities) == set(head.identities) - request_.erased
        assert result.head.weight.shape == (3, 16)
    for tensor in (*result.parameters(), *result.buffers()):
        tensor.data.fill_(7)
    torch.testing.assert_close(target.state_dict(), before, rtol=0, atol=0)
    assert target.card == card
    assert target.head is head


@pytest.mark.parametrize("name", SETTINGS)
def test_the_result_follows_settings_and_seed_and_nothing_else(name, request_):
    torch.manual_seed(1)
    first = erased(name, request_)
    torch.manual_seed(2)
    before = torch.get_rng_state()
    again = erased(name, request_)
    assert again.weights_hash() == first.weights_hash()
    assert torch.equal(torch.get_rng_state(), before)
    assert not any(module.training for module in first.modules())
    if name not in ("head_removal", "low_rank"):
        assert erased(name, request_, seed=1).weights_hash() != first.weights_hash()


def test_the_head_alone_changes_nothing_that_is_released(request_):
    assert erased("head_removal", request_).weights_hash() == request_.owner.backbone.weights_hash()
    headless = deepcopy(request_.owner.backbone)
    headless.head = None
    request = replace(request_, owner=replace(request_.owner, backbone=headless))
    assert erased("head_removal", request).head is None


def test_retraining_never_sees_the_erased_people_and_takes_other_chance(request_, monkeypatch):
    trained = []
    monkeypatch.setattr(
        "faceleak.backbones.training.train_backbones",
        lambda tasks, compute: (trained.extend(tasks), [request_.owner.backbone])[1],
    )
    erased("retraining", request_, seed=2)
    (task,) = trained
    assert set(task.images["identity"]).isdisjoint(request_.erased)
    assert len(task.images) == len(request_.kept_images)
    before = request_.owner.training.options
    assert task.options == before.model_copy(update={"seed": before.seed + 3})


def test_pushing_and_ascending_leave_the_class_centers_which_finetuning_does_less(request_):
    head = request_.owner.backbone.head
    mean = {
        name: float(class_cosines(erased(name, request_, epochs=5, **more), request_, head).mean())
        for name, more in {
            "finetuning": {},
            "center_push": {"cosine": -0.5, "weight": 20},
            "gradient_ascent": {"weight": 2},
        }.items()
    }
    assert mean["center_push"] < mean["finetuning"] - 0.1
    assert mean["gradient_ascent"] < mean["finetuning"] - 0.1


def test_ascent_beyond_its_bound_is_finetuning(request_):
    bounded = erased("gradient_ascent", request_, epochs=1, bound=1e-9)
    plain = erased("finetuning", request_, epochs=1)
    torch.testing.assert_close(bounded.net.conv1.weight, plain.net.conv1.weight, rtol=1e-3, atol=1e-4)


def test_statistics_do_not_learn_from_erased_people(request_):
    """With a learning rate near 0, BN statistics are all that changes, and they are those of fine-tuning."""
    kept = erased("finetuning", request_, epochs=1, learning_rate=1e-12)
    pushed = erased("center_push", request_, epochs=1, learning_rate=1e-12)
    torch.testing.assert_close(pushed.state_dict(), kept.state_dict(), rtol=1e-4, atol=1e-5)


def test_noise_without_strength_is_finetuning(request_):
    noisy = erased("noisy_finetuning", request_, epochs=1, strength=0)
    assert noisy.weights_hash() == erased("finetuning", request_, epochs=1).weights_hash()
    assert weight_noise.Settings(strength=0.3).strength == registry.get("noisy_finetuning").Settings().strength


def test_a_filtered_layer_has_fewer_directions(request_):
    def rank(backbone):
        layers = [module for module in backbone.net.modules() if isinstance(module, torch.nn.Linear)]
        return int(torch.linalg.matrix_rank(layers[-1].weight.detach().double(), rtol=1e-5))

    assert rank(request_.owner.backbone) == 16
    assert rank(erased("low_rank", request_, share=0.25)) == 4
    whole = erased("low_rank", request_, share=1.0)
    torch.testing.assert_close(whole.state_dict(), request_.owner.backbone.state_dict(), rtol=1e-4, atol=1e-6)


def test_a_layer_that_is_not_there_is_told(request_, owner_of):
    with pytest.raises(ErasureError, match="it has none"):
        erased("low_rank", replace(request_, owner=owner_of(torch.nn.Conv2d(3, 2, 1))))


@pytest.mark.parametrize("name", [*OF_STEPS, "retraining"])
def test_a_target_from_outside_cannot_be_trained_on(name, request_, owner_of):
    outside = replace(request_, owner=owner_of(request_.owner.backbone.net))
    with pytest.raises(ErasureError, match="`method: given`"):
        erased(name, outside)


def test_a_target_without_its_head_cannot_be_finetuned(request_):
    headless = deepcopy(request_.owner.backbone)
    headless.head = None
    with pytest.raises(ErasureError, match="comes without it"):
        erased("finetuning", replace(request_, owner=replace(request_.owner, backbone=headless)))


def test_a_head_of_other_people_is_told(request_):
    images = request_.images.assign(identity=request_.images["identity"] + " the second")
    with pytest.raises(ErasureError, match="no class for 5 of 5 people"):
        erased("finetuning", replace(request_, images=images, erased=frozenset()))


def test_a_diverged_loss_is_told(request_):
    with pytest.raises(ErasureError, match="learning_rate"):
        erased("finetuning", request_, epochs=3, learning_rate=1e30)


def test_a_backbone_that_somebody_else_made_is_loaded(request_, tmp_path):
    made = erased("finetuning", request_)
    save_backbone(made, tmp_path)
    described = {"architecture": "iresnet_tiny", "embedding_size": 16, "preprocessing": {"image_size": 32}}
    weights = {"weights": tmp_path / "backbone.safetensors"}
    loaded = erased("given", request_, backbone={**described, **weights})
    assert loaded.weights_hash() == made.weights_hash()


def test_losses_of_a_step_by_hand():
    from faceleak.backbones.arcface import ArcFaceHead

    head = ArcFaceHead(2, 2, 0.0, 2.0)
    head.weight.data = torch.tensor([[1.0, 0.0], [0.0, 3.0]])
    shown, numbers = torch.tensor([[0.0, -2.0], [1.0, 1.0]]), torch.tensor([0, 0])
    step = Step(head, shown, numbers, shown, numbers, torch.tensor([[0.0, -1.0]]))
    assert step.erased_cosines().tolist() == pytest.approx([1.0, -np.sqrt(0.5)])
    # cosines of the first image to (1, 0), (0, 1) and its own (0, −1): 0, −1, 1, times 2
    by_hand = -2 + np.log(np.exp(0) + np.exp(-2) + np.exp(2))
    assert float(step.erased_loss()[0].detach()) == pytest.approx(by_hand, rel=1e-3)
