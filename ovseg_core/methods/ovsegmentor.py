"""OVSegmentor (Xu et al., CVPR 2023): groups learnt from captions alone.

L = L_contrast + L_entity + lambda L_mask (Eq. 13), read by Eq. 1. Where the paper's text leaves a choice, the
docstring of the part says which one is taken.

Shape letters: B images, P pairs of them, K groups, L locations, M tokens of a caption, D joint width.
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ovseg_core.losses.cross_image import mask_consistency, nearest_groups
from ovseg_core.methods.contrast import Contrast, text_rows
from ovseg_core.methods.grouping import Projection, Reading, temperature_of
from ovseg_core.methods.grouping_settings import OVSegmentorSettings
from ovseg_core.methods.prompting import Completion, completion, in_prompt, prompted_names
from ovseg_core.models.completion import EntityDecoder
from ovseg_core.models.group_encoder import Grouped, GroupEncoder
from ovseg_core.models.momentum import Momentum
from ovseg_core.models.settings import ModelSettings
from ovseg_core.models.text_tokens import SMALL_MASK, mask_text, text_tokens, text_width
from ovseg_core.models.text_towers import build_text_tower, embed
from ovseg_core.records import Batch
from ovseg_core.text.prompts import PROMPTS

MLM = ("mlm_with_groups", "mlm")
COMPLETES = ("all_entities", "one_entity", "all_nouns")  # objectives of Eq. 8-9


class OVSegmentor(Reading, nn.Module):
    """One temperature, learnt from 0.07, serves all contrasts; Eq. 7 and 9 leave it out "for simplicity"."""

    Settings = OVSegmentorSettings
    starts_from = ("simclr",)  # what makes the tokens
    reads_entities = (
        True  # batches then carry the entities of every sample, and pairs where `data.pairs` is set
    )

    def __init__(self, settings: OVSegmentorSettings, model: ModelSettings, words: list[str]) -> None:
        super().__init__()
        self.settings = settings
        before, after = settings.layers
        self.image = GroupEncoder(
            model.image,
            settings.binding,
            settings.group_tokens or settings.num_groups,
            settings.num_groups,
            before,
            after,
            settings.positions,
            settings.keep_tokens,
            settings.slot_temperature,
            settings.iterations,
        )
        self.text = build_text_tower(model.text, [*words, SMALL_MASK], model.embed_dim)
        self.project = Projection(settings.projection, self.image.width, model.embed_dim)
        self.log_temperature = nn.Parameter(torch.tensor(0.07).log())
        self.decoder, self.completed = self._decoder(model.embed_dim)
        uses_momentum = settings.mask_weight > 0 and settings.momentum is not None
        self.momentum = Momentum(self.image, settings.momentum or 0.0) if uses_momentum else None

    def _decoder(self, embed_dim: int) -> tuple[EntityDecoder | None, nn.Module | None]:
        """Eq. 8, and the projection of its [EOT] token; only where the objective has them."""
        objective, width = self.settings.objective, text_width(self.text)
        if objective not in (*COMPLETES, *MLM):
            return None, None
        uses_groups = objective != "mlm"
        decoder = EntityDecoder(width, self.image.width) if uses_groups else None
        return decoder, nn.Linear(width, embed_dim)

    @property
    def reads_nouns(self) -> bool:
        """Whether batches have to carry the nouns of every caption."""
        return self.settings.objective == "all_nouns"

    def losses(self, batch: Batch) -> dict[str, Tensor]:
        """`contrastive`, `entity` (times its weight), and `mask` (times lambda) from `mask_from` on."""
        settings = self.settings
        maps = batch.features or self.image.stem.maps(batch.images)
        found = self.image(maps)
        self._note(found)
        contrast = Contrast(
            batch, temperature_of(self.log_temperature), settings.mask_negatives, settings.sync
        )
        images = self.image_rows(found)
        losses = {"contrastive": contrast.pairs(images, embed(self.text, batch.captions))}
        if settings.objective != "none":
            losses["entity"] = settings.entity_weight * self._entity_loss(batch, found, images, contrast)
        if settings.mask_weight:
            losses["mask"] = settings.mask_weight * self._mask_loss(batch, maps, found)
        return losses

    forward = losses  # so that DDP can wrap it

    # L_entity

    def _entity_loss(self, batch: Batch, found: Grouped, images: Tensor, contrast: Contrast) -> Tensor:
        settings = self.settings
        names = batch.nouns if self.reads_nouns else batch.entities
        if settings.objective == "multi_label_contrastive":
            count = settings.num_prompts
            drawn, texts = prompted_names(batch.captions, names, count, settings.prompts, batch.seed)
            rows, has = text_rows(self.joint_texts, texts, count, images.device)
            return contrast.labels(images, rows, has, drawn, names)
        one = settings.objective == "one_entity"
        mask = mask_text(self.text)
        asked = completion(batch.captions, names, mask, settings.prompts, batch.seed, one)
        tokens = text_tokens(self.text, asked.masked)
        features = tokens.features if self.decoder is None else self.decoder(tokens, found.groups)
        assert self.completed is not None
        if settings.objective in MLM:
            logits = self.completed(features[tokens.masked])
            return self._masked_names(logits, tokens.masked, asked, batch)
        z_m = self.completed(tokens.whole(features)).float()  # [EOT], then the projection
        z_e = embed(self.text, asked.prompts)
        return contrast.completions(z_m, z_e, names, asked.answers)

    def _masked_names(self, rows: Tensor, masked: Tensor, asked: Completion, batch: Batch) -> Tensor:
        """Cross-entropy of each masked token over the entity set (Table 4, MLM).

        The classifier is tied to the text tower: an entity's row is the embedding of its name. All entities
        are masked, as in the first row of the table, so that the objective alone differs.

        Args:
            rows: (R, D) of the masked tokens; masked (B, M) says where they stand.
        """
        place = {name: index for index, name in enumerate(batch.entity_names)}
        counts = masked.sum(1).tolist()  # the tower may have cut a long caption
        target = [
            place.get(name, -1)
            for names, count in zip(asked.answers, counts, strict=True)
            for name in [*names, *[""] * count][:count]
        ]
        names = embed(self.text, batch.entity_names or ["?"])
        logits = F.normalize(rows.float(), dim=-1) @ names.T / temperature_of(self.log_temperature)
        wanted = torch.tensor(target, device=rows.device, dtype=torch.int64)
        known = (wanted >= 0).sum().clamp(min=1)
        unused = 0 * (logits.sum() + self._touch())
        return F.cross_entropy(logits, wanted, ignore_index=-1, reduction="sum") / known + unused

    def _touch(self) -> Tensor:
        """Zero that hangs on the decoder's weights: a worker whose batch masks nothing still takes part."""
        modules = [module for module in (self.decoder, self.completed) if module is not None]
        return sum((0 * p.sum() for module in modules for p in module.parameters()), torch.zeros(()))

    # L_mask

    def _mask_loss(self, batch: Batch, maps: list[Tensor], found: Grouped) -> Tensor:
        """Eq. 10-12 over the pairs of the batch; 0 before `mask_from`.

        Targets M are wholly the momentum model's; M^ takes the image features and the other image's groups
        of the online model (the paper marks no branch in Eq. 10; the authors' code takes the features of the
        momentum model there and only one half of Eq. 12).
        """
        settings = self.settings
        if self.momentum is not None and self.training:
            self.momentum.follow(self.image, batch.step)
        pairs = [(row, other) for row, other in enumerate(batch.partner) if other >= 0]
        if not pairs or batch.step < settings.mask_from * batch.steps:
            return 0 * found.groups.float().sum()
        rows, others = torch.tensor(pairs, device=found.groups.device).T
        names = [batch.shared[row] for row, _ in pairs]
        target = self._target(batch, maps, found)
        predicted, wanted = self._masks_of_pairs(found, target, rows, others, names, settings.ratio)
        return mask_consistency(predicted, wanted, settings.delta, settings.delta_of_peak)

    def _masks_of_pairs(
        self, found: Grouped, target: Grouped, rows: Tensor, others: Tensor, names: list[str], ratio: float
    ) -> tuple[Tensor, Tensor]:
        """Logits (P, K', L) of M^ and M (Eq. 10) on the images `rows`; M^ from the groups of `others`."""
        entities, logits = self._shared_entities(names), self.image.assignment.logits
        own = _pick(target.queries[rows], self._nearest(target.groups[rows], entities, ratio))
        cross = _pick(found.queries[others], self._nearest(found.groups[others], entities, ratio))
        return logits(cross, found.keys[rows]).transpose(1, 2), logits(own, target.keys[rows]).transpose(1, 2)

    @torch.no_grad()
    def picture(self, batch: Batch) -> dict[str, Tensor]:
        """`groups`, and of an image with a partner M (`own`) and M^ (`cross`) of Eq. 10, (B, h, w) uint8.

        Of its K' masks, that of the group nearest to the entity, 255 for a probability of one.
        """
        maps = batch.features or self.image.stem.maps(batch.images)
        found = self.image(maps)
        shown = {"groups": found.masks.argmax(1).to(torch.uint8)}
        rows = torch.tensor([row for row, other in enumerate(batch.partner) if other >= 0], dtype=torch.int64)
        if len(rows):
            others = torch.tensor(batch.partner)[rows]
            names = [batch.shared[row] for row in rows.tolist()]
            target = self._target(batch, maps, found)
            masks = self._masks_of_pairs(found, target, rows, others, names, ratio=0)
            for name, logits in zip(("cross", "own"), masks, strict=True):
                shown[name] = torch.zeros_like(shown["groups"])
                nearest = logits.sigmoid()[:, 0].unflatten(1, found.size)
                shown[name][rows] = (255 * nearest).round().to(torch.uint8)
        return shown

    @torch.no_grad()
    def _target(self, batch: Batch, maps: list[Tensor], found: Grouped) -> Grouped:
        """What gives the target masks: the momentum model, or the model itself (Table 10)."""
        if self.momentum is None:
            return found
        slow = self.momentum.model
        return slow(maps if self.image.stem.frozen else slow.stem.maps(batch.images))

    def _shared_entities(self, names: list[str]) -> Tensor:
        """(P, D) embeddings of the names in the first template of the set."""
        template = PROMPTS["single" if self.settings.prompts == "single" else "photo"][0]
        distinct = list(dict.fromkeys(names))
        with torch.no_grad():
            found = embed(self.text, [in_prompt([name], template) for name in distinct])
        return found[[distinct.index(name) for name in names]]

    def _nearest(self, groups: Tensor, names: Tensor, ratio: float) -> Tensor:
        """G_sub: which groups stand for the entity, compared in the joint space."""
        with torch.no_grad():
            return nearest_groups(self.project(groups), names, ratio)


def _pick(queries: Tensor, chosen: Tensor) -> Tensor:
    """(P, K, D) and indices (P, K') -> (P, K', D)."""
    return queries.gather(1, chosen[..., None].expand(-1, -1, queries.shape[-1]))
