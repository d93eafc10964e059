"""Ray Train workers as one torch.distributed group, without torch in the driver and the controller.

`TorchTrainer` would import torch in both (seconds of every training stage); this is the trainer it is made
of, with its own small backend.
"""

import socket
from dataclasses import dataclass
from typing import Any

from ray.train.backend import Backend, BackendConfig
from ray.train.v2._internal.callbacks.datasets import DatasetsCallback
from ray.train.v2._internal.callbacks.placement_group_callback import PlacementGroupCleanerCallback
from ray.train.v2._internal.execution.scaling_policy.fixed import FixedScalingPolicy
from ray.train.v2.api.data_parallel_trainer import DataParallelTrainer

from pipelines.cluster import on_cluster


@dataclass
class GroupConfig(BackendConfig):
    """Backend of `LeanTrainer`: gloo between processors, NCCL between GPUs; nothing for a single worker."""

    use_gpu: bool = False

    @property
    def backend_cls(self) -> type[Backend]:
        return GroupBackend


class GroupBackend(Backend):
    """Brings torch.distributed up on every worker, and down again."""

    share_cuda_visible_devices = True

    def on_start(self, worker_group: Any, backend_config: BackendConfig) -> None:
        """Called by the controller once the workers are up, also after a restart."""
        import ray

        world = len(worker_group)
        if world == 1:
            return
        address = worker_group.execute_single(0, free_address)
        backend = "nccl" if getattr(backend_config, "use_gpu", False) else "gloo"
        ray.get(
            [
                worker_group.execute_single_async(rank, join, address, backend, rank, world)
                for rank in range(world)
            ]
        )

    def on_shutdown(self, worker_group: Any, backend_config: BackendConfig) -> None:
        """Called by the controller before the workers go."""
        if len(worker_group) > 1:
            worker_group.execute_async(leave)


def free_address() -> str:
    """tcp://host:port of this worker, at a port that is free."""
    import ray

    with socket.socket() as probe:
        probe.bind(("", 0))
        return f"tcp://{ray.util.get_node_ip_address()}:{probe.getsockname()[1]}"


def join(address: str, backend: str, rank: int, world: int) -> None:
    """Enter the group; returns when all workers have."""
    import torch.distributed as dist

    dist.init_process_group(backend, init_method=address, rank=rank, world_size=world)


def leave() -> None:
    """Leave the group."""
    import torch.distributed as dist

    if dist.is_initialized():
        dist.destroy_process_group()


class LocalScaling(FixedScalingPolicy):
    """A fixed number of workers, without asking for nodes: a local Ray has one.

    The actor that would be asked takes seconds to start, and up to five to be given up where a machine is
    busy.
    """

    def _send_resource_request(self) -> None:
        pass

    _maybe_send_resource_request = _send_resource_request
    _cancel_resource_request = _send_resource_request


class LeanTrainer(DataParallelTrainer):
    """Ray Train's data-parallel trainer without the actors that have nothing to do here; each costs seconds.

    Never wanted: the manager of Ray Data, since workers read shards themselves. On a local Ray neither: the
    request for nodes (`LocalScaling`), and the cleaner that outlives a dead controller, since Ray itself ends
    with the stage. The names with an underscore are Ray's own; its version is pinned.
    """

    def _create_default_callbacks(self) -> list[Any]:
        idle = (DatasetsCallback,) if on_cluster() else (DatasetsCallback, PlacementGroupCleanerCallback)
        return [c for c in super()._create_default_callbacks() if not isinstance(c, idle)]

    def _initialize_and_run_controller(self, **arguments: Any) -> Any:
        if not on_cluster():
            arguments["scaling_policy"] = LocalScaling(arguments["scaling_policy"].scaling_config)
        return super()._initialize_and_run_controller(**arguments)
