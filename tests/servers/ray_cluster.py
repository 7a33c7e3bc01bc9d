"""A Ray cluster of two nodes, each of one processor, on this machine's loopback interface."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

LOOPBACK = "127.0.0.1"
# Ray takes the machine's own address for the loopback's unless it believes that it is alone here.
ENVIRONMENT = {"RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0", "RAY_USAGE_STATS_ENABLED": "0"}
NODE = {
    "num_cpus": 1,
    "node_ip_address": LOOPBACK,
    "object_store_memory": 80 << 20,  # bytes, nearly the least
    "include_dashboard": False,
    "include_log_monitor": False,
}


@contextmanager
def ray_cluster() -> Iterator[str]:
    """Its address. The environment holds for the test's own connection as well."""
    # A socket's path has 107 bytes at most: too few for a test's own folder.
    folder = Path(tempfile.mkdtemp(prefix="ray-"))
    # Where Ray writes a cluster's address, too: it takes for granted that this is there.
    temporary = folder / "ray"
    temporary.mkdir()
    with pytest.MonkeyPatch.context() as patch:
        for name, value in {**ENVIRONMENT, "RAY_TMPDIR": str(folder)}.items():
            patch.setenv(name, value)
        from ray.cluster_utils import Cluster

        head = {**NODE, "temp_dir": str(temporary), "no_monitor": True}
        # without types
        cluster: Any = Cluster(initialize_head=True, head_node_args=head)
        try:
            cluster.add_node(**NODE)
            yield cluster.address
        finally:
            cluster.shutdown()
            shutil.rmtree(folder, ignore_errors=True)
