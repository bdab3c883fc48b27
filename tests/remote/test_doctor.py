"""`lorad doctor` of another box, and on a client that has nothing but itself."""

from __future__ import annotations

import json
import os
import tarfile

from remote.conftest import Box
from remote.test_thin import BLOCK


def verdicts(text: str) -> dict[str, str]:
    return {check["name"]: check["verdict"] for check in json.loads(text)["checks"]}


def test_what_the_daemon_there_tells(box: Box) -> None:
    box.daemon.env["LORAD_FAKE_GPUS"] = "1"
    box.daemon.start()
    told = box.lorad("--host", "box", "doctor", "--json")
    found = verdicts(told.stdout)
    assert told.returncode == 0, told.stdout
    assert found["daemon"] == found["disk"] == found["GPUs"] == "ok"
    assert found["GPU memory"] == "warning", "the fake card has a stranger on it"
    assert "answers on box" in told.stdout
    bundle = box.lorad("--host", "box", "bundle", "far.tar.gz")
    assert bundle.returncode == 0, bundle.stderr
    with tarfile.open(box.folder / "far.tar.gz") as archive:
        assert "lorad-bundle/daemon.log" in archive.getnames()


def test_a_box_that_is_not_reached_is_wrong(box: Box) -> None:
    told = box.lorad("--host", "nobody", "doctor", "--json")
    assert told.returncode == 1
    assert verdicts(told.stdout)["daemon"] == "wrong"
    assert "Could not resolve" in told.stdout


def test_a_thin_client_examines_itself(box: Box) -> None:
    """Whatever trains cannot be imported, nor the daemon's rooms: what is missing is said."""
    thin = box.folder / "thin"
    thin.mkdir()
    (thin / "sitecustomize.py").write_text(BLOCK)
    path = os.pathsep.join(filter(None, [str(thin), os.environ.get("PYTHONPATH")]))
    told = box.lorad("doctor", "--json", PYTHONPATH=path)
    found = verdicts(told.stdout)
    assert found["queue"] == found["GPUs"] == "warning"
    assert found["daemon"] == "ok"
    assert "could not be looked at" in told.stdout
