"""A loader over a small corpus, for the tests of loading."""

from training_sections import data_settings

from ovseg_core.training.corpus import DataFolders, read_streams
from ovseg_core.training.loader import Loader, StreamReader
from ovseg_core.training.plan import StreamPlan
from ovseg_core.training.shard_cache import ShardCache


def loader(root, part_size=8, rank=0, world=1, features=None, names=(), budget=2**20, **changes) -> Loader:
    settings, folders = data_settings(**changes), DataFolders(str(root))
    readers = {}
    for labelled, stream in read_streams(folders, settings).items():
        pseudo = None if labelled or not settings.pseudo else f"{root}/pseudo/{settings.pseudo}"
        plan = StreamPlan(stream.shard_of, (0, int(labelled)), rank, world, settings.window)
        readers[labelled] = StreamReader(stream, plan, settings, 0, ShardCache(pseudo, features, budget))
    return Loader(readers, part_size, list(names), (0, rank))


def parts(made: Loader, first: int, last: int) -> list:
    found = list(made.batches(first, last))
    made.close()
    return found
