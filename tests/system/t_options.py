"""TransferOptions: what each word changes."""
import os

import pytest

from ftpclient import Ftp

pytestmark = pytest.mark.ours


@pytest.mark.parametrize("command", ["STOR", "APPE"])
@pytest.mark.parametrize("target", ["target", "missing"])
def test_an_upload_to_a_link_is_refused(start, command, target):
    server = start("AllowStoreRestart on")
    server.put("target", b"old")
    os.symlink(target, server.home("alice", "link"))
    with Ftp(server.port, user="alice") as c:
        c.binary()
        assert c.expect(550, command + " link").text == "550 link: Not a regular file"
        assert c.read("RETR target") == b"old"  # and downloads through links go on
    assert not os.path.exists(server.home("alice", "missing"))


def test_allow_symlink_upload_writes_to_the_target(start):
    server = start("TransferOptions AllowSymlinkUpload\nAllowStoreRestart on")
    server.put("target", b"old")
    for name in ("target", "missing"):
        os.symlink(name, server.home("alice", "to-" + name))
    with Ftp(server.port, user="alice") as c:
        c.binary()
        c.write("STOR to-target", b"new")
        c.write("APPE to-target", b"er")
        c.write("STOR to-missing", b"made")
        assert c.read("RETR target") == b"newer"
        assert c.read("RETR missing") == b"made"
    assert os.path.islink(server.home("alice", "to-target"))


def test_links_on_the_way_are_no_matter(start):
    server = start()
    server.mkdir("real")
    os.symlink("real", server.home("alice", "dir"))
    with Ftp(server.port, user="alice") as c:
        c.binary()
        c.write("STOR dir/f", b"x")
    assert os.path.exists(server.home("alice", "real", "f"))
