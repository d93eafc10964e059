"""S-Seg's own: its two losses, its readings, verbs, bad captions."""

from dataclasses import replace

import pyarrow as pa
import pytest
import torch
from small_methods import batch, make
from tiny_data import make_corpus
from training_sections import data_settings

from ovseg_core import shards
from ovseg_core.losses.contrastive import info_nce
from ovseg_core.masks.pooling import match_size, pool
from ovseg_core.methods.inference import region_scores
from ovseg_core.training.corpus import DataFolders, read_samples, read_streams


def test_losses_by_name():
    assert set(make("sseg")(batch())) == {"mask", "contrastive", "multi_label"}
    assert set(make("sseg", num_prompts=0)(batch())) == {"mask", "contrastive"}


def test_an_image_is_the_mean_of_its_segments():
    model, given = make("sseg", mask_negatives=False).eval(), batch()
    with torch.no_grad():
        features = model.image(model.image.maps(given.images))
        segments = model.segments(features, model.proposer(features)[0].sigmoid())
        assert segments.shape == (4, 4, 16)
        texts = model.embed_text(given.captions)
        expected = info_nce(segments.mean(1), texts, model.log_temperature.exp())
        torch.testing.assert_close(model(given)["contrastive"], expected)


def test_the_mask_loss_leaves_words_alone_and_queries_see_each_other():
    model = make("sseg")
    model(batch())["mask"].backward()
    assert all(parameter.grad is None for parameter in model.text.parameters())
    assert model.proposer.queries.layers[0].among.in_proj_weight.grad.abs().sum() > 0


def test_scores_are_segments_times_their_masks():
    model, images = make("sseg").eval(), batch().images
    with torch.no_grad():
        texts = model.embed_text(["fish", "sky"])
        masks = model.proposals(images)
        assert masks.shape == (4, 4, 8, 8)
        features = model.image(model.image.maps(images))
        expected = region_scores(model.segments(features, masks), masks, texts)
        torch.testing.assert_close(model.score_maps(images, texts), expected)
        assert model.score_maps(images, texts, "none").abs().max() <= 1 + 1e-5  # cosines


def test_captions_that_name_nothing_have_no_prompts():
    model, full = make("sseg"), batch()
    silent = replace(full, nouns=[[] for _ in full.nouns])
    losses = model(silent)
    assert losses["multi_label"] == 0
    assert losses["contrastive"] > 0
    one = replace(full, nouns=[full.nouns[0], [], [], []])
    assert torch.isfinite(model(one)["multi_label"])


def test_verbs_stand_among_the_nouns_as_far_as_the_corpus_kept_them(tmp_path):
    root = make_corpus(tmp_path, captioned=[2], labelled=[])
    path = root / "corpus" / "samples.parquet"
    rows = shards.read_table(path).to_pylist()
    rows[0] |= {"words": ["red", "dog", "run"], "parts": ["adjective", "noun", "verb"]}
    rows[1] |= {"words": ["red"], "parts": ["adjective"]}
    shards.write_table(path, pa.Table.from_pylist(rows))
    folders, settings = DataFolders(str(root)), data_settings(labelled=0.0)
    assert read_samples(folders, settings, nouns=True)["nouns"].to_pylist() == [["dog"], []]
    stream = read_streams(folders, settings, nouns=True, verbs=True)[False]
    assert stream.nouns.to_pylist() == [["dog", "run"], []]
    narrow = read_samples(folders, data_settings(words="noun_adj"), nouns=True, verbs=True)
    assert narrow["nouns"].to_pylist() == [["dog", "run"], []]
    assert narrow["words"].to_pylist() == [["red", "dog"], ["red"]]


@pytest.mark.parametrize("count", [1, 7])
def test_masks_more_and_fewer_than_queries(count):
    given = batch()
    masks = torch.rand(4, count, 8, 8, generator=torch.Generator().manual_seed(0)) > 0.5
    given = replace(given, masks=masks, num_masks=torch.full((4,), count))
    assert torch.isfinite(make("sseg")(given)["mask"])


def test_segments_may_be_read_from_the_last_map():
    model = make("sseg", head="mlp").eval()
    images, masks = batch().images, batch().masks[:, :1]
    with torch.no_grad():
        maps = model.image.maps(images)
        expected = model.semantics.head(pool(maps[-1], match_size(masks, like=maps[-1])))
        texts = model.embed_text(["fish"])
        assert torch.allclose(
            model.score_maps(images, texts, masks), region_scores(expected, masks, texts), atol=1e-6
        )
    assert set(model(batch())) == {"mask", "contrastive", "multi_label"}
