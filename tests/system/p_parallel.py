"""Many sessions of one session process at once: every kind of transfer beside each other, in the loop and in pool
threads. What arrives is compared byte by byte; built with ThreadSanitizer this is what shows races."""
import hashlib
import os
import random
import threading
import zlib

import pytest

from ftpclient import Closed, Ftp, read_all
from servers import sha256

CLIENTS = 8
ROUNDS = 25
SIZE = 3_000_000
CONF = """
<Directory ~/copied>
  UseSendfile off
</Directory>
<Directory ~/chunked>
  UseSendfile 64 KB
</Directory>
<Directory ~/hidden>
  HiddenStores on
</Directory>
DeflateEngine on
DisplayFileTransfer @DIR@/transfer.txt
ExtendedLog @DIR@/ext.log ALL
"""
FOLDERS = ("plain", "copied", "chunked")
TEXT = b"".join(b"line %d of many\r\n" % i for i in range(40000))


@pytest.fixture(scope="module", params=["", "TransferMMapEngine on\n"], ids=["copied", "mapped"])
def busy(module_start, request):
    s = module_start.prepare()
    with open(s.path("transfer.txt"), "w", encoding="ascii") as f:
        f.write("thank you\n")
    s.configure(CONF + request.param, MaxInstances="none", AllowStoreRestart="on")
    s.start()
    content = random.Random(5).randbytes(SIZE)
    for folder in FOLDERS:
        s.put(f"{folder}/big", content)
        s.put(f"{folder}/text", TEXT.replace(b"\r\n", b"\n"))
    for i in range(300):
        s.put(f"many/file {i}", b"")
    s.mkdir("hidden")
    s.mkdir("in")
    s.content = content
    return s


def download(c, s, r, _tag):
    folder = r.choice(FOLDERS)
    offset = r.choice((0, 0, 1, SIZE // 2, SIZE))
    c.expect(350, f"REST {offset}")
    assert c.read(f"RETR {folder}/big") == s.content[offset:]


def download_text(c, _s, r, _tag):
    folder = r.choice(("plain", "copied"))
    c.expect(200, "TYPE A")
    got = c.read(f"RETR {folder}/text")
    c.expect(200, "TYPE I")
    assert got == TEXT


def upload(c, s, r, tag):
    folder = r.choice(("in", "hidden"))
    start = r.randrange(SIZE)
    c.write(f"STOR {folder}/{tag}", s.content[start:])
    expected = s.content[start:]
    if folder == "in":
        c.write(f"APPE {folder}/{tag}", s.content[:start])
        expected += s.content[:start]
    assert sha256(s.home("alice", folder, tag)) == sha256(expected)
    c.expect(250, f"DELE {folder}/{tag}")


def upload_text(c, s, _r, tag):
    c.expect(200, "TYPE A")
    c.write(f"STOR in/{tag}", TEXT)
    c.expect(200, "TYPE I")
    assert sha256(s.home("alice", "in", tag)) == sha256(TEXT.replace(b"\r\n", b"\n"))


def deflated(c, s, r, tag):
    c.expect(200, "MODE Z")
    if r.random() < 0.5:
        assert zlib.decompress(c.read(f"RETR {r.choice(FOLDERS)}/text")) == TEXT.replace(b"\r\n", b"\n")
    else:
        c.write(f"STOR in/{tag}", zlib.compress(s.content))
        assert sha256(s.home("alice", "in", tag)) == sha256(s.content)
        c.expect(250, f"DELE in/{tag}")
    assert len(zlib.decompress(c.read("MLSD many"))) > 10_000
    c.expect(200, "MODE S")


def hashed(c, s, r, _tag):
    command, kind = r.choice((("XCRC", None), ("XMD5", hashlib.md5), ("XSHA1", hashlib.sha1), ("XSHA256", hashlib.sha256)))
    expected = f"{zlib.crc32(s.content):08X}" if kind is None else kind(s.content).hexdigest()
    assert expected.lower() in c.expect((213, 250), f"{command} plain/big").text.lower()


def listing(c, _s, r, _tag):
    command = r.choice(("MLSD many", "LIST -la many", "NLST many", "LIST -R"))
    assert len(c.lines(command)) >= 300


def aborted(c, s, r, _tag):
    """ABOR comes at any moment of a download or an upload."""
    if r.random() < 0.5:
        with c.start(r.choice(("RETR plain/big", "RETR copied/big", "MLSD many"))) as data:
            read_all(data, r.choice((1, 100_000)))
            c.send("ABOR")
            first = c.expect((426, 226))
    else:
        with c.start("STOR in/aborted-" + str(id(c))) as data:
            data.sendall(s.content[:r.choice((1, 100_000))])
            c.send("ABOR")
            first = c.expect((426, 226))
    c.expect((226, 225))
    assert first is not None


def small_commands(c, _s, r, tag):
    c.expect(257, f"MKD in/d-{tag}")
    c.expect(350, f"RNFR in/d-{tag}")
    c.expect(250, f"RNTO in/e-{tag}")
    c.expect(250, f"CWD in/e-{tag}")
    c.expect(250, "CWD /")
    c.expect(250, f"RMD in/e-{tag}")
    c.expect(213, "SIZE plain/big")
    c.expect(213, "MDTM plain/big")
    c.expect((211, 212, 213), r.choice(("STAT", "STAT many")))
    c.expect(250, "MLST plain/big")


WORK = (download, download, download_text, upload, upload_text, deflated, hashed, listing, aborted, small_commands)


def work(s, number, errors):
    r = random.Random(number)
    try:
        with Ftp(s.port, user="alice") as c:
            c.binary()
            for turn in range(ROUNDS):
                r.choice(WORK)(c, s, r, f"{number}-{turn}")
            c.quit()
    except (AssertionError, OSError, Closed) as problem:
        errors.append(f"client {number}: {str(problem)[-600:]}")


def test_all_kinds_of_transfers_beside_each_other(busy):
    errors = []
    clients = [threading.Thread(target=work, args=(busy, i, errors)) for i in range(CLIENTS)]
    for t in clients:
        t.start()
    for t in clients:
        t.join()
    assert not errors, "\n".join(errors)


def test_clients_that_vanish_leave_the_others_alone(busy):
    """Control and data connections are cut while slices of theirs run in the pool."""
    for turn in range(30):
        with Ftp(busy.port, user="alice") as c:
            c.binary()
            data = c.start(("RETR copied/big", "STOR in/gone", "MLSD many", "RETR plain/big")[turn % 4])
            if turn % 4 == 1:
                data.sendall(os.urandom(200_000))
            if turn % 3 == 0:
                c.close()
            data.close()
    with Ftp(busy.port, user="alice") as c:
        assert c.binary().read("RETR copied/big") == busy.content


def test_many_logins_at_once(start):
    """Passwords are checked in threads of the auth process."""
    s = start(users={f"user{i}": {} for i in range(8)}, MaxInstances="none")
    errors = []

    def login(number):
        for turn in range(4):
            try:
                with Ftp(s.port) as c:
                    right = (number + turn) % 3 != 0
                    c.expect(331, f"USER user{number % 8}")
                    c.expect(230 if right else 530, f"PASS user{number % 8}-pw" if right else "PASS wrong")
            except (AssertionError, OSError, Closed) as problem:
                errors.append(repr(problem))
    clients = [threading.Thread(target=login, args=(i,)) for i in range(12)]
    for t in clients:
        t.start()
    for t in clients:
        t.join()
    assert not errors, "\n".join(errors)
