"""Text towers: names, words or captions in, one embedding each out.

Shape letters: T texts, L tokens of a text, D joint width.
"""

import difflib
from collections.abc import Callable, Mapping
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ovseg_core.models.settings import OPEN_CLIP, SMALL, TextSettings
from ovseg_core.models.tokenizer import PAD, UNKNOWN, WordTokenizer
from ovseg_core.models.weights import load_weights
from ovseg_core.params import ParamError

HEADS = 4
START = 0.01  # deviation of the embeddings of a tower without layers


class SmallText(nn.Module):
    """Word embeddings with positions through a small transformer; trained from scratch with the images.

    A word's own embedding, averaged over the text, is added to what the transformer says: single words train
    in a few hundred steps, and the transformer is left with what depends on order ("red fish", "fish red").

    Without layers a text is the mean of those of its words that are in the vocabulary. One that has none is
    the zero vector: it scores 0 everywhere, where a random one would score by luck.
    """

    vocabulary: Tensor

    def __init__(self, settings: TextSettings, words: list[str], embed_dim: int) -> None:
        super().__init__()
        self.tokenizer = WordTokenizer(words)
        width = settings.width
        self.embedding = nn.Embedding(len(self.tokenizer), width, padding_idx=PAD)
        self.position = nn.Parameter(torch.randn(self.tokenizer.max_words, width) * 0.5)
        self.gain = nn.Parameter(torch.tensor(0.1))
        layer = nn.TransformerEncoderLayer(
            width, HEADS, 2 * width, 0.0, "gelu", batch_first=True, norm_first=True
        )
        self.layers = nn.TransformerEncoder(layer, settings.layers, enable_nested_tensor=False)
        same = not settings.layers and width == embed_dim  # the words' table is the joint space
        self.project: nn.Module = nn.Identity() if same else nn.Linear(width, embed_dim)
        if not settings.layers:
            self._start_small()
        # 16 bytes that tell one vocabulary from another, kept with the weights
        mark = torch.tensor(list(bytes.fromhex(self.tokenizer.fingerprint)), dtype=torch.uint8)
        self.register_buffer("vocabulary", mark)
        self.register_load_state_dict_pre_hook(self._refuse_other_vocabulary)

    def _start_small(self) -> None:
        """Without layers, words start near nothing: their first gradients, towards what their images show,
        decide where they point. A rare word would else keep much of a random start."""
        with torch.no_grad():
            self.embedding.weight.mul_(START)
        if isinstance(self.project, nn.Linear):
            nn.init.orthogonal_(self.project.weight)
            nn.init.zeros_(self.project.bias)

    def start_from(self, vectors: Mapping[str, Tensor]) -> None:
        """Start single words of the vocabulary at (D,) `vectors`; the others stay where they are."""
        with torch.no_grad():
            for word in vectors.keys() & self.tokenizer.index.keys():
                self.embedding.weight[self.tokenizer.index[word]] = vectors[word]

    def forward(self, texts: list[str]) -> Tensor:
        """T texts -> (T, D). No texts give (0, D) that still hangs on the weights, as DDP wants."""
        ids = self.tokenizer(texts or ["?"]).to(self.embedding.weight.device)
        says = ids != PAD if self.layers.num_layers else ids > UNKNOWN
        real = says[..., None]
        word = self.embedding(ids)
        average = (word * real).sum(1) / real.sum(1).clamp(min=1)
        if self.layers.num_layers:
            hidden = self.layers(word + self.position[: ids.shape[1]], src_key_padding_mask=~real[..., 0])
            average = average + self.gain * (hidden * real).sum(1) / real.sum(1)
        return (self.project(average) * says.any(1, keepdim=True))[: len(texts)]

    def knows(self, text: str) -> bool:
        """Whether every word of `text` is in the vocabulary."""
        return bool((self.tokenizer([text]) != UNKNOWN).all())

    @staticmethod
    def _refuse_other_vocabulary(module: "SmallText", state: dict, prefix: str, *_: object) -> None:
        found = state.get(f"{prefix}vocabulary")
        if found is not None and not torch.equal(found.cpu(), module.vocabulary.cpu()):
            raise ValueError(
                "this checkpoint was trained with another vocabulary than the "
                f"{len(module.tokenizer)} words given here: build the model with the words of its config.json"
            )


class OpenClipText(nn.Module):
    """The text tower of any open_clip model, without its image side.

    Frozen, every text is embedded once and kept (the captions of a corpus share a few thousand words).
    """

    def __init__(self, settings: TextSettings, embed_dim: int) -> None:
        super().__init__()
        self.tower, self.tokenizer, width = _open_clip_tower(settings)
        self.frozen = settings.frozen
        self.tower.requires_grad_(not settings.frozen)
        self.project = nn.Linear(width, embed_dim) if width != embed_dim else nn.Identity()
        self.known: dict[str, Tensor] = {}

    def forward(self, texts: list[str]) -> Tensor:
        """T texts -> (T, D)."""
        raw = self._frozen(texts or ["?"]) if self.frozen else self._encode(texts or ["?"])
        return self.project(raw)[: len(texts)]

    def train(self, mode: bool = True) -> "OpenClipText":
        super().train(mode)
        if self.frozen:
            self.tower.eval()
        return self

    def _encode(self, texts: list[str]) -> Tensor:
        device = next(self.tower.parameters()).device
        return self.tower(self.tokenizer(texts).to(device))

    def _frozen(self, texts: list[str]) -> Tensor:
        new = [text for text in dict.fromkeys(texts) if text not in self.known]
        with torch.no_grad():
            for start in range(0, len(new), 256):
                part = new[start : start + 256]
                self.known |= zip(part, self._encode(part).float().cpu(), strict=True)
        device = next(self.tower.parameters()).device
        return torch.stack([self.known[text] for text in texts]).to(device)


def open_clip_config(settings: TextSettings) -> dict[str, Any]:
    """open_clip's description of the model that `model.text` names.

    Raises:
        ParamError: when it has none, or has no such pretrained weights.
    """
    import open_clip  # here: loading it takes seconds

    name, weights = settings.tower.removeprefix(OPEN_CLIP), settings.weights
    config = open_clip.get_model_config(name)
    if config is None:
        near = difflib.get_close_matches(name, open_clip.list_models(), 5) or ["see open_clip.list_models()"]
        raise ParamError(f"model.text.tower is {settings.tower!r}: open_clip has no {name!r}; near: {near}")
    if weights and not weights.endswith(".safetensors"):  # a tag: the user asks for a download
        known = open_clip.list_pretrained_tags_by_model(name)
        if weights not in known:
            raise ParamError(
                f"model.text.weights is {weights!r}; null, a .safetensors file, or a tag of {known}"
            )
    return dict(config)


def _open_clip_tower(settings: TextSettings) -> tuple[nn.Module, Callable[[list[str]], Tensor], int]:
    import open_clip
    from open_clip.model import CLIPTextCfg, _build_text_tower

    name, config = settings.tower.removeprefix(OPEN_CLIP), open_clip_config(settings)
    if "hf_model_name" in config["text_cfg"]:
        raise ParamError(
            f"model.text.tower is {settings.tower!r}, whose text side is a transformers model that would be "
            "fetched; take one of open_clip's own text towers"
        )
    weights = settings.weights
    if weights and not weights.endswith(".safetensors"):
        tower = _text_side(open_clip.create_model(name, pretrained=weights, force_custom_text=True))
    else:
        quick = config.get("quick_gelu", False)
        tower = _build_text_tower(config["embed_dim"], CLIPTextCfg(**config["text_cfg"]), quick)
    if weights and weights.endswith(".safetensors"):
        load_weights(
            tower, weights, "model.text.weights", may_lack=("attn_mask",), prefix=_prefix_of(weights)
        )
    return tower, open_clip.get_tokenizer(name), config["embed_dim"]


def _text_side(model: nn.Module) -> nn.Module:
    side = model.text
    assert isinstance(side, nn.Module)
    return side


def _prefix_of(path: str) -> str:
    # CustomTextCLIP keeps its text tower under `text.`; CLIP has the same names at the root.
    from ovseg_core.models.weights import read_tensors

    return "text." if any(k.startswith("text.") for k in read_tensors(path, "model.text.weights")) else ""


def build_text_tower(settings: TextSettings, words: list[str], embed_dim: int) -> nn.Module:
    """A module from lists of texts to (T, D) embeddings; `words` is the vocabulary of the small tower."""
    if settings.tower == SMALL:
        return SmallText(settings, words, embed_dim)
    return OpenClipText(settings, embed_dim)


def embed(tower: nn.Module, texts: list[str]) -> Tensor:
    """(T, D) float32 embeddings of unit length."""
    return F.normalize(tower(texts).float(), dim=-1)
