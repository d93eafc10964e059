"""GroupViT (Xu et al., CVPR 2022, arXiv:2202.11094): two merges, contrast with captions and prompted nouns.

Shape letters: B images, N nouns of a caption, D joint width.
"""

import torch
from torch import Tensor, nn

from ovseg_core.methods.contrast import Contrast, text_rows
from ovseg_core.methods.grouping import Projection, Reading, temperature_of
from ovseg_core.methods.grouping_settings import GroupViTSettings
from ovseg_core.methods.prompting import prompted_names
from ovseg_core.models.group_encoder import GroupViT as GroupViTEncoder
from ovseg_core.models.settings import ModelSettings
from ovseg_core.models.text_towers import build_text_tower, embed
from ovseg_core.records import Batch


class GroupViT(Reading, nn.Module):
    """L = L_contrast + L_multi_label (its Sec. 3.2)."""

    Settings = GroupViTSettings
    starts_from = ("simclr",)  # what makes the tokens
    reads_nouns = True

    def __init__(self, settings: GroupViTSettings, model: ModelSettings, words: list[str]) -> None:
        super().__init__()
        self.settings = settings
        self.image = GroupViTEncoder(model.image, settings.num_groups, settings.layers, settings.positions)
        self.text = build_text_tower(model.text, words, model.embed_dim)
        self.project = Projection(settings.projection, self.image.width, model.embed_dim)
        self.project_text: nn.Module = nn.Identity()
        if settings.projection == "mlp":
            self.project_text = Projection("mlp", model.embed_dim, model.embed_dim)
        self.log_temperature = nn.Parameter(torch.tensor(0.07).log())
        self.log_label_temperature = nn.Parameter(torch.tensor(0.07).log()) if settings.num_prompts else None

    def losses(self, batch: Batch) -> dict[str, Tensor]:
        """`contrastive`, and with nouns `multi_label`."""
        settings = self.settings
        noise = torch.Generator(batch.images.device).manual_seed(batch.seed) if self.training else None
        found = self.image(batch.features or self.image.stem.maps(batch.images), noise)
        self._note(found)
        images = self.image_rows(found)
        temperature = temperature_of(self.log_temperature)
        contrast = Contrast(batch, temperature, settings.mask_negatives, settings.sync)
        losses = {"contrastive": contrast.pairs(images, self.joint_texts(batch.captions))}
        if self.log_label_temperature is not None:
            count, nouns = settings.num_prompts, batch.nouns
            drawn, texts = prompted_names(batch.captions, nouns, count, settings.prompts, batch.seed)
            rows, has = text_rows(self.joint_texts, texts, count, images.device)
            contrast.temperature = temperature_of(self.log_label_temperature)
            losses["multi_label"] = contrast.labels(images, rows, has, drawn, nouns)
        return losses

    forward = losses  # so that DDP can wrap it

    def joint_texts(self, texts: list[str]) -> Tensor:
        """(T, D) of unit length."""
        if isinstance(self.project_text, nn.Identity):
            return embed(self.text, texts)
        return torch.nn.functional.normalize(self.project_text(self.text(texts)), dim=-1)
