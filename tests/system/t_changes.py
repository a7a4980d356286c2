"""Files that change while they are sent, on every path and at every phase."""
import os
import random
import re
import socket
import threading

import pytest

from ftpclient import Ftp, read_all
from servers import PATIENCE_S, wait_until

pytestmark = pytest.mark.ours

SIZE = 12_000_123              # far more than the sockets hold: the end is never sent before the client reads
ABOVE = SIZE - 1_000_077       # a length that the server has not reached when the client pauses
LINES = 1 << 20
_random = random.Random(31)
_block = bytes(_random.choices([b for b in range(1, 256) if b != 13], k=LINES))  # no NUL, no CR
OLD = _block * (SIZE // LINES) + _block[:SIZE % LINES]
NEW = _block[:65_536][::-1] * (SIZE // 65_536) + b"n" * (SIZE % 65_536)

# Path: server configuration, TYPE
PATHS = {
    "sendfile": ("", "I"),
    "chunks": ("UseSendfile 64 KB", "I"),
    "copy": ("UseSendfile off", "I"),
    "ascii": ("", "A"),
    "mapped": ("UseSendfile off\nTransferMMapEngine on", "I"),
}


def sent(content, type_):
    return content if type_ == "I" else content.replace(b"\n", b"\r\n")


class Case:
    def __init__(self, start, path):
        conf, self.type = PATHS[path]
        self.may_be_cleared = path in ("sendfile", "chunks", "mapped")
        self.server = start(conf)
        self.file = self.server.put("big", OLD)
        self.server.put("other", OLD[:100_000])
        self.client = Ftp(self.server.port, user="alice")
        self.client.expect(200, "TYPE " + self.type)
        self.records = 0

    def record(self):
        """Waits for the next line of the xferlog; its (complete, bytes)."""
        self.records += 1
        wait_until(lambda: self.server.text("xferlog").count("\n") >= self.records, "the record of the transfer")
        fields = self.server.text("xferlog").splitlines()[self.records - 1].split()
        return fields[-1], int(fields[7])

    def data(self):
        host, port = self.client.epsv()
        sock = socket.socket()
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65_536)  # before connect, so that it counts
        sock.settimeout(PATIENCE_S)
        sock.connect((host, port))
        return sock

    def alive(self):
        """The session is well: it answers, and the next download is right."""
        self.client.expect(200, "NOOP")
        assert self.client.read("RETR other") == sent(OLD[:100_000], self.type)
        assert self.record()[0] == "c"


@pytest.fixture(params=PATHS)
def case(request, start):
    case = Case(start, request.param)
    yield case
    case.client.close()


# --- what is done to the file; path -> None

def grow(path):
    with open(path, "ab") as f:
        f.write(NEW[:3_000_000])


def cut_below(path):
    os.truncate(path, 1000)


def cut_to_nothing(path):
    os.truncate(path, 0)


def cut_above(path):
    os.truncate(path, ABOVE)


def cut_in_last_page(path):
    os.truncate(path, SIZE - 100)


def replace(path):
    with open(path + ".new", "wb") as f:
        f.write(NEW)
    os.chmod(path + ".new", 0o644)
    os.rename(path + ".new", path)


def overwrite(path):
    with open(path, "r+b") as f:
        f.write(NEW)


def unlink(path):
    os.unlink(path)


def cut_and_restore(path):
    """Away and back at once: the length is right whenever the server looks, or it saw the end."""
    os.truncate(path, SIZE - 500_000)
    with open(path, "r+b") as f:
        f.truncate(SIZE)


# change: (code, length up to which the source is sent or None for "somewhere", is what is sent the old content)
PAUSED = {
    grow: (226, SIZE, True),
    cut_below: (451, None, True),
    cut_to_nothing: (451, None, True),
    cut_above: (451, ABOVE, True),
    cut_in_last_page: (451, SIZE - 100, True),
    replace: (226, SIZE, True),
    overwrite: (226, SIZE, False),
    unlink: (226, SIZE, True),
    cut_and_restore: (226, SIZE, False),
}
BEGIN = {
    grow: (226, SIZE, True),
    cut_below: (451, 1000, True),
    cut_to_nothing: (451, 0, True),
    cut_above: (451, ABOVE, True),
    replace: (226, SIZE, True),
    unlink: (226, SIZE, True),
}


def check(case, got, expected):
    code, length, old = expected
    case.client.expect(code)
    complete, count = case.record()
    assert complete == ("c" if code == 226 else "i")
    if length is None:
        whole = sent(OLD, case.type)
        assert len(got) < SIZE
        if case.may_be_cleared:
            # The kernel sends pages, not copies of them: cutting a file clears what is on its way of its last pages. A
            # mapping shows the cleared page until the file's new length is seen.
            assert all(a in (b, 0) for a, b in zip(got, whole))
        else:
            assert whole.startswith(got)
    elif old:
        assert got == sent(OLD[:length], case.type)
    else:
        assert case.type == "A" or len(got) == length
    if case.type == "I":
        assert count == len(got)
    case.alive()


@pytest.mark.parametrize("change", PAUSED, ids=lambda f: f.__name__)
def test_while_the_client_pauses(case, change):
    with case.data() as data:
        case.client.expect(150, "RETR big")
        got = read_all(data, 200_000)
        change(case.file)
        got += read_all(data)
    check(case, got, PAUSED[change])
    if PAUSED[change][0] == 451:
        said = re.search(r"'/big' became shorter while it was sent: (\d+) bytes of (\d+) were there \(does the client store",
                         case.server.text("system.log"))
        assert said and int(said[1]) < SIZE and int(said[2]) == SIZE


@pytest.mark.parametrize("change", BEGIN, ids=lambda f: f.__name__)
def test_after_150_before_the_first_byte(case, change):
    host, port = case.client.epsv()
    case.client.expect(150, "RETR big")  # comes before the connection when that takes its time
    change(case.file)
    with socket.create_connection((host, port), PATIENCE_S) as data:
        got = read_all(data)
    check(case, got, BEGIN[change])


@pytest.mark.parametrize("change", [cut_above, replace, grow], ids=lambda f: f.__name__)
def test_before_it_is_opened(case, change):
    assert case.client.read("RETR other") == sent(OLD[:100_000], case.type)
    case.record()
    change(case.file)
    with open(case.file, "rb") as f:
        now = f.read()
    assert case.client.read("RETR big") == sent(now, case.type)
    assert case.record()[0] == "c"


def test_a_file_that_shrinks_byte_by_byte_while_many_read(case):
    """The last bytes go while they are sent: never more than was there, and every session survives."""
    path = case.server.put("small", OLD[:50_000])
    clients = [Ftp(case.server.port, user="alice") for _ in range(4)]
    for c in clients:
        c.expect(200, "TYPE " + case.type)
    for size in range(49_990, 49_900, -30):
        datas = []
        for c in clients:
            datas.append(c.data())
            c.send("RETR small")
        os.truncate(path, size)
        for c, data in zip(clients, datas):
            c.expect(150)
            with data:
                got = read_all(data)
            assert sent(OLD[:50_000], case.type).startswith(got[:size]), len(got)
            c.expect((226, 451))
    for c in clients:
        c.expect(200, "NOOP")
        c.close()


# --- onto its own path

class Saver(threading.Thread):
    """Reads a data connection and stores what comes in a file that it opens as a client on the same host does."""

    def __init__(self, data, path, flags):
        super().__init__(daemon=True)
        self.data, self.got = data, 0
        first = data.recv(65_536)
        self.fd = os.open(path, os.O_WRONLY | flags)
        self.store(first)
        self.start()

    def store(self, part):
        os.write(self.fd, part)
        self.got += len(part)

    def run(self):
        try:
            while part := self.data.recv(65_536):
                self.store(part)
        finally:
            os.close(self.fd)


@pytest.mark.parametrize("flags", [os.O_TRUNC, os.O_TRUNC | os.O_APPEND], ids=["truncating", "truncating-append"])
def test_onto_its_own_path(case, flags):
    with case.data() as data:
        case.client.expect(150, "RETR big")
        saver = Saver(data, case.file, flags)
        case.client.expect(451)  # at once: the client's timeout would be an error
        saver.join(PATIENCE_S)
    assert saver.got < SIZE
    assert case.record()[0] == "i"
    assert "became shorter" in case.server.text("system.log")
    case.alive()


def test_appended_to_its_own_path(case):
    """The file grows ahead of the reader: the size at the start is the end."""
    with case.data() as data:
        case.client.expect(150, "RETR big")
        saver = Saver(data, case.file, os.O_APPEND)
        saver.join(PATIENCE_S)
    case.client.expect(226)
    assert saver.got == len(sent(OLD, case.type))
    with open(case.file, "rb") as f:
        assert f.read() == OLD + sent(OLD, case.type)
    assert case.record()[0] == "c"
    case.alive()
