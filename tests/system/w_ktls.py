"""Kernel TLS. Few kernels that run tests have it, so this boots one that does: Debian's user-mode-linux, over this machine's root
file system. Server and clients run inside (uml/guest.py), once for all rows; each row is a test here.

By hand, some rows only:  KTLS_ROWS=cbc,rate pytest tests/system/w_ktls.py
"""
import json
import os
import sys

import pytest

from ftpsclient import make_certificate
from servers import ROOT

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.append(os.path.join(HERE, "uml"))

import boot  # noqa: E402
import rows  # noqa: E402

pytestmark = [pytest.mark.ours, pytest.mark.needs("strace"), pytest.mark.slow, pytest.mark.timeout(1000)]
SECONDS = 900
CHOSEN = [name for name in os.environ.get("KTLS_ROWS", "").split(",") if name] or rows.ROWS


def text(folder, name):
    try:
        with open(os.path.join(folder, name), encoding="utf-8", errors="replace") as f:
            return f.read()
    except FileNotFoundError:
        return ""


@pytest.fixture(scope="module")
def results(request, tmp_path_factory):
    """name -> what came out of it."""
    if boot.missing():
        pytest.skip(boot.missing())
    folder = str(tmp_path_factory.mktemp("uml"))
    os.mkdir(os.path.join(folder, "pki"))
    make_certificate(os.path.join(folder, "pki"), kind="ec")
    with open(os.path.join(folder, "job"), "w") as f:
        json.dump({"build": os.path.join(ROOT, request.config.getoption("--build")), "rows": CHOSEN}, f)
    console = boot.run(folder, os.path.join(HERE, "uml", "guest.py"), SECONDS)
    if not os.path.exists(os.path.join(folder, "output")):
        pytest.skip("user-mode-linux does not run here: " + " ".join(console.split())[-300:])
    made = {row["name"]: row for row in map(json.loads, text(folder, "results").splitlines())}
    made[None] = text(folder, "output")[-3000:] + console[-1000:]
    return made


@pytest.mark.parametrize("name", CHOSEN + [rows.END])
def test_kernel_tls(results, name):
    assert name in results, "it was not reached:\n" + results[None]
    assert results[name]["problem"] is None, results[name]["problem"]
