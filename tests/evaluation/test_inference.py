import numpy as np
import pytest
import torch
from colour_world import ColourMethod, paint

from ovseg_core.benchmarks.benchmark import VOID
from ovseg_core.evaluation import inference
from ovseg_core.params import ParamError

NAMES = ["red", "green", "blue"]
SCENE = np.array([[0, 0, 1, 1], [0, 0, 1, 1], [2, 2, 2, 2], [2, 2, 2, 2]])


def image_of(*labels):
    return inference.to_input([paint(part, NAMES) for part in labels], None, torch.device("cpu"))


def noise(side):
    return torch.rand(1, 3, side, side, generator=torch.Generator().manual_seed(0))


def asked(*names, prompts="single"):
    return inference.embed_classes(ColourMethod(), names, prompts)


def test_a_class_has_the_best_of_its_synonyms():
    # white against green: 1/sqrt(3); lime, a synonym, is green itself: the class takes the larger of both
    queries = asked(["red"], ["white", "lime"], ["blue"])
    scores = inference.class_scores(ColourMethod(), image_of(SCENE), queries, "none", 0.0)
    assert scores.shape == (1, 3, 4, 4)
    assert scores[0, 1, 0, 2] == pytest.approx(1.0)
    assert scores[0, 1, 0, 0] == pytest.approx(3**-0.5)
    assert queries.num_texts == [1, 2, 1]


def test_a_class_without_names_is_never_predicted():
    queries = asked(["red"], [], ["blue"])
    scores = inference.class_scores(ColourMethod(), image_of(SCENE), queries, "none", 0.0)
    assert torch.isinf(scores[:, 1]).all()
    assert 1 not in inference.class_map(scores[0], (4, 4), [0, 2])


def test_prompts_of_one_name_are_averaged_and_have_unit_length():
    method = ColourMethod()
    queries = inference.embed_classes(method, [["red"], ["blue"]], "ensemble_7")
    assert len(method.asked) > 2
    assert queries.embeddings.norm(dim=1).tolist() == pytest.approx([1, 1])
    assert queries.embeddings.shape[0] == 2


def test_scores_are_upsampled_before_they_are_compared():
    scores = torch.tensor([[[1.0, 0.0]], [[0.4, 0.4]]])  # two classes on a map of 1 x 2
    # bilinear to 4 columns: class 0 has 1, 0.75, 0.25, 0, against 0.4 and then 0.2
    assert inference.class_map(scores, (1, 4), [0, 1]).tolist() == [[0, 0, 1, 1]]
    scores = torch.tensor([[[1.0, 0.0]], [[0.2, 0.2]]])
    assert inference.class_map(scores, (1, 4), [0, 1]).tolist() == [[0, 0, 0, 1]]


def test_a_map_over_some_classes_answers_with_their_own_indices():
    scores = torch.tensor([0.9, 0.1, 0.5]).reshape(3, 1, 1)
    assert inference.class_map(scores, (2, 2), [1, 2]).tolist() == [[2, 2], [2, 2]]
    assert inference.class_map(scores, (1, 1), []).tolist() == [[VOID]]


def test_centring_takes_off_what_a_word_scores_everywhere():
    queries = asked(*[[name] for name in NAMES])
    plain = inference.class_scores(ColourMethod(), image_of(SCENE), queries, "none", 0.0)
    centred = inference.class_scores(ColourMethod(), image_of(SCENE), queries, "none", 0.5)
    # blue fills half of the image: its mean is 0.5, and half of that goes
    assert torch.allclose(plain[0, 2] - centred[0, 2], torch.tensor(0.25))
    assert torch.allclose(plain[0, 0] - centred[0, 0], torch.tensor(0.125))


def test_what_clusters_say_is_added_to_what_predicted_regions_say():
    queries, image = asked(*[[name] for name in NAMES]), noise(16)
    regions, clusters, alone = (
        inference.class_scores(ColourMethod(), image, queries, which)
        for which in ("predicted", "clusters", "none")
    )
    both = inference.class_scores(ColourMethod(), image, queries, "predicted", cluster_weight=2.0)
    assert not torch.allclose(clusters, alone)
    assert not torch.allclose(clusters, regions)
    assert torch.allclose(both, regions + 2 * clusters)
    given = torch.ones(1, 1, 16, 16, dtype=torch.bool)
    whole = inference.class_scores(ColourMethod(), image, queries, given)
    weighted = inference.class_scores(ColourMethod(), image, queries, given, cluster_weight=2.0)
    assert torch.equal(weighted, whole)  # regions that are given speak alone


def test_clusters_are_not_added_to_a_method_that_predicts_no_regions():
    class PerLocation(ColourMethod):
        proposals = property()  # hasattr says no

        def score_maps(self, images, text_embeddings, regions="predicted"):
            return super().score_maps(images, text_embeddings, "none")

    queries, image = asked(*[[name] for name in NAMES]), noise(12)
    plain, weighted = (
        inference.class_scores(PerLocation(), image, queries, "predicted", cluster_weight=weight)
        for weight in (0.0, 2.0)
    )
    assert torch.equal(plain, weighted)


def test_truth_regions_have_one_mask_per_class_and_empty_ones_at_the_end():
    void = np.full((4, 4), VOID, np.uint16)
    regions = inference.truth_regions([SCENE.astype(np.uint16), void], (4, 4))
    assert regions.shape == (2, 3, 4, 4)
    assert [int(mask.sum()) for mask in regions[0]] == [4, 4, 8]
    assert torch.equal(regions[0, 2], torch.from_numpy(SCENE == 2))
    assert not regions[1].any()


def test_truth_regions_follow_the_size_of_the_input():
    regions = inference.truth_regions([SCENE.astype(np.uint16)], (2, 2))
    assert regions[0].int().tolist() == [[[1, 0], [0, 0]], [[0, 1], [0, 0]], [[0, 0], [1, 1]]]


def test_region_scores_average_over_each_region():
    scores = torch.tensor([[[[1.0, 0.0], [0.5, 0.5]], [[0.0, 0.0], [0.0, 0.0]], [[0.2, 0.8], [0.0, 0.0]]]])
    regions = torch.tensor([[[[1, 1], [0, 0]], [[0, 0], [0, 1]]]], dtype=torch.bool)
    pooled = inference.region_scores(scores, regions, [0, 2])
    assert pytest.approx(np.array([[0.5, 0.5], [0.5, 0.0]])) == pooled[0, :, [0, 2]].T
    assert np.isinf(pooled[0, :, 1]).all()


def test_proposals_are_cut_at_one_half_after_upsampling():
    weak = torch.tensor([[[0.4, 0.3]], [[0.3, 0.4]], [[0.3, 0.3]]])  # groups: the strongest, however weak
    groups = inference.proposal_masks(weak, (1, 2), are_partition=True)
    assert groups.tolist() == [[[True, False]], [[False, True]], [[False, False]]]
    masks = inference.proposal_masks(torch.tensor([[[1.0, 0.0]], [[0.5, 0.5]]]), (1, 4))
    assert masks.tolist() == [[[True, True, False, False]], [[False] * 4]]
    many = torch.rand(
        11, 3, 4, generator=torch.Generator().manual_seed(0)
    )  # more than are upsampled at a time
    one_by_one = [inference.proposal_masks(mask[None], (9, 9))[0] for mask in many]
    assert np.array_equal(inference.proposal_masks(many, (9, 9)), one_by_one)
    assert inference.proposal_masks(many[:0], (9, 9)).shape == (0, 9, 9)


@pytest.mark.parametrize(
    ("short_side", "size"), [(None, (30, 45)), (30, (30, 45)), (20, (20, 30)), (60, (60, 90))]
)
def test_the_short_side_is_resized_and_colours_stay_in_range(short_side, size):
    image = np.random.default_rng(0).integers(0, 256, (30, 45, 3), np.uint8)
    batch = inference.to_input([image, image], short_side, torch.device("cpu"))
    assert batch.shape == (2, 3, *size)
    assert 0 <= batch.min() <= batch.max() <= 1
    assert batch.mean() == pytest.approx(image.mean() / 255, abs=0.01)


def test_scores_that_are_no_numbers_are_refused():
    queries = asked(["red"], ["blue"])
    with pytest.raises(FloatingPointError, match="scores are not finite"):
        inference.class_scores(ColourMethod(), torch.full((1, 3, 4, 4), torch.nan), queries, "none", 0.0)


def test_the_first_of_equal_scores_wins_also_beyond_the_planes_of_one_round():
    scores = torch.zeros(20, 2, 2)
    scores[17, 0, 0] = scores[11, 0, 0] = scores[18, 1, 1] = 1
    assert inference.class_map(scores, (2, 2), range(20)).tolist() == [[11, 0], [0, 18]]


def test_a_method_without_a_text_tower_is_refused():
    with pytest.raises(ParamError, match="Identity knows no names, it only proposes masks"):
        inference.embed_classes(torch.nn.Identity(), [["red"]], "single")
