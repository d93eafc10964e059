"""The toy web as a data source: URLs with captions, the site behind them, labelled scenes, two benchmarks."""

from collections import Counter
from collections.abc import Iterator
from functools import partial

import numpy as np
import pyarrow as pa
from tqdm import tqdm

from ovseg_core import files, shards
from ovseg_core.processes import map_numbers
from ovseg_core.run_log import RunLog
from ovseg_core.web import captions, contact_sheet, faults, world
from ovseg_core.web.benchmark_writer import Annotated, Description, write_benchmark
from ovseg_core.web.labelled import Labelled, write_labelled
from ovseg_core.web.settings import WebFolders, WebSettings
from ovseg_core.web.site import HOST, Page, write_site
from ovseg_core.web.world import STUFF, THINGS, Scene

SOURCE = "toy"
LICENCES = ["CC0-1.0", "CC-BY-4.0", "CC-BY-SA-4.0", "unknown"]
CLASSES = [*THINGS, *STUFF]
UNTIDY = 0.01  # share of captions that say nothing, as on the web
PROTOCOL = (
    "All 24 class names compete for every pixel (no background class); pixels of segments with fewer than 12 "
    "visible pixels are void. Held-out scenes show only colour-thing pairs that never occur in training."
)


class ToyWeb:
    """Collects the pictures behind the URLs and remembers the rows of the URL list."""

    def __init__(self, settings: WebSettings) -> None:
        self.settings = settings
        self.rows: list[dict[str, str]] = []
        self.faults: Counter[str] = Counter()

    def pages(self) -> Iterator[Page]:
        """What the site serves, in the order of the URLs."""
        count = self.settings.toy.scenes - self.settings.toy.num_labelled
        drawn = map_numbers(partial(Drawn, self.settings), count)
        for scene in tqdm(drawn, desc="web: scenes", unit="scene", total=count):
            self.rows += scene.rows
            self.faults.update(scene.faults)
            yield from scene.pages


class Drawn:
    """One captioned scene: the pages that show it, and their rows of the URL list."""

    def __init__(self, settings: WebSettings, index: int) -> None:
        self.port = settings.port
        self.rows: list[dict[str, str]] = []
        self.faults: list[str] = []
        rng = world.scene_rng(settings.seed, "captioned", index)
        scene = world.draw_scene(rng, settings.toy.side)
        self.pages = list(self._pages_of(rng, scene, index))

    def _pages_of(self, rng: np.random.Generator, scene: Scene, index: int) -> Iterator[Page]:
        fault = faults.draw(rng, faults.FAULTS)
        licence = LICENCES[int(rng.integers(len(LICENCES)))]
        path = f"/pictures/{index // 1000:03d}/{index:07d}.jpg"
        untidy = captions.untidy(rng) if rng.random() < UNTIDY else None
        self._add(path, scene.caption if untidy is None else untidy, licence, fault)
        yield from faults.page(rng, fault, path, scene.image)
        if (again := faults.draw(rng, faults.COPIES)) != "ok":
            path = f"/mirror/{index:07d}.jpg"
            self._add(path, world.describe(rng, scene), licence, again)
            yield faults.copy(rng, again, path, scene.image)

    def _add(self, path: str, caption: str, licence: str, fault: str) -> None:
        url = f"http://{HOST}:{self.port}{path}"
        self.rows.append({"url": url, "caption": caption, "licence": licence, "source": SOURCE})
        self.faults.append(fault)


def write_toy(settings: WebSettings, folders: WebFolders, log: RunLog) -> None:
    """The source `toy` of the stage `web`."""
    toy, seed, out = settings.toy, settings.seed, folders.web
    web = ToyWeb(settings)
    write_site(files.join(out, "site.parquet"), web.pages(), settings.port)
    shards.write_table(files.join(out, "urls.parquet"), pa.Table.from_pylist(web.rows))
    write_labelled(folders.labelled, _labelled(seed, toy.num_labelled, toy.side))
    for name, scenes in (("toy-val", toy.val_scenes), ("toy-test", toy.test_scenes)):
        images = _benchmark(seed, name, scenes, toy.held_out_scenes, toy.side)
        write_benchmark(files.join(folders.benchmarks, name), _description(name), images)
    files.write_bytes(files.join(out, "world.png"), contact_sheet.draw(seed))
    held_out = sorted(world.held_out_pairs())
    about = {"source": SOURCE, "things": THINGS, "stuff": STUFF, "held_out": held_out}
    files.write_json(files.join(out, "world.json"), {**about, "fingerprint": files.fingerprint(settings)})
    log.items, log.unit = toy.scenes + toy.val_scenes + toy.test_scenes + 2 * toy.held_out_scenes, "scenes"
    log.facts |= {"urls": len(web.rows), "labelled": toy.num_labelled, "faults": dict(web.faults)}


def _labelled(seed: int, number: int, side: int) -> Iterator[Labelled]:
    drawn = map_numbers(partial(_labelled_scene, seed, side), number)
    yield from tqdm(drawn, desc="web: labelled", unit="scene", total=number)


def _labelled_scene(seed: int, side: int, index: int) -> Labelled:
    scene = world.draw_scene(world.scene_rng(seed, "labelled", index), side)
    return Labelled(
        id=str(index),
        jpeg=faults.jpeg(scene.image),
        segments=scene.segments,
        caption=scene.caption,
        licence=LICENCES[0],
        source=SOURCE,
    )


def _benchmark(seed: int, name: str, scenes: int, held_out_scenes: int, side: int) -> Iterator[Annotated]:
    for index in range(scenes + held_out_scenes):
        held_out = index >= scenes
        scene = world.draw_scene(world.scene_rng(seed, name, index), side, held_out=held_out)
        class_of = np.array([-1, *map(CLASSES.index, scene.names)])
        yield Annotated(
            id=f"{name}-{index:05d}",
            jpeg=faults.jpeg(scene.image),
            classes=class_of[scene.ids],
            held_out=held_out,
        )


def _description(name: str) -> Description:
    names = [f"{c}, {captions.SYNONYMS[c]}" if c in captions.SYNONYMS else c for c in CLASSES]
    kinds = ["thing"] * len(THINGS) + ["stuff"] * len(STUFF)
    return Description(name=name, names=names, kinds=kinds, protocol=PROTOCOL)
