"""What tests of several folders share."""

import pytest

from pipelines import cluster


@pytest.fixture(scope="session")
def local_ray():
    """One local Ray for all tests that need it: starting it takes seconds."""
    with cluster.connect(cluster.ClusterSettings(num_cpus=4, workers=2, trainings=1)):
        yield
