"""Uploads: their content by every way it can take, what ends them, and what hung ones leave to others."""
import contextlib
import os

import fusefs
import pytest
from ftpclient import Ftp
from servers import wait_until

pytestmark = pytest.mark.ours


def binary(port, user="alice"):
    c = Ftp(port, user=user)
    c.expect(200, "TYPE I")
    return c


def evict(path):
    """Drops a file's pages from memory, so that reading it needs a thread."""
    with open(path, "rb") as f:
        os.fsync(f.fileno())
        os.posix_fadvise(f.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)


# --- a disk that hangs

@pytest.fixture
def hung(start):
    """A server and a file system below alice's home whose operations can be held."""
    if fusefs.reason():
        pytest.skip(fusefs.reason())
    s = start.prepare()
    with fusefs.SlowFs(s.mkdir("slow")) as slow:
        s.configure(AllowOverwrite="on", TimeoutLinger="1")
        s.start()
        yield s, slow
        for op in fusefs.OPERATIONS:
            slow.release(op)


def upload_begins(c, name, content):
    """Starts an upload and sends content without its end; returns the data socket."""
    data = c.start("STOR " + name)
    data.sendall(content)
    return data


@pytest.mark.root
@pytest.mark.timeout(60)
def test_uploads_to_a_disk_that_hangs_stop_nobody_else(hung):
    """More uploads hang than the pool has threads; the same process lists, opens, takes and gives other files, and reads
    from the file system that hangs in writing."""
    s, slow = hung
    content = os.urandom(300_000)
    s.put("other/f", content)
    s.put("slow/f", content)
    slow.hold("write")
    with contextlib.ExitStack() as stack:
        clients = [stack.enter_context(binary(s.port)) for _ in range(12)]
        sockets = [stack.enter_context(upload_begins(c, f"slow/{i}", b"x" * 5000)) for i, c in enumerate(clients)]
        wait_until(lambda: slow.held("write") >= 2, "uploads hang")
        with binary(s.port) as c:
            assert [line.split()[-1] for line in c.lines("LIST other")] == ["f"]
            assert c.read("RETR other/f") == content
            evict(s.home("alice", "other", "f"))
            assert c.read("RETR other/f") == content
            c.write("STOR other/g", content)
            assert c.read("RETR other/g") == content
            c.expect(213, "SIZE other/f")
            c.expect(250, "DELE other/g")
            assert "f" in [line.split()[-1] for line in c.lines("LIST slow")]
            assert c.read("RETR slow/f") == content
            c.expect(250, "DELE slow/f")
        assert slow.held("write") >= 2
        slow.release("write")
        for c, data in zip(clients, sockets):
            data.close()
            c.expect(226)
    for i in range(12):
        assert os.path.getsize(slow.backing(str(i))) == 5000


@pytest.mark.root
@pytest.mark.timeout(60)
def test_hung_uploads_can_be_aborted(hung):
    s, slow = hung
    slow.hold("write")
    with contextlib.ExitStack() as stack:
        clients = [stack.enter_context(binary(s.port)) for _ in range(8)]
        sockets = [stack.enter_context(upload_begins(c, f"slow/{i}", b"x" * 5000)) for i, c in enumerate(clients)]
        wait_until(lambda: slow.held("write") >= 2, "uploads hang")
        for c in clients:
            c.send("ABOR")
        slow.release("write")
        for c, data in zip(clients, sockets):
            c.expect(426)
            c.expect(226)
            data.close()


@pytest.mark.root
@pytest.mark.timeout(60)
def test_files_that_hang_at_their_end_stop_nobody_else(hung):
    s, slow = hung
    s.put("other/f", b"content")
    slow.hold("flush")
    with contextlib.ExitStack() as stack:
        clients = [stack.enter_context(binary(s.port)) for _ in range(8)]
        for i, c in enumerate(clients):
            upload_begins(c, f"slow/{i}", b"x" * 5000).close()
        wait_until(lambda: slow.held("flush") >= 2, "closing hangs")
        with binary(s.port) as c:
            assert [line.split()[-1] for line in c.lines("LIST other")] == ["f"]
            c.write("STOR other/g", b"more")
            assert c.read("RETR other/g") == b"more"
        slow.release("flush")
        for c in clients:
            c.expect(226)
