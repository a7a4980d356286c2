"""ABOR of a download at any moment, on every path."""
import contextlib
import os
import random
import socket
import time

import pytest

from ftpclient import Ftp, read_all
from inject import Inject
from servers import wait_until

pytestmark = pytest.mark.ours

_random = random.Random(41)
_block = bytes(_random.choices([b for b in range(256) if b != 13], k=1 << 18))
SIZE = 9_000_011
CONTENT = _block * (SIZE // len(_block)) + _block[:SIZE % len(_block)]

PATHS = {
    "sendfile": ("", "I"),
    "bytes": ("UseSendfile 100 B", "I"),
    "throttled": ("TransferRate RETR 20000", "I"),
    "copy": ("UseSendfile off", "I"),
    "ascii": ("", "A"),
    "mapped": ("UseSendfile off\nTransferMMapEngine on", "I"),
}
ABORTS = {
    "plain": lambda c: c.send("ABOR"),
    "urgent": lambda c: (c.send_raw(b"\xff\xf4"), c.send_urgent(b"\xff"), c.send_raw(b"\xf2ABOR\r\n")),
    "synch": lambda c: (c.send_raw(b"\xff\xf4\xff"), c.send_urgent(b"\xf2"), c.send_raw(b"ABOR\r\n")),
}


def records(server, name, n):
    """The fields of the xferlog's lines about a file, when there are n."""
    def those():
        lines = [line.split() for line in server.text("xferlog").splitlines()]
        return [fields for fields in lines if fields[8].endswith("/" + name)]
    wait_until(lambda: len(those()) >= n, "the record of the transfer")
    return those()


@pytest.mark.parametrize("abort", ABORTS)
@pytest.mark.parametrize("path", PATHS)
def test_at_random_moments(start, path, abort):
    conf, type_ = PATHS[path]
    server = start(conf)
    server.put("big", CONTENT)
    server.put("small", CONTENT[:5000])
    whole = CONTENT if type_ == "I" else CONTENT.replace(b"\n", b"\r\n")
    small = CONTENT[:5000] if type_ == "I" else CONTENT[:5000].replace(b"\n", b"\r\n")
    moments = random.Random(path + abort)
    with Ftp(server.port, user="alice") as c:
        c.expect(200, "TYPE " + type_)
        seen = 0
        for n in range(12):
            before = moments.choice([0, 0, 1, 1000, 70_000, 500_000, 5_000_000, 8_900_000])
            with c.data() as data:
                c.send("RETR big")
                got, begun = b"", before > 0
                if begun:
                    c.expect(150)
                    got = read_all(data, before)
                ABORTS[abort](c)
                codes = [c.reply().code, c.reply().code]
                if codes[0] == 150:
                    codes, begun = [codes[1], c.reply().code], True
                with contextlib.suppress(ConnectionError):
                    while part := data.recv(1 << 18):
                        got += part
            assert codes in ([426, 226], [226, 226], [425, 226]), codes
            assert whole.startswith(got)
            assert codes[0] != 226 or len(got) == len(whole)
            assert c.read("RETR small") == small
            assert records(server, "small", n + 1)[n][-1] == "c"
            there = records(server, "big", 0)  # before that of small
            assert len(there) - seen == 1 or (len(there) == seen and not begun)  # there may have been no data phase
            if len(there) > seen:
                record = there[seen]
                assert record[-1] == ("c" if codes[0] == 226 else "i")
                assert len(got) <= int(record[7]) * (2 if type_ == "A" else 1) and int(record[7]) <= SIZE
            seen = len(there)
        assert c.silent(0.1)


@pytest.mark.parametrize("path", PATHS)
def test_of_a_client_that_does_not_read(start, path):
    """Everything waits for the socket; what the kernel holds is thrown away, and counted."""
    conf, type_ = PATHS[path]
    server = start(conf)
    server.put("big", CONTENT)
    with Ftp(server.port, user="alice") as c:
        c.expect(200, "TYPE " + type_)
        with c.data() as data:
            c.expect(150, "RETR big")
            data.recv(1)  # it has begun
            c.expect(426, "ABOR")
            c.expect(226)
            with pytest.raises(ConnectionError):  # reset, not ended as if it were complete
                while data.recv(1 << 18):
                    pass
        record = records(server, "big", 1)[0]
        assert record[-1] == "i" and 0 < int(record[7]) < SIZE
        c.expect(200, "NOOP")


@pytest.mark.parametrize("command", ["LIST many", "MLSD many", "STAT many"])
def test_the_directory_of_a_listing_is_never_closed_on_the_loop(start, command):
    """Some file systems ask another machine even then, and the loop has all clients. The client takes everything; then
    it reads nothing, and aborts or is gone."""
    s = start.prepare()
    s.mkdir("many")
    for i in range(15000):
        os.close(os.open(s.home("alice", "many", f"{i:0240}"), os.O_CREAT | os.O_WRONLY))
    s.configure()
    inject = Inject(s.dir)
    s.start(env=inject.env())
    control = command.startswith("STAT")
    with Ftp(s.port, user="alice") as c:
        c.expect(200, "TYPE I")
        inject.reset()
        assert len(c.cmd(command).lines if control else c.lines(command)) >= 15000
        assert inject.loop_dirs == 0 and inject.pool_dirs > 0
    with contextlib.closing(Ftp(s.port, user="alice")) as c:
        if control:
            c.send(command)
        else:
            data = c.start(command)
        assert (c.sock if control else data).recv(1, socket.MSG_PEEK)  # the directory is open
        time.sleep(0.5)  # on most machines all buffers are full by now; what is required holds before as well
        inject.reset()
        if control:
            c.close()
        else:
            c.send("ABOR")
            c.expect(426)
            c.expect(226)
            data.close()
        wait_until(lambda: inject.loop_dirs + inject.pool_dirs > 0, "the directory is closed")
        assert inject.loop_dirs == 0
