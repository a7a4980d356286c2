"""Downloads through memory mappings: TransferMMapEngine, TransferMMapFile, TransferMMapOptions."""
import contextlib
import errno
import json
import os
import random
import re
import signal
import ssl
import subprocess
import threading
import zlib

import pytest

import holdfs
from ftpclient import Ftp, read_all
from ftpsclient import Ftps, make_certificate, tls_conf
from inject import Inject
from servers import AM_ROOT, PATIENCE_S, descendants, is_sanitized, process_table, status, wait_until

pytestmark = pytest.mark.ours

MIB = 1 << 20
COPIED = "UseSendfile off\nTransferMMapEngine on\n"  # else the kernel sends, and nothing is mapped


def content(size, seed=0):
    """Bytes that repeat nowhere near and are never NUL."""
    block = b"".join(b"%08d." % (i + seed) for i in range(4096))
    return (block * (size // len(block) + 1))[:size]


def path_of(server, name, user="alice"):
    return os.path.realpath(server.home(user, name))


def starter(start, conf, name="big", data=None, **more):
    """A server with conf, in which @FILE@ is alice's file of that name, and the file with that content."""
    s = start.prepare()
    data = content(3 * MIB) if data is None else data
    s.put(name, data)
    s.configure(conf.replace("@FILE@", path_of(s, name)).replace("@PORT@", str(s.port)), **more)
    return s.start("-d", "10"), data


@pytest.fixture(scope="module")
def tls(tmp_path_factory):
    """Configuration text: TLS with a certificate."""
    return tls_conf(*make_certificate(str(tmp_path_factory.mktemp("pki"))))


def connect(server, mode):
    """alice's client, in MODE S, MODE Z or behind TLS ("P")."""
    c = Ftps(server.port, user="alice") if mode == "P" else Ftp(server.port, user="alice")
    c.expect(200, "MODE Z" if mode == "Z" else "MODE S")
    return c


def sessions(server):
    """Pids of session processes."""
    uids = {str(row[0]) for row in server.users.values()}
    if not AM_ROOT:
        return [p for p in server.processes() if status(p).get("Name") == "wherryd-session"]
    return [p for p in server.processes() if status(p).get("Uid", "x").split()[0] in uids]


def mappings(pid, path):
    """Ranges of a process that map that file, or its name before it was removed."""
    with open(f"/proc/{pid}/maps") as f:
        return [line for line in f if line.rstrip("\n").removesuffix(" (deleted)").endswith(path)]


def preloads(server):
    wait_until(lambda: os.path.exists(server.path("run", "ctl.sock")), "the control socket")
    done = server.tool("wherryctl", "-s", server.path("run", "ctl.sock"), "mmap", "list", "--json")
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)["preloads"]


def retr(client, name="big"):
    return client.binary().read("RETR " + name)


def cut(path, size):
    os.truncate(path, size)


@contextlib.contextmanager
def traced(pid, calls, out):
    """System calls of a process, in the file out when the block is left."""
    tracer = subprocess.Popen(["strace", "-f", "-qq", "-e", "trace=" + calls, "-o", out, "-p", str(pid)])
    try:
        wait_until(lambda: status(pid).get("TracerPid", "0").split()[0] != "0", "strace is attached")
        yield
    finally:
        tracer.send_signal(signal.SIGINT)
        tracer.wait(PATIENCE_S)


# --- which way a file takes

@pytest.mark.root
@pytest.mark.needs("strace")
@pytest.mark.parametrize("mode", ["S", "Z", "P"])
def test_a_preloaded_file_is_sent_without_reading_it(start, tls, mode):
    s, data = starter(start, COPIED + "DeflateEngine on\nTransferMMapFile @FILE@\nTransferRate RETR 4000\n" + tls)
    with connect(s, mode) as c:
        pid = sessions(s)[0]
        with traced(pid, "read,pread64,preadv,preadv2,sendfile,splice,mmap,sendto", s.path("trace")):
            got = retr(c)
            assert (zlib.decompress(got) if mode == "Z" else got) == data
        calls = s.text("trace")
        assert "sendto(" in calls or mode == "P"
        assert not re.search(r"pread64\(|preadv2?\(|sendfile\(|splice\(", calls), calls
        fd_maps = [x for x in re.findall(r"mmap\(NULL, (\d+), PROT_READ, MAP_SHARED", calls)]
        assert not fd_maps, "it is mapped already"
    assert preloads(s)[0]["hits"] == 1
    assert "using the preload of '/big'" in s.text("system.log")


def test_ftpwho_and_wherryctl_show_what_is_mapped(start):
    s, data = starter(start, COPIED + "TransferMMapFile @FILE@\n")
    with Ftp(s.port, user="alice") as c:
        assert retr(c) == data
        row = {"path": path_of(s, "big"), "size": len(data), "generation": 1, "locked": 0, "hits": 1, "stale": 0}
        assert preloads(s) == [row]
        who = json.loads(s.tool("ftpwho", "-f", s.path("run", "scoreboard"), "-o", "json").stdout)
        assert who["server"]["preloads"] == [row]
        text = s.tool("wherryctl", "-s", s.path("run", "ctl.sock"), "mmap", "list").stdout.split("\n")
        assert text[2].split() == [str(row[k]) for k in ("size", "generation", "locked", "hits", "stale", "path")]
    s.configure()
    s.reload()
    wait_until(lambda: "configuration 2 is in force" in s.text("system.log"), "the reload")
    assert preloads(s) == []
    assert "preloads" not in json.loads(s.tool("ftpwho", "-f", s.path("run", "scoreboard"), "-o", "json").stdout)["server"]


def test_by_default_the_kernel_sends_and_nothing_is_mapped(start):
    s, data = starter(start, "TransferMMapEngine on\nTransferMMapFile @FILE@\n")
    with Ftp(s.port, user="alice") as c:
        assert retr(c) == data
    assert preloads(s)[0]["hits"] == 0
    assert "is sent by the kernel" in s.text("system.log")


def test_the_scoreboard_says_that_a_transfer_is_mapped(start):
    s, data = starter(start, COPIED, data=content(20 * MIB))
    with Ftp(s.port, user="alice") as c, c.binary().start("RETR big") as sock:
        wait_until(lambda: '"mapped"' in s.tool("ftpwho", "-f", s.path("run", "scoreboard"), "-o", "json").stdout
                   or "mapped" in s.tool("ftpwho", "-v", "-f", s.path("run", "scoreboard")).stdout, "ftpwho shows it")
        assert mappings(sessions(s)[0], "/big")
        assert read_all(sock) == data
        c.expect(226)
        assert not mappings(sessions(s)[0], "/big"), "unmapped after the transfer"


def test_what_is_not_for_mappings_is_read_as_ever(start):
    s, data = starter(start, COPIED + "TransferMMapFile @FILE@\n", data=b"one\ntwo\n")
    s.put("empty", b"")
    os.mkfifo(s.home("alice", "fifo"))
    s.own(s.home("alice", "fifo"))
    with Ftp(s.port, user="alice") as c:
        c.expect(200, "TYPE A")
        assert c.read("RETR big") == b"one\r\ntwo\r\n"
        c.binary()
        assert c.read("RETR empty") == b""
        with c.data() as sock:
            c.send("RETR fifo")
            with open(s.home("alice", "fifo"), "wb") as pipe:
                pipe.write(b"through the pipe")
            c.expect(150)
            assert read_all(sock) == b"through the pipe"
        c.expect(226)
    log = s.text("system.log")
    for why in ("ASCII", "empty", "no regular file"):
        assert f"is not mapped: {why}" in log
    assert preloads(s)[0]["hits"] == 0


@pytest.mark.parametrize("conf", ["", "TransferMMapOptions Private HugePages Populate\n", "TransferMMapOptions Lock\n"])
@pytest.mark.parametrize("preload", ["", "TransferMMapFile @FILE@\n"])
def test_content_and_restart_are_those_of_the_file(start, conf, preload):
    s, data = starter(start, COPIED + conf + preload, data=content(3 * MIB + 17))
    with Ftp(s.port, user="alice") as c:
        c.binary()
        for offset in (0, 1, 4095, 4096, 65537, len(data) - 1, len(data)):
            c.expect(350, f"REST {offset}")
            assert c.read("RETR big") == data[offset:]
        c.expect(350, f"REST {len(data) + 1}")
        with c.data():
            c.expect(554, "RETR big")
        c.expect(350, "RANG 4097 70000")
        assert c.read("RETR big") == data[4097:70001]
    if preload:
        assert preloads(s)[0]["hits"] > 5


def test_limits_decide_what_is_mapped(start):
    s, data = starter(start, COPIED + "TransferMMapOptions MaxFile=2MB\n")
    s.put("small", data[:MIB])
    with Ftp(s.port, user="alice") as c:
        assert retr(c) == data
        assert retr(c, "small") == data[:MIB]
    log = s.text("system.log")
    assert "'/big' is not mapped: size" in log and "'/small' is mapped for this transfer" in log


def test_mappings_of_a_process_stay_below_maxtotal(start):
    s, data = starter(start, COPIED + "TransferMMapOptions MaxTotal=4MB\n")
    with Ftp(s.port, user="alice") as a, Ftp(s.port, user="alice") as b:
        with a.binary().start("RETR big") as sock:
            assert retr(b) == data
            assert read_all(sock) == data
            a.expect(226)
        assert retr(b) == data
    log = s.text("system.log")
    assert log.count("'/big' is not mapped: MaxTotal") == 1
    assert log.count("'/big' is mapped for this transfer") == 2


def vm_kib(pid):
    return int(status(pid)["VmSize"].split()[0])


def test_without_room_for_a_mapping_the_file_is_read(start, request):
    if is_sanitized(request.config.getoption("--build")):
        pytest.skip("sanitizers need all addresses")
    s, data = starter(start, COPIED + "TransferRate RETR 40000\n", data=content(60 * MIB))
    with Ftp(s.port, user="alice") as c:
        with c.binary().start("RETR big") as sock:
            used = vm_kib(sessions(s)[0]) - 60 * 1024
            sock.recv(1)
        c.reply()
    limited = start.prepare()
    limited.put("big", data)
    limited.configure(COPIED)
    with open(limited.path("wherryd"), "w") as f:
        f.write(f"#!/bin/sh\nulimit -v {used + 40 * 1024}\nexec {limited.program} \"$@\"\n")
    os.chmod(limited.path("wherryd"), 0o755)
    limited.program = limited.path("wherryd")
    limited.start("-d", "10")
    with Ftp(limited.port, user="alice") as c:
        assert retr(c) == data
    log = limited.text("system.log")
    assert log.count("cannot map '/big' (Cannot allocate memory), reading it instead") == 1


@pytest.mark.parametrize("mode", ["S", "Z"])
def test_when_mapping_fails_in_the_middle_the_rest_is_read(start, request, mode):
    if "san" in request.config.getoption("--build"):
        pytest.skip("sanitizers have an mmap() of their own")
    s = start.prepare()
    data = content(70 * MIB)  # two windows
    s.put("big", data)
    s.configure(COPIED + "DeflateEngine on\n")
    inject = Inject(s.dir)
    s.start("-d", "10", env=inject.env())
    with Ftp(s.port, user="alice") as c:
        c.expect(200, "MODE " + mode)
        for name, error in (("No such device", errno.ENODEV), ("Cannot allocate memory", errno.ENOMEM)):
            inject.map(after=1, error=error)
            got = retr(c)
            assert (zlib.decompress(got) if mode == "Z" else got) == data
            assert f"cannot read the mapping of '/big' ({name}): copying from byte {64 * MIB} on" in s.text("system.log")
        inject.map(error=errno.EACCES)
        got = retr(c)
        assert (zlib.decompress(got) if mode == "Z" else got) == data
        assert "cannot map '/big' (Permission denied), reading it instead" in s.text("system.log")


@pytest.mark.root
def test_files_of_file_systems_that_may_hang_are_not_mapped(start):
    if holdfs.reason():
        pytest.skip(holdfs.reason())
    s = start.prepare()
    data = content(MIB)
    s.put("big", data)
    fs = holdfs.HoldFs(s.mkdir("slow"), {"f": data})
    try:
        s.configure(COPIED)
        s.start("-d", "10")
        with Ftp(s.port, user="alice") as c:
            assert retr(c, "slow/f") == data
            assert retr(c) == data
        log = s.text("system.log")
    finally:
        fs.unmount()
    assert "'/slow/f' is not mapped: no local file system" in log
    assert "'/slow/f' is mapped" not in log
    assert "'/big' is mapped for this transfer" in log


def read_zeros(sock, size):
    """Reads size bytes, which must all be NUL."""
    buffer, none = bytearray(MIB), bytes(MIB)
    while size > 0:
        n = sock.recv_into(buffer, min(size, MIB))
        assert n > 0 and buffer[:n] == none[:n]
        size -= n


@pytest.mark.slow
@pytest.mark.parametrize("mode", ["S", "P"])
def test_offsets_beyond_32_bits(start, tls, mode):
    s, _ = starter(start, COPIED + tls)
    path = s.put("sparse")
    with open(path, "r+b") as f:
        f.truncate(5 << 30)
        f.seek(4294967297)
        f.write(content(100000))
        f.seek((5 << 30) - 10)
        f.write(b"the end...")
    with connect(s, mode) as c:
        c.binary()
        c.expect(350, "REST 4294967297")
        with c.start("RETR sparse") as sock:
            assert read_all(sock, 100000) == content(100000)
            read_zeros(sock, (5 << 30) - 4294967297 - 100000 - 10)
            assert read_all(sock) == b"the end..."
        c.expect(226)
    assert "'/sparse' is mapped for this transfer" in s.text("system.log")


# --- stale data

def replace(server, data, name="big"):
    """As administrators do: a new file takes the name."""
    new = server.put(name + ".new", data)
    os.rename(new, server.home("alice", name))


def test_a_replaced_file_is_served_as_it_is_now(start):
    s, old = starter(start, COPIED + "TransferMMapFile @FILE@\n")
    new = content(2 * MIB, 7)
    with Ftp(s.port, user="alice") as c:
        assert retr(c) == old
        replace(s, new)
        assert retr(c) == new
        # master maps the new one, which processes forked from then on get
        wait_until(lambda: preloads(s)[0]["generation"] == 2, "it is mapped anew")
        assert preloads(s)[0]["size"] == len(new)
        assert retr(c) == new
    s.add_user("late", home=s.home("alice"), uid=s.users["alice"][0], gid=s.users["alice"][1])
    hits = preloads(s)[0]["hits"]
    with Ftp(s.port, user="late") as c:
        assert retr(c) == new
    assert preloads(s)[0]["hits"] == hits + 1


def test_a_file_that_is_gone_and_comes_back_is_mapped_again(start):
    s, old = starter(start, COPIED + "TransferMMapFile @FILE@\n")
    os.unlink(s.home("alice", "big"))
    wait_until(lambda: preloads(s)[0]["size"] == 0, "it is unmapped")
    with Ftp(s.port, user="alice") as c:
        with c.binary().data():
            c.expect(550, "RETR big")
        s.put("big", content(MIB, 3))
        assert retr(c) == content(MIB, 3)
    wait_until(lambda: preloads(s)[0]["size"] == MIB, "it is mapped again")


def test_with_novalidate_old_content_is_served_until_the_next_load(start):
    s, old = starter(start, COPIED + "TransferMMapOptions NoValidate\nTransferMMapFile @FILE@\n")
    new = content(2 * MIB, 7)
    replace(s, new)
    with Ftp(s.port, user="alice") as c:
        assert retr(c) == old
        c.expect(350, "REST 100")
        assert c.read("RETR big") == old[100:]
    s.reload()
    wait_until(lambda: "configuration 2 is in force" in s.text("system.log"), "the reload")
    with Ftp(s.port, user="alice") as c:
        assert retr(c) == new


def test_a_file_overwritten_in_place_is_served_as_it_is_now(start):
    s, old = starter(start, COPIED + "TransferMMapOptions Private Populate\nTransferMMapFile @FILE@\n")
    new = content(len(old), 9)
    with Ftp(s.port, user="alice") as c:
        assert retr(c) == old
        with open(s.home("alice", "big"), "r+b") as f:
            f.write(new)
        assert retr(c) == new
    log = s.text("system.log")
    assert "is not what was preloaded" in log or "has been mapped anew" in log


def test_a_reload_lets_running_downloads_end_with_what_they_began(start):
    s, old = starter(start, COPIED + "TransferMMapFile @FILE@\n", data=content(20 * MIB))
    new = content(MIB, 5)
    with Ftp(s.port, user="alice") as c:
        with c.binary().start("RETR big") as sock:
            got = sock.recv(1000)
            replace(s, new)
            s.reload()
            wait_until(lambda: "configuration 2 is in force" in s.text("system.log"), "the reload")
            got += read_all(sock)
        c.expect(226)
        assert got == old
        assert retr(c) == new
    with Ftp(s.port, user="alice") as c:
        assert retr(c) == new
    assert preloads(s)[0]["size"] == MIB


def test_a_reload_goes_on_without_a_file_that_is_gone(start):
    s, old = starter(start, COPIED + "TransferMMapFile @FILE@\n")
    os.unlink(s.home("alice", "big"))
    s.reload()
    wait_until(lambda: "configuration 2 is in force" in s.text("system.log"), "the reload")
    assert preloads(s) == []
    assert "No such file or directory" in s.text("system.log")


# --- files that are cut while they are sent

CUTS = {"to nothing": 0, "to the middle": 7 * MIB + 123, "in the last page": 20 * MIB - 5}


@pytest.mark.parametrize("mode", ["S", "Z", "P"])
@pytest.mark.parametrize("size", CUTS.values(), ids=CUTS.keys())
@pytest.mark.parametrize("preload", ["", "TransferMMapFile @FILE@\n", "TransferMMapOptions NoValidate\nTransferMMapFile @FILE@\n"],
                         ids=["own", "preload", "novalidate"])
def test_a_file_that_is_cut_ends_its_transfer_and_nothing_else(start, tls, size, preload, mode):
    # not to be deflated, or the socket would take all of it at once
    data = random.Random(1).randbytes(20 * MIB) if mode == "Z" else content(20 * MIB)
    s, data = starter(start, COPIED + "DeflateEngine on\nTransferRate RETR 100000:1000000\n" + tls + preload, data=data)
    with connect(s, mode) as c:
        pids = sessions(s)
        with c.binary().start("RETR big") as sock:
            got = sock.recv(1000)
            cut(s.home("alice", "big"), size)
            try:
                while part := sock.recv(1 << 18):
                    got += part
            except ssl.SSLError as problem:  # what is cut off does not end with close_notify
                assert mode == "P" and "EOF" in str(problem)
        c.expect(451)
        got = zlib.decompressobj().decompress(got) if mode == "Z" else got
        good = min(len(got), size)
        assert got[:good] == data[:good]
        c.expect(200, "MODE S")
        assert sessions(s) == pids
        c.expect(200, "NOOP")
        s.put("other", b"still alive")
        assert c.read("RETR other") == b"still alive"
    assert "became shorter" in s.text("system.log")
    assert " 0 * i\n" in s.text("xferlog")


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_storm_of_cuts_under_twenty_downloads(start):
    """No process dies; every download has the exact content or ends with 451."""
    size, names = 8 * MIB, [f"file{i}" for i in range(5)]
    s = start.prepare()
    data = {n: content(size, i * 5000) for i, n in enumerate(names)}
    for n in names:
        s.put(n, data[n])
    s.configure(COPIED + "DeflateEngine on\n" + "".join(f"TransferMMapFile {path_of(s, n)}\n" for n in names[:3]))
    s.start()
    results, stop = [], threading.Event()  # (last code, bytes announced, name, bytes)

    def download(n):
        with Ftp(s.port, user="alice") as c:
            if n % 2:  # reads the mapping itself, under its guard; else the kernel reads it
                c.expect(200, "MODE Z")
            for name in (names[n % 5], names[(n + 1) % 5], names[(n + 2) % 5]):
                with c.binary().data() as sock:
                    reply = c.cmd("RETR " + name)
                    got = read_all(sock) if reply.code == 150 else b""
                code = c.reply().code if reply.code == 150 else reply.code
                if n % 2 and code == 226:
                    got = zlib.decompress(got)
                found = re.search(r"\((\d+) bytes\)", reply.text)
                results.append((code, int(found.group(1)) if found else 0, name, got))
            c.expect(200, "NOOP")

    def storm():
        turn = 0
        while not stop.is_set():
            name = names[turn % 5]
            with contextlib.suppress(OSError):
                cut(s.home("alice", name), (turn * 997 * 4099) % size)
                # whole again, under the same name: by another file, so that no reader sees a hole
                s.put(name + ".new", data[name])
                os.rename(s.home("alice", name + ".new"), s.home("alice", name))
            turn += 1

    table = process_table()
    before = {p: table[p][2] for p in [s.proc.pid] + [p for p in descendants(s.proc.pid, table)]}
    threads = [threading.Thread(target=download, args=(n,)) for n in range(20)]
    breaker = threading.Thread(target=storm)
    breaker.start()
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    stop.set()
    breaker.join()
    table = process_table()
    for pid, began in before.items():
        assert pid in table and table[pid][2] == began, f"process {pid} is gone"
    assert "was ended by signal" not in s.text("system.log")
    assert len(results) == 60
    codes = [row[0] for row in results]
    assert set(codes) <= {226, 451, 550}, codes
    assert 451 in codes, "nothing was cut under a download"
    for code, announced, name, got in results:
        if code == 226:
            assert got == data[name][:announced or len(got)], (name, announced, len(got))


# --- who may read what is mapped

@pytest.mark.root
def test_a_mapping_opens_nothing_that_the_user_may_not_open(start):
    s = start.prepare()
    secret = content(MIB, 4)
    outside = s.path("outside")
    with open(outside, "wb") as f:
        f.write(secret)
    s.put("mine", secret, mode=0o600)
    os.chown(s.home("alice", "mine"), 0, 0)
    s.put("shut/file", secret)
    os.chmod(s.home("alice", "shut"), 0)
    s.configure(COPIED + "".join(f"TransferMMapFile {p}\n" for p in (
        outside, path_of(s, "mine"), path_of(s, "shut/file"))))
    s.start("-d", "10")
    os.symlink("../../outside", s.home("alice", "way-out"))
    with Ftp(s.port, user="alice") as c:
        c.binary()
        for name in ("mine", "shut/file", outside, "../../outside", "way-out"):
            with c.data() as sock:
                c.expect(550, "RETR " + name)
        pid = sessions(s)[0]
        assert not mappings(pid, path_of(s, "mine")), "what the user cannot open is not mapped in his process"
        assert not mappings(pid, path_of(s, "shut/file"))
    assert all(p["hits"] == 0 for p in preloads(s))


@pytest.mark.root
def test_only_session_processes_with_the_engine_on_have_the_mapping(start):
    s, data = starter(start, "TransferMMapFile @FILE@\nUseSendfile off\n")
    assert "no server has TransferMMapEngine on" in s.output()
    assert mappings(s.proc.pid, path_of(s, "big")), "the daemon has it all the same"
    with Ftp(s.port, user="alice") as c:
        assert retr(c) == data
        for pid in s.processes():
            assert not mappings(pid, path_of(s, "big")), status(pid)
            with open(f"/proc/{pid}/maps") as f:
                assert "wherry-preloads" not in f.read()


@pytest.mark.root
def test_numbers_of_preloads_are_read_only_in_sessions(start):
    s, data = starter(start, COPIED + "TransferMMapFile @FILE@\n")
    with Ftp(s.port, user="alice"):
        with open(f"/proc/{sessions(s)[0]}/smaps") as f:
            text = f.read()
    rows = re.findall(r"^\S+ (\S{4}) .*wherry-preloads.*\n(?:[A-Z]\w+:.*\n)*?VmFlags:(.*)$", text, re.M)
    assert rows and all(mode == "r--s" and " mw" not in flags for mode, flags in rows), rows


def test_with_novalidate_no_name_leads_to_another_file(start):
    """Who can write where a preload is cannot have another file mapped, and then read it under that name."""
    s, _ = starter(start, COPIED + "TransferMMapOptions NoValidate\nTransferMMapFile @FILE@\n"
                   "<Directory @DIR@/home/alice/shut>\n<Limit RETR>\nDenyAll\n</Limit>\n</Directory>\n")
    s.put("shut/secret", b"not for RETR")
    outside = s.path("outside")
    with open(outside, "wb") as f:
        f.write(b"everyone may read it, but not by FTP")
    for number, target in enumerate(("shut/secret", outside), 2):
        os.unlink(s.home("alice", "big"))
        os.symlink(target, s.home("alice", "big"))
        s.reload()
        wait_until(lambda: f"configuration {number} is in force" in s.text("system.log"), "the reload")
        os.unlink(s.home("alice", "big"))
        s.put("big", b"my own")
        with Ftp(s.port, user="alice") as c:
            assert retr(c) == b"my own"


def test_a_file_is_found_by_the_names_that_lead_to_it(start):
    s = start.prepare()
    data = content(MIB)
    s.put("v1", data)
    os.symlink("v1", s.home("alice", "latest"))
    os.symlink("latest", s.home("alice", "other"))
    s.configure(COPIED + "TransferMMapFile @DIR@/home/alice/latest\n")
    s.start("-d", "10")
    with Ftp(s.port, user="alice") as c:
        for name in ("v1", "latest", "other", "./latest"):
            assert retr(c, name) == data
        assert preloads(s)[0]["hits"] == 4
        s.put("v2", data[::-1])
        os.unlink(s.home("alice", "latest"))
        os.symlink("v2", s.home("alice", "latest"))
        assert retr(c, "latest") == data[::-1]
    wait_until(lambda: preloads(s)[0]["generation"] == 2, "the link's new target is mapped")
    s.add_user("late", home=s.home("alice"), uid=s.users["alice"][0], gid=s.users["alice"][1])
    with Ftp(s.port, user="late") as c:
        assert retr(c, "v2") == data[::-1]
    assert preloads(s)[0]["hits"] == 5


def test_limits_hold_when_a_file_grows_later(start):
    s, data = starter(start, COPIED + "TransferMMapOptions MaxFile=4MB\nTransferMMapFile @FILE@\n")
    assert preloads(s)[0]["size"] == len(data)
    replace(s, data * 2)
    wait_until(lambda: preloads(s)[0]["size"] == 0, "it is unmapped")
    with Ftp(s.port, user="alice") as c:
        assert retr(c) == data * 2


def test_the_engine_is_that_of_the_host_that_the_client_chose(start):
    s, data = starter(start, "UseSendfile off\n<VirtualHost 127.0.0.1>\nPort @PORT@\nServerAlias mapped.example\n"
                      "TransferMMapEngine on\nUseSendfile off\nAuthUserFile @DIR@/passwd\nRequireValidShell off\n"
                      "AuthOrder mod_auth_file.c\nDefaultRoot ~\n</VirtualHost>\n")
    with Ftp(s.port) as c:
        c.expect(220, "HOST mapped.example")
        c.login("alice")
        assert retr(c) == data
        assert "'/big' is mapped for this transfer" in s.text("system.log")
    before = s.text("system.log").count("is mapped for this transfer")
    with Ftp(s.port, user="alice") as c:
        assert retr(c) == data
    assert s.text("system.log").count("is mapped for this transfer") == before


def test_an_aborted_transfer_leaves_nothing_mapped(start):
    s, data = starter(start, COPIED + "TransferRate RETR 1000:1000000\n", data=content(20 * MIB))
    with Ftp(s.port, user="alice") as c:
        sock = c.binary().start("RETR big")
        sock.recv(1000)
        assert mappings(sessions(s)[0], "/big")
        c.send("ABOR")
        c.expect(426)
        c.expect(226)
        sock.close()
        assert not mappings(sessions(s)[0], "/big")
        c.expect(350, f"REST {19 * MIB}")
        assert c.read("RETR big") == data[19 * MIB:]
    assert "is not in this process's list" not in s.text("system.log"), "of system calls"


# --- the configuration

@pytest.mark.parametrize("line,why", [("TransferMMapFile relative", "'relative' is not an absolute path"),
                                      ("TransferMMapFile /no/such/file", "No such file or directory"),
                                      ("TransferMMapFile", "missing parameters"),
                                      ("TransferMMapEngine perhaps", "expected Boolean parameter")])
def test_the_configuration_test_says_what_is_wrong_and_where(start, line, why):
    s = start.prepare()
    s.configure("\n" + line)
    lines = s.text("server.conf").split("\n").index(line) + 1
    done = s.check()
    assert done.returncode != 0
    assert why in done.stderr and f"on line {lines} of '{s.path('server.conf')}'" in done.stderr
