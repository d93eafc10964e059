"""Training of the embedded tagger from a treebank; `network` runs what comes out.

The weights that come with the package are made by `ovseg train-tagger FOLDER --output FILE` from Universal
Dependencies English EWT 2.15, its training part alone: see `tagger.md`. On machines of one type the same
treebank gives the same bytes.
"""

import logging
import random
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ovseg_core.text import network
from ovseg_core.text.features import AT_LEAST, NAMES, Index, describe, tables
from ovseg_core.text.lexicon import Lexicon
from ovseg_core.text.network import UPOS, WINDOW
from ovseg_core.text.tagger_data import MADE_UP_TAGS, PALETTE, Examples
from ovseg_core.text.treebank import Sentence, read

logger = logging.getLogger(__name__)
EPOCHS, BATCH = 10, 48  # sentences a batch
WIDTH, HIDDEN = 96, 128
PEAK_LR, WARMUP = 2e-3, 200
WORD_DROPOUT = 0.15  # of the feature `word`: what is left has to do for words that the treebank lacks
DROPOUT, SMOOTHING = 0.3, 0.05
FINE_WEIGHT = 0.5  # of the loss of the treebank's own, finer tags, whose output is thrown away
IGNORE = -100


class Model(nn.Module):
    """The network of `network`, with a second output for the treebank's own tags."""

    def __init__(self, num_rows: int, num_fine: int) -> None:
        super().__init__()
        self.embedding = nn.Embedding(num_rows, WIDTH)
        nn.init.normal_(self.embedding.weight, std=0.1)
        self.embedding_bias = nn.Parameter(torch.zeros(WIDTH))
        self.window = nn.Parameter(torch.empty(2 * WINDOW + 1, WIDTH, HIDDEN))
        nn.init.uniform_(self.window, -(WIDTH**-0.5), WIDTH**-0.5)
        self.hidden_bias = nn.Parameter(torch.zeros(HIDDEN))
        self.out, self.fine = nn.Linear(HIDDEN, len(UPOS)), nn.Linear(HIDDEN, num_fine)
        self.drop = nn.Dropout(DROPOUT)

    def forward(self, rows: Tensor, valid: Tensor) -> tuple[Tensor, Tensor]:
        """Logits (B, L, T) of both outputs, from rows (B, L, F) of the words' features and (B, L) bool."""
        embedded = self.embedding(rows)
        if self.training:
            kept = torch.rand(rows.shape[:2]) >= WORD_DROPOUT
            first = embedded[:, :, :1] * kept[..., None, None]
            embedded = torch.cat([first, embedded[:, :, 1:]], 2)
        words = self.drop(F.relu(embedded.sum(2) + self.embedding_bias)) * valid[..., None]
        padded = F.pad(words, (0, 0, WINDOW, WINDOW))
        length = rows.shape[1]
        hidden = self.hidden_bias + sum(
            padded[:, k : k + length] @ self.window[k] for k in range(2 * WINDOW + 1)
        )
        hidden = self.drop(F.relu(hidden))
        return self.out(hidden), self.fine(hidden)

    def weights(self) -> dict[str, np.ndarray]:
        """What `network.save` takes."""
        named = {
            "embedding": self.embedding.weight,
            "embedding_bias": self.embedding_bias,
            "window": self.window,
            "hidden_bias": self.hidden_bias,
            "out": self.out.weight.T,
            "out_bias": self.out.bias,
        }
        return {name: tensor.detach().numpy() for name, tensor in named.items()}


class Encoder:
    """Sentences to tensors."""

    def __init__(self, sentences: list[Sentence], lexicon: Lexicon) -> None:
        self.lexicon = lexicon
        counts = Counter(token.form for sentence in sentences for token in sentence)
        counts.update(dict.fromkeys(PALETTE, AT_LEAST["word"]))
        self.values = tables(counts, self.lexicon)
        self.index = Index(self.values)
        tags = {token.xpos for sentence in sentences for token in sentence}
        self.fine = {tag: i for i, tag in enumerate(sorted(tags | MADE_UP_TAGS))}
        self.known: dict[str, list[int]] = {}

    def rows(self, word: str) -> list[int]:
        if word not in self.known:
            self.known[word] = self.index.of(describe(word, self.lexicon))
        return self.known[word]

    def batch(self, sentences: list[Sentence]) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Rows (B, L, F), valid (B, L), and both truths (B, L), IGNORE where there is no word."""
        shape = (len(sentences), max(map(len, sentences)))
        rows = np.zeros((*shape, len(NAMES)), np.int64)
        truth, fine = np.full(shape, IGNORE), np.full(shape, IGNORE)
        for i, sentence in enumerate(sentences):
            rows[i, : len(sentence)] = [self.rows(token.form) for token in sentence]
            truth[i, : len(sentence)] = [UPOS.index(token.upos) for token in sentence]
            fine[i, : len(sentence)] = [self.fine[token.xpos] for token in sentence]
        valid = torch.from_numpy(truth != IGNORE)
        return torch.from_numpy(rows), valid, torch.from_numpy(truth), torch.from_numpy(fine)


def train(treebank: list[Sentence], output: Path | str, seed: int = 0, epochs: int = EPOCHS) -> None:
    """Train on sentences and write the weights."""
    rng = random.Random(seed)
    before = torch.get_num_threads()
    torch.set_num_threads(1)  # sums in one order
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        lexicon = Lexicon()
        examples, encoder = Examples(treebank, lexicon), Encoder(treebank, lexicon)
        model = Model(encoder.index.size, len(encoder.fine))
        plan = [_batches(examples.epoch(rng), rng) for _ in range(epochs)]
        _fit(model, encoder, plan)
    torch.set_num_threads(before)
    network.save(output, encoder.values, model.weights())


def _batches(sentences: list[Sentence], rng: random.Random) -> list[list[Sentence]]:
    """Sentences of about one length together, in any order."""
    ordered = sorted(sentences, key=lambda sentence: len(sentence) + 3 * rng.random())
    batches = [ordered[i : i + BATCH] for i in range(0, len(ordered), BATCH)]
    rng.shuffle(batches)
    return batches


def _fit(model: Model, encoder: Encoder, plan: list[list[list[Sentence]]]) -> None:
    steps = sum(map(len, plan))
    optimizer = torch.optim.AdamW(model.parameters(), lr=PEAK_LR, weight_decay=0.01, betas=(0.9, 0.98))
    schedule = torch.optim.lr_scheduler.LambdaLR(
        optimizer, lambda step: min(1, (step + 1) / WARMUP) * max(0.02, 1 - step / steps)
    )
    for epoch, losses in enumerate(_steps(model, encoder, plan, optimizer, schedule)):
        logger.info("epoch %d of %d: loss %.4f", epoch + 1, len(plan), np.mean(losses))


def _steps(
    model: Model,
    encoder: Encoder,
    plan: list[list[list[Sentence]]],
    optimizer: torch.optim.Optimizer,
    schedule: torch.optim.lr_scheduler.LRScheduler,
) -> Iterator[list[float]]:
    for batches in plan:
        losses = []
        for sentences in batches:
            rows, valid, truth, fine = encoder.batch(sentences)
            scores, fine_scores = model(rows, valid)
            loss = _loss(scores, truth) + FINE_WEIGHT * _loss(fine_scores, fine)
            optimizer.zero_grad()
            loss.backward()
            nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            optimizer.step()
            schedule.step()
            losses.append(loss.item())
        yield losses


def _loss(scores: Tensor, truth: Tensor) -> Tensor:
    return F.cross_entropy(
        scores.flatten(0, 1), truth.flatten(), ignore_index=IGNORE, label_smoothing=SMOOTHING
    )


def read_training_part(folder: Path) -> list[Sentence]:
    """The sentences of every `*-train.conllu` of a treebank's folder.

    Raises:
        ValueError: when the folder has none.
    """
    paths = sorted(folder.glob("*train.conllu"))
    if not paths:
        raise ValueError(f"{folder} holds no *train.conllu; a folder of Universal Dependencies has one")
    return [sentence for path in paths for _, sentence in read(path)]
