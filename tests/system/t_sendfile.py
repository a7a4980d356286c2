"""UseSendfile and what else decides how a download is sent."""
import mmap
import os
import random
import re
import subprocess
import zlib

import pytest

from ftpclient import Ftp, read_all
from inject import Inject
from servers import AM_ROOT, wait_until

pytestmark = pytest.mark.ours

SIZE = 300_007
CONTENT = random.Random(3).randbytes(SIZE)
# What is written, and the most bytes that one call may ask for (None: no call at all).
FORMS = [("on", SIZE), ("off", None), ("1%", 4096), ("10%", SIZE // 10), ("33.3%", int(SIZE * 0.333)), ("100%", SIZE),
         ("1 B", 1), ("4 KB", 4096), ("1 MB", SIZE), ("64KB", 65536), ("0%", SIZE), ("0.001%", 4096)]
IDS = [form for form, _ in FORMS]


@pytest.fixture(scope="module")
def library(tmp_path_factory):
    return str(tmp_path_factory.mktemp("inject"))


def run(start, library, extra="", **values):
    """A server with counted calls: (server, inject)."""
    inject = Inject(library)
    server = start.prepare()
    server.configure("DebugLevel 10\n" + extra, **values)
    return server, inject


@pytest.fixture(scope="module")
def forms(module_start, library):
    """Each form in the .ftpaccess of a directory of its own."""
    server, inject = run(module_start, library, "DeflateEngine on")
    for i, (form, _) in enumerate(FORMS):
        server.put(f"{i}/.ftpaccess", f"UseSendfile {form}\n".encode())
        server.put(f"{i}/f", CONTENT)
    server.put("binary", CONTENT)
    server.start(env=inject.env())
    return server, inject


def last_path(server, name):
    """What the log says about how a file was sent the last time."""
    lines = re.findall(rf"'{re.escape(name)}' is sent by (.*?)(?: \[.*)?\n", server.text("system.log"))
    return lines[-1] if lines else None


# (start, end) of RANG or the offset of REST; code of the refusal or the bytes expected
RANGES = [("REST", 0, CONTENT), ("REST", 150_000, CONTENT[150_000:]), ("REST", SIZE, b""), ("REST", SIZE + 1, 554),
          ("RANG", (0, 0), CONTENT[:1]), ("RANG", (0, 99_999), CONTENT[:100_000]),
          ("RANG", (100_001, 204_800), CONTENT[100_001:204_801]), ("RANG", (299_000, SIZE + 500), CONTENT[299_000:]),
          ("RANG", (0, SIZE * 2), CONTENT), ("RANG", (SIZE, SIZE + 1), 554)]


@pytest.mark.parametrize("form", range(len(FORMS)), ids=IDS)
def test_forms_with_offsets_and_ranges(forms, form):
    server, inject = forms
    largest = FORMS[form][1]
    with Ftp(server.port, user="alice") as c:
        c.binary()
        for kind, where, expected in RANGES:
            inject.reset()
            c.expect(350, f"REST {where}" if kind == "REST" else "RANG %d %d" % where)
            if expected == 554:
                with c.data():
                    c.expect(554, f"RETR {form}/f")
                continue
            assert c.read(f"RETR {form}/f") == expected, (kind, where)
            if largest is None or not expected:
                assert inject.calls == 0
            else:
                assert inject.largest == min(largest, len(expected))
                assert inject.calls >= (len(expected) + largest - 1) // largest
        assert c.read(f"RETR {form}/f") == CONTENT  # the range counts once


@pytest.mark.parametrize("form", range(len(FORMS)), ids=IDS)
def test_the_log_names_the_path_and_the_part(forms, form):
    server, _ = forms
    text, largest = FORMS[form]
    with Ftp(server.port, user="alice") as c:
        assert c.binary().read(f"RETR {form}/f") == CONTENT
    said = last_path(server, f"/{form}/f")
    if text == "off":
        assert said == "copying, reason: config"
    elif text in ("on", "0%"):
        assert said == "the kernel"
    elif "%" in text:
        assert said == f"the kernel in parts of {largest} bytes ({text})"
    else:
        assert said == "the kernel in parts of %d bytes" % (1 << 20 if text == "1 MB" else largest)


@pytest.mark.parametrize("size", [0, 1, 4095, 4096, 4097, 65535, 65536, 65537])
@pytest.mark.parametrize("sendfile", ["on", "off", "10%"])
def test_sizes(forms, size, sendfile):
    server, _ = forms
    directory = IDS.index(sendfile)
    server.put(f"{directory}/sized", CONTENT[:size])
    with Ftp(server.port, user="alice") as c:
        assert c.binary().read(f"RETR {directory}/sized") == CONTENT[:size]


class Sparse:
    """A large file: holes with bytes at its ends and around the borders of 32-bit numbers."""

    def __init__(self, server, size):
        self.path, self.size = server.put("large", b""), size
        with open(self.path, "r+b") as f:
            f.truncate(size)
            for at in (0, (1 << 31) - 8192, (1 << 32) - 8192, size - 20_000):
                if 0 <= at < size - 16_384:
                    f.seek(at)
                    f.write(CONTENT[at % 1000:][:16_384])

    def check(self, c, offset=0):
        """Downloads from the offset on; compares with the file as it comes."""
        if offset:
            c.expect(350, f"REST {offset}")
        at = offset
        with open(self.path, "rb") as f, mmap.mmap(f.fileno(), 0, prot=mmap.PROT_READ) as there, \
                memoryview(there) as view, c.start("RETR large") as data:
            buffer = bytearray(1 << 20)
            while True:
                n = data.recv_into(buffer)
                if not n:
                    break
                assert view[at:at + n] == memoryview(buffer)[:n], at
                at += n
        c.expect(226)
        assert at == self.size


def test_offsets_beyond_32_bits(forms):
    server, inject = forms
    with Ftp(server.port, user="alice") as c:
        c.binary()
        large = Sparse(server, (4 << 30) + 100_000)
        large.check(c, (4 << 30) - 1_000_000)
        c.expect(350, "RANG %d %d" % ((1 << 31) - 5000, (1 << 31) + 4999))
        got = c.read("RETR large")
        with open(large.path, "rb") as f:
            f.seek((1 << 31) - 5000)
            assert got == f.read(10_000)
        os.unlink(large.path)


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.parametrize("size", [1 << 30, (4 << 30) + 54_321])
def test_large_files(forms, size):
    server, _ = forms
    with Ftp(server.port, user="alice") as c:
        large = Sparse(server, size)
        large.check(c.binary())
        os.unlink(large.path)


# --- which value applies

def test_the_place_of_the_file_decides(start, library):
    """Directory sections and .ftpaccess files where the file is, not where the session is."""
    server, inject = run(start, library, """
        UseSendfile 64 KB
        <Directory @DIR@/home/alice/a>
          UseSendfile 10%
        </Directory>
        <Directory @DIR@/home/alice/a/deep>
          UseSendfile 32 KB
        </Directory>
        <Directory @DIR@/home/alice/same>
          UseSendfile 16 KB
        </Directory>
    """)
    expected = {"f": 65536, "a/f": SIZE // 10, "a/sub/f": SIZE // 10, "a/deep/f": 32768, "a/off/f": None,
                "a/off/below/f": None, "a/off/below/on/f": SIZE, "same/f": 8192}
    for name in expected:
        server.put(name, CONTENT)
    server.put("a/off/.ftpaccess", b"UseSendfile off\n")
    server.put("a/off/below/on/.ftpaccess", b"UseSendfile on\n")
    server.put("same/.ftpaccess", b"UseSendfile 8 KB\n")  # the same directory as a section: the file wins
    server.start(env=inject.env())
    with Ftp(server.port, user="alice") as c:
        c.binary()
        for cwd in ("/", "/a/off", "/a/deep"):
            c.expect(250, "CWD " + cwd)
            for name, largest in expected.items():
                inject.reset()
                assert c.read("RETR /" + name) == CONTENT
                assert inject.largest == (largest or 0), (cwd, name)


def test_a_bad_ftpaccess_is_logged_and_the_rest_holds(start, library):
    server, inject = run(start, library)
    server.put("d/.ftpaccess", b"UseSendfile 101%\nUseSendfile 4 KB\n")
    server.put("d/f", CONTENT)
    server.start(env=inject.env())
    with Ftp(server.port, user="alice") as c:
        assert c.binary().read("RETR d/f") == CONTENT
    assert "bad percentage value" in server.text("system.log")
    assert inject.largest == 4096


@pytest.mark.parametrize("where", ["server", "global", "anonymous"])
def test_outer_contexts(start, library, where):
    text = {"server": "UseSendfile 8 KB\n<Global>\nUseSendfile 16 KB\n</Global>",
            "global": "<Global>\nUseSendfile 16 KB\n</Global>",
            "anonymous": "UseSendfile 8 KB"}[where]
    user = "ftp" if AM_ROOT else "alice"
    text += f"\n<Anonymous @DIR@/home/{user}>\nUser {user}\nUserAlias anonymous {user}\n" + \
        ("UseSendfile 32 KB\n" if where == "anonymous" else "") + "</Anonymous>"
    server, inject = run(start, library, text)
    server.add_user("ftp")
    server.put("f", CONTENT, user)
    server.start(env=inject.env())
    with Ftp(server.port, user="anonymous", password="me@x") as c:
        assert c.binary().read("RETR f") == CONTENT
    assert inject.largest == {"server": 8192, "global": 16384, "anonymous": 32768}[where]


# --- reasons

def test_type_a_copies_and_type_i_sends_again(forms):
    server, inject = forms
    with Ftp(server.port, user="alice") as c:
        for type_, reason in (("A", "copying, reason: ascii"), ("I", "the kernel"), ("A", "copying, reason: ascii"),
                              ("L 8", "the kernel")):
            inject.reset()
            c.expect(200, "TYPE " + type_)
            c.read("RETR binary")
            assert last_path(server, "/binary") == reason
            assert (inject.calls == 0) == (type_ == "A")


def test_mode_z_copies_and_mode_s_sends_again(forms):
    server, inject = forms
    with Ftp(server.port, user="alice") as c:
        c.binary()
        for mode, said in (("Z", "copying, reason: deflate"), ("S", "the kernel")):
            inject.reset()
            c.expect(200, "MODE " + mode)
            got = c.read("RETR binary")
            assert (zlib.decompress(got) if mode == "Z" else got) == CONTENT
            assert last_path(server, "/binary") == said
            assert (inject.calls == 0) == (mode == "Z")


def test_an_empty_rest_sends_nothing(forms):
    server, inject = forms
    with Ftp(server.port, user="alice") as c:
        c.binary()
        inject.reset()
        c.expect(350, f"REST {SIZE}")
        assert c.read("RETR binary") == b""
        assert last_path(server, "/binary") == "copying, reason: empty"
        assert inject.calls == 0


def test_a_fifo_is_copied(forms):
    server, inject = forms
    path = server.home("alice", "fifo")
    os.mkfifo(path)
    server.own(path)
    with Ftp(server.port, user="alice") as c:
        c.binary()
        inject.reset()
        with c.start("RETR fifo") as data:
            with open(path, "wb") as f:
                f.write(CONTENT)
            assert read_all(data) == CONTENT
        c.expect(226)
    assert last_path(server, "/fifo") == "copying, reason: nonregular" and inject.calls == 0


@pytest.mark.parametrize("path", ["/proc/version", "/sys/kernel/fscaps"])
def test_files_that_the_kernel_makes_up_are_read_to_their_end(start, library, path):
    if not os.access(path, os.R_OK):
        pytest.skip(f"no {path} here")
    server, inject = run(start, library, DefaultRoot=None)
    server.start(env=inject.env())
    with open(path, "rb") as f:
        expected = f.read()
    with Ftp(server.port, user="alice") as c:
        assert c.binary().read("RETR " + path) == expected
    assert last_path(server, path) == "copying, reason: badfs" and inject.calls == 0


def test_a_rate_keeps_sending_in_the_kernel(start, library):
    server, inject = run(start, library, "TransferRate RETR 2048")
    server.put("f", CONTENT)
    server.start(env=inject.env())
    with Ftp(server.port, user="alice") as c:
        assert c.binary().read("RETR f") == CONTENT
    assert inject.calls > 1 and inject.largest <= 2048 * 1024 // 4
    assert last_path(server, "/f") == "the kernel"


@pytest.mark.parametrize("rate", ["TransferRate RETR 100000", "TransferRate RETR 0", "TransferRate STOR 100000", ""])
def test_copy_when_throttled(start, library, rate):
    server, inject = run(start, library, "TransferOptions CopyWhenThrottled\n" + rate)
    server.put("f", CONTENT)
    server.start(env=inject.env())
    with Ftp(server.port, user="alice") as c:
        assert c.binary().read("RETR f") == CONTENT
    throttled = rate == "TransferRate RETR 100000"
    assert last_path(server, "/f") == ("copying, reason: rate" if throttled else "the kernel")
    assert (inject.calls == 0) == throttled


def test_ignore_ascii_leaves_bytes_alone(start, library):
    server, inject = run(start, library, "TransferOptions IgnoreASCII")
    lines = b"one\ntwo\r\nthree\n" * 1000
    server.put("f", lines)
    server.start(env=inject.env())
    with Ftp(server.port, user="alice") as c:
        c.expect(200, "TYPE A")
        with c.data() as data:
            assert "ASCII" in c.expect(150, "RETR f").text
            assert read_all(data) == lines
        c.expect(226)
        assert inject.calls > 0
        c.write("STOR up", lines)
    with open(server.home("alice", "up"), "rb") as f:
        assert f.read() == lines


# --- the kernel's queue

def unsent(local, remote):
    """Bytes that the kernel has not sent yet of a connection, of the side with port local (ss(8))."""
    out = subprocess.run(["ss", "-Htin", f"sport = :{local} and dport = :{remote}"], capture_output=True, text=True, check=True).stdout
    found = re.search(r"notsent:(\d+)", out)
    return int(found[1]) if found else 0


@pytest.mark.parametrize("sendfile", ["on", "off"])
def test_little_waits_unsent_in_the_kernel(start, sendfile):
    """A client was fast, so that its socket may hold megabytes, and then stops to read."""
    server = start(f"UseSendfile {sendfile}")
    server.put("f", bytes(96 << 20))
    with Ftp(server.port, user="alice") as c:
        c.binary()
        with c.data() as data:
            c.expect(150, "RETR f")
            assert len(read_all(data, 24 << 20)) == 24 << 20
            ends = data.getpeername()[1], data.getsockname()[1]
            wait_until(lambda: unsent(*ends) > 256 << 10, "the server waits")
            assert max(unsent(*ends) for _ in range(40)) <= 640 << 10  # 512 KiB, and what one packet takes more
            assert len(read_all(data)) == 72 << 20
        c.expect(226)


# --- residency

def prepare(path, state):
    """In memory is all of the file, nothing, or parts."""
    with open(path, "r+b") as f:
        if state != "warm":
            os.fsync(f.fileno())
            os.posix_fadvise(f.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
        if state == "holes":
            os.posix_fadvise(f.fileno(), 0, 0, os.POSIX_FADV_RANDOM)
            for at in range(0, os.fstat(f.fileno()).st_size, 3_000_000):
                os.pread(f.fileno(), 1_000_000, at)


@pytest.mark.alone
@pytest.mark.parametrize("cachestat", [True, False], ids=["cachestat", "no-cachestat"])
@pytest.mark.parametrize("state", ["cold", "warm", "holes"])
def test_the_loop_sends_only_what_is_in_memory(start, library, cachestat, state):
    server, inject = run(start, library)
    content = CONTENT * 100
    path = server.put("f", content)
    server.start(env=inject.env())
    # cachestat(2) counts pages from the moment their reading begins: those in the middle may still be on their way, the
    # more the busier the disk is. But not each time.
    for turn in range(10 if state == "holes" and cachestat else 1):
        prepare(path, state)
        inject.reset()
        inject.no_cachestat(not cachestat)
        with Ftp(server.port, user="alice") as c:
            c.binary()
            c.expect(550, "SIZE no")  # the process is warm, and knows the file system
            c.expect(213, "SIZE f")
            assert c.read("RETR f") == content
        assert inject.calls > 0
        if state == "warm":
            assert inject.loop_calls == inject.calls
        elif state == "cold":
            assert inject.loop_calls < inject.calls
        if inject.cold_calls == 0:
            break
    assert inject.cold_calls == 0
