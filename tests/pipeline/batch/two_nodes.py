"""A batch on a Ray cluster of two nodes that comes to grief: `… two_nodes MANIFEST`. Linux only.

One worker is killed, and then a node is taken away, while units are made.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
from pathlib import Path

from pipeline.batch.store import UnitStore
from pipeline.cli import main
from pipeline.console import tell

os.environ["RAY_USAGE_STATS_ENABLED"] = "0"


def workers() -> list[int]:
    """Return the processes that make units, of clusters that this process began."""
    found = []
    for path in Path("/proc").glob("[0-9]*"):
        try:
            name = (path / "cmdline").read_bytes()
            if name.startswith(b"ray::_Worker.make") and os.getpid() in _ancestors(int(path.name)):
                found.append(int(path.name))
        except OSError:
            continue
    return found


def _ancestors(pid: int) -> list[int]:
    above = []
    while pid > 1:
        status = Path(f"/proc/{pid}/stat").read_text()
        pid = int(status.rpartition(")")[2].split()[1])
        above.append(pid)
    return above


def run(manifest: Path, work: Path) -> int:
    """Make a batch, with both misfortunes; return its exit code."""
    from ray.cluster_utils import Cluster

    cluster = Cluster(
        initialize_head=True, head_node_args={"num_cpus": 1, "include_dashboard": False}
    )
    other = cluster.add_node(num_cpus=2, include_dashboard=False)
    os.environ["RAY_ADDRESS"] = cluster.address
    befell: list[str] = []

    def disturb() -> None:
        _wait_for(work, 2)
        while not (there := workers()):
            time.sleep(0.05)
        os.kill(there[0], signal.SIGKILL)
        befell.append(f"worker {there[0]} killed")
        _wait_for(work, 5)
        cluster.remove_node(other, allow_graceful=False)
        befell.append(f"node taken away with {len(list(UnitStore(work).all()))} units kept")

    thread = threading.Thread(target=disturb, daemon=True)
    thread.start()
    code = main(["run", str(manifest), "--on", "ray", "--threads", "1"])
    thread.join(5)
    cluster.shutdown()
    tell("; ".join(befell))
    return code if len(befell) == 2 else 1


def _wait_for(work: Path, units: int) -> None:
    while len(list(UnitStore(work).all())) < units:
        time.sleep(0.05)


if __name__ == "__main__":
    raise SystemExit(run(Path(sys.argv[1]), Path(sys.argv[1]).parent / "work"))
