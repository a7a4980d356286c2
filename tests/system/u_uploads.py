"""Uploads: their content by every way it can take, what ends them, and what hung ones leave to others.

Bytes go through a pipe in the kernel (splice) once the first 256 KiB have come; before, and where that is not
possible, they are copied. None of this may be seen in the file.
"""
import contextlib
import errno
import json
import os
import random
import socket
import subprocess
import time

import fusefs
import pytest
from ftpclient import Ftp
from servers import AM_ROOT, wait_until

pytestmark = pytest.mark.ours

COPIED_FIRST = 256 * 1024
MI = 1024 * 1024


def binary(port, user="alice"):
    c = Ftp(port, user=user)
    c.expect(200, "TYPE I")
    return c


def pattern(size, seed=1):
    """Bytes in which any loss, doubling or change of order shows."""
    return random.Random(seed).randbytes(size)


def size_of(path):
    try:
        return os.stat(path).st_size
    except FileNotFoundError:
        return -1


def content_of(path):
    with open(path, "rb") as f:
        return f.read()


def who(s):
    """What ftpwho says about the sessions that transfer something."""
    out = s.tool("ftpwho", "-f", s.path("run", "scoreboard"), "-o", "json").stdout
    return [c for c in json.loads(out)["connections"] if c.get("source")]


def evict(path):
    """Drops a file's pages from memory, so that reading it needs a thread."""
    with open(path, "rb") as f:
        os.fsync(f.fileno())
        os.posix_fadvise(f.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)


@pytest.fixture
def c(shared):
    with binary(shared.port) as c:
        yield c


# --- content

@pytest.mark.parametrize("size", [0, 1, 4095, 4096, 4097, 65535, 65536, 65537, COPIED_FIRST - 1, COPIED_FIRST,
                                  COPIED_FIRST + 1, MI - 1, MI, MI + 1, 5 * MI + 3])
def test_a_file_arrives_as_it_was_sent(shared, c, size):
    content = pattern(size)
    c.write("STOR sized", content)
    assert content_of(shared.home("alice", "sized")) == content


@pytest.mark.parametrize("seed", range(6))
def test_pieces_of_any_size_with_pauses_arrive_in_order(shared, c, seed):
    rng = random.Random(seed)
    content = pattern(rng.randrange(3 * MI), seed)
    with c.start("STOR pieces") as data:
        data.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        at = 0
        while at < len(content):
            n = rng.choice([1, 7, 1448, 4096, 40_000, 300_000, MI])
            data.sendall(content[at:at + n])
            at += n
            if rng.random() < 0.05:
                time.sleep(rng.choice([0.001, 0.03, 0.3]))
    c.expect(226)
    assert content_of(shared.home("alice", "pieces")) == content


@pytest.mark.slow
def test_a_file_of_300_mb_arrives_as_it_was_sent(shared, c):
    block = pattern(MI)
    with c.start("STOR big") as data:
        for i in range(300):
            data.sendall(i.to_bytes(4, "big") + block[4:])
    c.expect(226)
    with open(shared.home("alice", "big"), "rb") as f:
        for i in range(300):
            assert f.read(MI) == i.to_bytes(4, "big") + block[4:], i
        assert f.read(1) == b""
    os.unlink(shared.home("alice", "big"))


def test_an_existing_longer_file_is_replaced(shared, c):
    shared.put("longer", pattern(3 * MI, 1))
    content = pattern(MI, 2)
    c.write("STOR longer", content)
    assert content_of(shared.home("alice", "longer")) == content


def test_appended_bytes_follow_the_old_ones(start):
    s = start(AllowStoreRestart="on")
    old, new = pattern(1001, 1), pattern(2 * MI, 2)
    s.put("f", old)
    with binary(s.port) as c:
        c.write("APPE f", new)
    assert content_of(s.home("alice", "f")) == old + new


def test_restart_writes_over_the_middle_and_keeps_the_tail(start):
    s = start(AllowStoreRestart="on")
    old, new = pattern(3 * MI, 1), pattern(MI + 77, 2)
    s.put("f", old)
    with binary(s.port) as c:
        c.expect(350, "REST 300001")
        c.write("STOR f", new)
    assert content_of(s.home("alice", "f")) == old[:300001] + new + old[300001 + len(new):]


@pytest.mark.parametrize("more", [-1, 0, 1])
def test_a_range_takes_exactly_its_bytes(start, more):
    s = start(AllowStoreRestart="on")
    length = 2 * MI + 5
    old, new = pattern(4 * MI, 1), pattern(length + more, 2)
    s.put("f", old)
    with binary(s.port) as c:
        c.expect(350, f"RANG 1000 {1000 + length - 1}")
        with c.start("STOR f") as data, contextlib.suppress(ConnectionError):
            data.sendall(new)
        reply = c.reply()
    written = min(length, length + more)
    assert (reply.code == 226) == (more == 0), reply
    assert content_of(s.home("alice", "f")) == old[:1000] + new[:written] + old[1000 + written:]


def test_hidden_and_unique_files_arrive_as_they_were_sent(start):
    s = start("HiddenStores on\n")
    content = pattern(2 * MI)
    with binary(s.port) as c:
        c.write("STOR f", content)
        with c.data() as data:
            name = c.expect(150, "STOU").text.split()[-1]
            data.sendall(content)
        c.expect(226)
    assert content_of(s.home("alice", "f")) == content
    assert content_of(s.home("alice", name)) == content


def test_line_ends_are_translated_in_large_files_too(shared, c):
    c.expect(200, "TYPE A")
    c.write("STOR text", b"0123456789\r\n" * 100_000)
    assert content_of(shared.home("alice", "text")) == b"0123456789\n" * 100_000


def test_a_throttled_upload_arrives_as_it_was_sent(start):
    s = start(TransferRate="STOR 4096")
    content = pattern(3 * MI)
    with binary(s.port) as c:
        c.write("STOR f", content)
    assert content_of(s.home("alice", "f")) == content


# --- the way it takes

def test_a_large_upload_goes_through_the_kernel_and_a_small_one_does_not(shared, c):
    with c.start("STOR way") as data:
        data.sendall(b"x" * 1000)
        wait_until(lambda: size_of(shared.home("alice", "way")) == 1000, "the beginning is written")
        assert [w["source"] for w in who(shared)] == ["copy"]
        data.sendall(b"x" * 2 * MI)
        wait_until(lambda: [w["source"] for w in who(shared)] == ["splice"], "ftpwho says splice")
    c.expect(226)


def test_use_sendfile_off_keeps_uploads_out_of_the_kernel_too(start):
    s = start(UseSendfile="off")
    content = pattern(2 * MI)
    with binary(s.port) as c, c.start("STOR f") as data:
        data.sendall(content)
        wait_until(lambda: size_of(s.home("alice", "f")) == len(content), "all is written")
        assert [w["source"] for w in who(s)] == ["copy"]
        data.close()
        c.expect(226)
    assert content_of(s.home("alice", "f")) == content


NO_SPLICE_TO_FILES = """
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>
ssize_t splice(int in, off64_t *in_at, int out, off64_t *out_at, size_t n, unsigned flags)
{
	ssize_t (*real)(int, off64_t *, int, off64_t *, size_t, unsigned) = dlsym(RTLD_NEXT, "splice");
	struct stat st;

	if (fstat(out, &st) == 0 && S_ISREG(st.st_mode)) {
		errno = EINVAL;
		return -1;
	}
	return real(in, in_at, out, out_at, n, flags);
}
"""


@pytest.mark.needs("cc")
def test_a_file_system_that_does_not_take_splice_gets_its_bytes_by_copying(start, tmp_path):
    """What is in the pipe when that is found out is not lost; the device is remembered."""
    s = start.prepare()
    if s.sanitized:
        pytest.skip("the sanitizer must be loaded first")
    (tmp_path / "shim.c").write_text(NO_SPLICE_TO_FILES)
    shim = s.path("shim.so")
    subprocess.run(["cc", "-shared", "-fPIC", "-o", shim, tmp_path / "shim.c", "-ldl"], check=True)
    s.configure("DebugLevel 10\n")
    s.start(env={"LD_PRELOAD": shim})
    content = pattern(4 * MI)
    with binary(s.port) as c:
        for name in ("first", "second"):
            c.write("STOR " + name, content)
            assert content_of(s.home("alice", name)) == content
    assert s.text("system.log").count("does not write") == 1


# --- nothing waits that has come

def test_the_rest_of_a_pause_is_written_without_the_end(shared, c):
    """A fast upload is woken for only every half MiB; what is less must not lie in the socket until the end."""
    path = shared.home("alice", "pausing")
    with c.start("STOR pausing") as data:
        for _ in range(3):
            sent = size_of(path) if size_of(path) > 0 else 0
            end = time.monotonic() + 0.15  # long enough for its speed to be known
            while time.monotonic() < end:
                data.sendall(b"x" * 65536)
                sent += 65536
            data.sendall(b"last")
            wait_until(lambda: size_of(path) == sent + 4, "the last bytes are written")
    c.expect(226)
    os.unlink(path)


# --- ends

def pipes_of(pid):
    names = []
    for fd in os.listdir(f"/proc/{pid}/fd"):
        with contextlib.suppress(FileNotFoundError):
            names.append(os.readlink(f"/proc/{pid}/fd/{fd}"))
    return len(names), sum(n.startswith("pipe:") for n in names)


def session_pid(s, c):
    return next(int(w["pid"]) for w in json.loads(
        s.tool("ftpwho", "-f", s.path("run", "scoreboard"), "-o", "json").stdout)["connections"])


@pytest.mark.parametrize("how", ["ABOR", "close", "reset", "leave"])
def test_a_cut_upload_leaves_a_beginning_and_no_descriptor(start, how):
    s = start()
    rng = random.Random(7)
    content = pattern(3 * MI)
    with binary(s.port) as watcher:
        pid = session_pid(s, watcher)
        own = pipes_of(pid)[1] if AM_ROOT else 0
        watcher.write("STOR warm", content)  # one pipe is made and kept
        for turn in range(10):
            cut = rng.randrange(len(content))
            name = f"f{turn}"
            with binary(s.port) as c:
                data = c.start("STOR " + name)
                data.sendall(content[:cut])
                if how == "ABOR":
                    c.send("ABOR")
                    assert [c.reply().code, c.reply().code] in ([426, 226], [226, 226])
                    data.close()
                elif how == "close":
                    data.close()
                    c.expect(226)
                elif how == "reset":
                    data.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
                    data.close()
                    c.expect((426, 226))
                else:
                    c.close()
                    data.close()
            got = content_of(s.home("alice", name)) if size_of(s.home("alice", name)) > 0 else b""
            assert content.startswith(got) and len(got) <= cut
            assert how != "close" or len(got) == cut
            wait_until(lambda: len(json.loads(s.tool("ftpwho", "-f", s.path("run", "scoreboard"), "-o", "json").stdout)
                                   ["connections"]) == 1, "the other is gone")
        if AM_ROOT:
            descriptors, pipes = pipes_of(pid)
            assert pipes - own in (2, 4), "no more pipes than there were slices at a time"
            watcher.write("STOR warm", content)
            assert pipes_of(pid) == (descriptors, pipes)


@pytest.mark.parametrize("extra", [-1, 0, 1, MI])
def test_the_size_limit_is_exact(start, extra):
    s = start(MaxStoreFileSize="2 Mb")
    limit = 2 * MI
    content = pattern(limit + extra)
    with binary(s.port) as c:
        with c.start("STOR f") as data, contextlib.suppress(ConnectionError):
            data.sendall(content)
        c.expect(226 if extra <= 0 else 552)
    assert content_of(s.home("alice", "f")) == content[:limit]


@pytest.mark.needs("prlimit")
def test_a_process_that_may_not_write_more_says_552_and_lives_on(start):
    """RLIMIT_FSIZE sends a signal that would end the process."""
    s = start()
    content = pattern(2 * MI)
    uid, gid = s.users["alice"][:2]
    with binary(s.port) as c:
        subprocess.run(["prlimit", f"--pid={session_pid(s, c)}", f"--fsize={MI + 5}"], check=True,
                       **({"user": uid, "group": gid} if AM_ROOT else {}))
        with c.start("STOR f") as data, contextlib.suppress(ConnectionError):
            data.sendall(content)
        c.expect(552)
        assert content_of(s.home("alice", "f")) == content[:MI + 5]
        c.expect(200, "NOOP")


@pytest.mark.root
@pytest.mark.parametrize("way", ["splice", "copy"])
def test_a_full_disk_keeps_what_fits_and_says_452(start, way):
    s = start.prepare()
    mount = s.home()
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=3m,mode=0777", "none", mount], capture_output=True).returncode:
        pytest.skip("cannot mount a small file system here")
    try:
        s.configure(UseSendfile="on" if way == "splice" else "off")
        s.start()
        content = pattern(5 * MI)
        with binary(s.port) as c:
            with c.start("STOR f") as data, contextlib.suppress(ConnectionError):
                data.sendall(content)
            assert c.reply().text == "452 Transfer aborted. No space left on device"
            got = content_of(s.home("alice", "f"))
            assert content.startswith(got) and len(got) > 2 * MI
            assert os.statvfs(mount).f_bavail == 0
            assert f" {len(got)} " in wait_until(lambda: s.text("xferlog"), "xferlog")
            c.expect(250, "DELE f")
            c.write("STOR g", content[:MI])
        assert content_of(s.home("alice", "g")) == content[:MI]
    finally:
        subprocess.run(["umount", "-l", mount], check=True)


# --- ALLO

def disk_bytes(path):
    try:
        return os.stat(path).st_blocks * 512
    except FileNotFoundError:
        return 0


def can_reserve(path):
    """Can the file system below path reserve room?"""
    probe = os.path.join(path, "probe")
    with open(probe, "wb") as f:
        try:
            os.posix_fallocate(f.fileno(), 0, 4096)
            return True
        except OSError:
            return False
        finally:
            os.unlink(probe)


def test_what_is_announced_is_reserved_and_what_is_left_given_back(shared, c):
    path = shared.home("alice", "announced")
    if not can_reserve(shared.home()):
        pytest.skip("this file system cannot reserve room")
    c.expect(200, f"ALLO {8 * MI}")
    with c.start("STOR announced") as data:
        data.sendall(b"x" * 1000)
        wait_until(lambda: size_of(path) == 1000, "the beginning is written")
        assert disk_bytes(path) >= 8 * MI
    c.expect(226)
    assert size_of(path) == 1000
    assert disk_bytes(path) < MI


@pytest.mark.parametrize("size", [8 * MI, 3 * MI, 9 * MI])
def test_a_wrong_announcement_changes_nothing_in_the_file(shared, c, size):
    content = pattern(size)
    c.expect(200, f"ALLO {8 * MI}")
    c.write("STOR announced", content)
    assert content_of(shared.home("alice", "announced")) == content
    assert disk_bytes(shared.home("alice", "announced")) <= size + MI


def test_an_announcement_is_for_one_upload(shared, c):
    path = shared.home("alice", "second")
    c.expect(200, f"ALLO {8 * MI}")
    c.write("STOR first", b"x")
    with c.start("STOR second") as data:
        data.sendall(b"x" * 1000)
        wait_until(lambda: size_of(path) == 1000, "the beginning is written")
        assert disk_bytes(path) < MI
    c.expect(226)


def test_an_aborted_upload_gives_its_room_back(shared, c):
    path = shared.home("alice", "aborted")
    c.expect(200, f"ALLO {8 * MI}")
    with c.start("STOR aborted") as data:
        data.sendall(b"x" * 1000)
        wait_until(lambda: size_of(path) == 1000, "the beginning is written")
        c.send("ABOR")
        c.expect(426)
        c.expect(226)
    assert size_of(path) == 1000
    assert disk_bytes(path) < MI


def test_more_than_there_is_room_for_is_refused_before_anything_is_touched(shared, c):
    shared.put("old", b"old content")
    for name in ("old", "new"):
        c.expect(200, f"ALLO {2 ** 62}")
        assert c.cmd("STOR " + name).text == f"452 {name}: No space left on device"
    assert content_of(shared.home("alice", "old")) == b"old content"
    assert size_of(shared.home("alice", "new")) == -1
    c.write("STOR old", b"new")


def test_more_than_the_size_limit_is_refused_before_anything_is_touched(start):
    s = start(MaxStoreFileSize="100 Kb")
    s.put("old", b"old content")
    with binary(s.port) as c:
        c.expect(200, "ALLO 102401")
        c.expect(552, "STOR old")
        assert content_of(s.home("alice", "old")) == b"old content"
        c.expect(200, "ALLO 102400")
        c.write("STOR old", b"new")


def test_who_sees_the_whole_file_system_is_told_at_once(start):
    s = start(DefaultRoot=None)
    with binary(s.port) as c:
        c.expect(552, f"ALLO {2 ** 62}")
        c.expect(200, "ALLO 1000")
        c.expect(504, "ALLO x")
        c.expect(504, "ALLO 10 R")
        c.expect(200, "ALLO 10 R 5")


# --- a disk that hangs

@pytest.fixture
def hung(start, request):
    """A server and a file system below alice's home whose operations can be held. Its parameter is configuration."""
    if fusefs.reason():
        pytest.skip(fusefs.reason())
    s = start.prepare()
    with fusefs.SlowFs(s.mkdir("slow")) as slow:
        s.configure(getattr(request, "param", ""), AllowOverwrite="on", TimeoutLinger="1")
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
@pytest.mark.parametrize("sent_before", [1000, MI])
@pytest.mark.parametrize("error, code", [(errno.EDQUOT, 552), (errno.ENOSPC, 452), (errno.EIO, 451), (errno.ESTALE, 450)])
def test_a_write_error_keeps_what_was_written_and_says_its_code(hung, error, code, sent_before):
    s, slow = hung
    content = pattern(3 * MI)
    with binary(s.port) as c:
        with c.start("STOR slow/f") as data, contextlib.suppress(ConnectionError):
            data.sendall(content[:sent_before])
            wait_until(lambda: size_of(slow.backing("f")) == sent_before, "the beginning is written")
            slow.fail("write", error)
            data.sendall(content[sent_before:])
        c.expect(code)
        assert content_of(slow.backing("f")) == content[:sent_before]
        assert f" {sent_before} " in s.text("xferlog")
        slow.release("write")
        c.write("STOR slow/g", content)
    assert content_of(slow.backing("g")) == content


@pytest.mark.root
@pytest.mark.parametrize("hung", ["<Directory ~/*>\nUserOwner 23456\nGroupOwner 34567\n</Directory>\n"], indirect=True,
                         ids=["owners"])
def test_a_disk_that_hangs_when_files_get_other_owners_stops_nobody_else(hung):
    """UserOwner: neither the change nor any close is something that master waits for, and logins need master. More
    files hang than processes may for one file system; another one's files get their owners meanwhile."""
    s, slow = hung
    s.mkdir("fast")

    def owner(path):
        return os.stat(path).st_uid, os.stat(path).st_gid
    slow.hold("chown")
    with binary(s.port) as c:
        for i in range(12):
            c.write(f"STOR slow/{i}", b"x" * 1000)
            if i < 4:
                wait_until(lambda n=i + 1: slow.held("chown") == n, "master has it done")
        c.expect(257, "MKD slow/d")
        slow.hold("flush")
        slow.hold("getattr")
        with binary(s.port) as other:
            other.write("STOR fast/f", b"y")
            wait_until(lambda: owner(s.home("alice", "fast/f")) == (23456, 34567), "another file given away")
        assert slow.held("chown") == 4
        slow.release("getattr")
        slow.release("chown")
        for name in [*map(str, range(12)), "d"]:
            wait_until(lambda: owner(slow.backing(name)) == (23456, 34567), f"{name} given away")
        assert slow.held("flush") == 0
        with binary(s.port) as other:
            other.expect(200, "NOOP")


@pytest.mark.root
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
def test_an_upload_aborted_while_it_is_opened_stops_nobody_else(hung):
    """What was created is removed again and closed, where closing hangs."""
    s, slow = hung
    s.put("other/f", b"content")
    slow.hold("create")
    slow.hold("flush")
    with binary(s.port) as c, binary(s.port) as other:
        with c.data():
            c.send("STOR slow/f")
            wait_until(lambda: slow.held("create") == 1, "creating hangs")
            c.send("ABOR")
            c.send("NOOP")
            slow.release("create")
            wait_until(lambda: slow.held("flush") == 1, "closing hangs")
            assert other.read("RETR other/f") == b"content"
            assert slow.held("flush") == 1
            slow.release("flush")
            c.expect(426)
            c.expect(226)
            c.expect(200)
    assert not os.path.exists(slow.backing("f"))


@pytest.mark.root
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
