"""Real clients: down and up, content compared by hash; mirrors, large files, many sessions, resuming, IPv6."""
import contextlib
import ftplib
import io
import os
import pathlib
import shutil
import socket
import subprocess
import threading

import pytest

from ftpclient import Ftp, read_all
from servers import PATIENCE_S, password_hash, sha256, wait_until

CONTENT = os.urandom(5_000_000)


def run(*command, timeout=2 * PATIENCE_S, may_fail=False, **more):
    """Runs a client; its output is shown when it fails."""
    done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=timeout, errors="replace",
                          env=dict(os.environ, HOME="/nonexistent", LC_ALL="C.UTF-8"), **more)
    assert may_fail or done.returncode == 0, f"{command}: status {done.returncode}\n{done.stdout[-2000:]}\n{done.stderr[-2000:]}"
    return done.stdout


def url(s, path="", user="alice", host="127.0.0.1"):
    return f"ftp://{user}:{user}-pw@{host}:{s.port}/{path}"


def lftp(s, commands, user="alice", host="127.0.0.1", **more):
    settings = "set ssl:check-hostname no; set ftp:ssl-allow no; set net:timeout 60; set net:max-retries 2; set cmd:fail-exit yes;"
    return run("lftp", "--norc", "-c", f"{settings} open -u {user},{user}-pw -p {s.port} {host}; {commands}", **more)


def rclone_remote(s, user="alice"):
    secret = run("rclone", "obscure", f"{user}-pw").strip()
    return f":ftp,host=127.0.0.1,port={s.port},user={user},pass={secret}:"


def rclone(*arguments, timeout=2 * PATIENCE_S):
    return run("rclone", "--config=", *arguments, timeout=timeout)


PERL = r"""
use strict; use Net::FTP;
my ($port, $verb, $from, $to, $passive) = @ARGV;
my $f = Net::FTP->new("127.0.0.1", Port => $port, Passive => $passive, Timeout => 20) or die "connect: $@";
$f->login("alice", "alice-pw") or die "login: " . $f->message;
$f->binary;
if ($verb eq "get") { $f->get($from, $to) or die "get: " . $f->message }
elsif ($verb eq "put") { $f->put($from, $to) or die "put: " . $f->message }
elsif ($verb eq "ls") { print join("\n", $f->ls), "\n" }
$f->quit;
"""


class Clients:
    """get(server, remote name, local path) and put(server, local path, remote name) of each client."""

    @staticmethod
    def curl_get(s, name, path, *options):
        run("curl", "-sS", *options, "-o", path, url(s, name))

    @staticmethod
    def curl_put(s, path, name, *options):
        run("curl", "-sS", *options, "-T", path, url(s, name))

    @staticmethod
    def curl_active_get(s, name, path):
        Clients.curl_get(s, name, path, "-P", "-")

    @staticmethod
    def curl_active_put(s, path, name):
        Clients.curl_put(s, path, name, "-P", "-")

    @staticmethod
    def curl_pasv_get(s, name, path):
        Clients.curl_get(s, name, path, "--disable-epsv")

    @staticmethod
    def curl_pasv_put(s, path, name):
        Clients.curl_put(s, path, name, "--disable-epsv")

    @staticmethod
    def wget_get(s, name, path):
        run("wget", "-q", "-t", "1", "-T", "20", "-O", path, url(s, name))

    @staticmethod
    def wget_active_get(s, name, path):
        run("wget", "-q", "-t", "1", "-T", "20", "--no-passive-ftp", "-O", path, url(s, name))

    @staticmethod
    def lftp_get(s, name, path):
        lftp(s, f"get {name} -o {path}")

    @staticmethod
    def lftp_put(s, path, name):
        lftp(s, f"put {path} -o {name}")

    @staticmethod
    def lftp_pget_get(s, name, path):
        lftp(s, f"pget -n 4 {name} -o {path}")

    @staticmethod
    def lftp_active_get(s, name, path):
        lftp(s, f"set ftp:passive-mode no; get {name} -o {path}")

    @staticmethod
    def ncftp_get(s, name, path):
        with open(path, "wb") as out:
            done = subprocess.run(["ncftpget", "-c", "-t", "20", "-r", "1", "-u", "alice", "-p", "alice-pw", "-P", str(s.port),
                                   "127.0.0.1", name], stdin=subprocess.DEVNULL, stdout=out, stderr=subprocess.PIPE, timeout=PATIENCE_S)
        assert done.returncode == 0, done.stderr

    @staticmethod
    def ncftp_put(s, path, name):
        run("ncftpput", "-t", "20", "-r", "1", "-C", "-u", "alice", "-p", "alice-pw", "-P", str(s.port), "127.0.0.1", path, name)

    @staticmethod
    def tnftp_get(s, name, path):
        run("tnftp", "-q", "20", "-V", "-o", path, url(s, name))

    @staticmethod
    def tnftp_put(s, path, name):
        run("tnftp", "-q", "20", "-V", "-u", url(s, name), path)

    @staticmethod
    def rclone_get(s, name, path):
        rclone("copyto", rclone_remote(s) + name, path)

    @staticmethod
    def rclone_put(s, path, name):
        rclone("copyto", path, rclone_remote(s) + name)

    @staticmethod
    def ftplib_get(s, name, path):
        with python_client(s) as f, open(path, "wb") as out:
            f.retrbinary("RETR " + name, out.write)

    @staticmethod
    def ftplib_put(s, path, name):
        with python_client(s) as f, open(path, "rb") as content:
            f.storbinary("STOR " + name, content)

    @staticmethod
    def perl_get(s, name, path):
        run("perl", "-e", PERL, str(s.port), "get", name, path, "1")

    @staticmethod
    def perl_put(s, path, name):
        run("perl", "-e", PERL, str(s.port), "put", path, name, "1")

    @staticmethod
    def perl_active_get(s, name, path):
        run("perl", "-e", PERL, str(s.port), "get", name, path, "0")


PROGRAMS = {"ncftp": "ncftpget", "ftplib": "python3"}


def clients(kind):
    for name in sorted(vars(Clients)):
        if name.endswith("_" + kind):
            program = name.split("_")[0]
            yield pytest.param(name, marks=pytest.mark.needs(PROGRAMS.get(program, program)))


def python_client(s, host="127.0.0.1", user="alice"):
    f = ftplib.FTP(timeout=PATIENCE_S)
    f.connect(host, s.port)
    f.login(user, user + "-pw")
    return f


@pytest.fixture(scope="module")
def shared(module_start):
    return module_start(AllowStoreRestart="on")


@pytest.fixture
def local(tmp_path):
    """The client's side of the disk."""
    yield tmp_path
    shutil.rmtree(tmp_path, ignore_errors=True)


@pytest.mark.parametrize("name", clients("get"))
def test_download(shared, local, name):
    shared.put("down.bin", CONTENT)
    path = str(local / "got")
    getattr(Clients, name)(shared, "down.bin", path)
    assert sha256(path) == sha256(CONTENT)


@pytest.mark.parametrize("name", clients("put"))
def test_upload(shared, local, name):
    (local / "source").write_bytes(CONTENT)
    remote = name + ".bin"
    getattr(Clients, name)(shared, str(local / "source"), remote)
    assert sha256(shared.home("alice", remote)) == sha256(CONTENT)


# --- more of what clients do

@pytest.mark.needs("curl")
def test_curl_more(shared, local):
    shared.put("c/one", b"1" * 10)
    shared.put("c/two words", b"2")
    assert run("curl", "-sS", "--list-only", url(shared, "c/")).split("\n")[:2] in (["one", "two words"], ["two words", "one"]) or \
        set(run("curl", "-sS", "--list-only", url(shared, "c/")).replace("\r", "").split("\n")) == {"one", "two words", ""}
    assert "two words" in run("curl", "-sS", url(shared, "c/"))
    assert run("curl", "-sS", "-r", "2-5", url(shared, "c/one")) == "1111"
    assert "Content-Length: 10" in run("curl", "-sS", "-I", url(shared, "c/one"))
    assert run("curl", "-sS", url(shared, "c/two%20words")) == "2"
    (local / "f").write_text("made")
    run("curl", "-sS", "--ftp-create-dirs", "-T", str(local / "f"), url(shared, "c/new/er/f"))
    assert open(shared.home("alice", "c/new/er/f")).read() == "made"
    run("curl", "-sS", "-a", "-T", str(local / "f"), url(shared, "c/new/er/f"))
    assert open(shared.home("alice", "c/new/er/f")).read() == "mademade"
    run("curl", "-sS", "-Q", "DELE c/one", url(shared, ""))
    assert not os.path.exists(shared.home("alice", "c/one"))


@pytest.mark.needs("wget")
def test_wget_recursive(shared, local):
    for name in ("w/a", "w/sub/b", "w/sub/deep/c"):
        shared.put(name, name.encode())
    run("wget", "-q", "-t", "1", "-T", "20", "-r", "-nH", url(shared, "w/"), cwd=local)
    for name in ("w/a", "w/sub/b", "w/sub/deep/c"):
        assert (local / name).read_bytes() == name.encode()


def make_tree(top):
    os.makedirs(top / "sub" / "deep")
    for n in range(60):
        (top / ("sub/deep" if n % 3 else "sub") / f"file {n}").write_bytes(os.urandom(n * 1000))
    (top / "empty").mkdir()


def tree_of(top):
    """relative path -> hash or link target, of everything below a directory."""
    found = {}
    for parent, folders, files in os.walk(top):
        for name in folders + files:
            path = os.path.join(parent, name)
            rel = os.path.relpath(path, top)
            found[rel] = os.readlink(path) if os.path.islink(path) else "dir" if os.path.isdir(path) else sha256(path)
    return found


@pytest.mark.needs("lftp")
def test_lftp_mirror_both_ways(shared, local, is_ours):
    source = local / "source"
    make_tree(source)
    lftp(shared, f"mirror -R -P 4 {source} mirrored")
    lftp(shared, f"mirror -P 4 mirrored {local}/back")
    assert tree_of(local / "back") == tree_of(source)
    if is_ours:  # the reference server refuses to make a link whose target it does not see
        os.symlink("sub/nowhere", source / "link")
        os.symlink("sub/no where", source / "link with blanks")
        lftp(shared, f"set ftp:use-mlsd no; mirror -R {source} mirrored; mirror mirrored {local}/back")
        assert tree_of(local / "back") == tree_of(source)
    assert lftp(shared, f"mirror -v -P 4 mirrored {local}/back").count("Transferring") == 0
    lftp(shared, "set ftp:use-mlsd no; rm -r mirrored")
    assert not os.path.exists(shared.home("alice", "mirrored"))


@pytest.mark.needs("rclone")
def test_rclone_sync(shared, local):
    make_tree(local / "source")
    remote = rclone_remote(shared) + "synced"
    rclone("sync", str(local / "source"), remote)
    rclone("check", "--download", str(local / "source"), remote)
    rclone("sync", remote, str(local / "back"))
    a, b = tree_of(local / "source"), tree_of(local / "back")
    assert {k: v for k, v in a.items() if v != "dir"} == {k: v for k, v in b.items() if v != "dir"}


def test_ftplib_more(shared):
    shared.put("p/a", b"abc\n")
    with python_client(shared) as f:
        assert dict(f.mlsd("p"))["a"]["size"] == "4"
        assert f.nlst("p") == ["p/a"]
        f.cwd("p")
        f.voidcmd("TYPE I")
        assert f.pwd() == "/p" and f.size("a") == 4
        lines = []
        f.retrlines("RETR a", lines.append)
        assert lines == ["abc"]
        f.rename("a", "b")
        f.mkd("x")
        f.rmd("x")
        f.delete("b")
        f.storlines("STOR text", io.BytesIO(b"one\ntwo\n"))
    assert open(shared.home("alice", "p/text"), "rb").read() == b"one\ntwo\n"


@pytest.mark.needs("perl")
def test_perl_listing(shared):
    shared.put("perl-file", b"")
    assert "perl-file" in run("perl", "-e", PERL, str(shared.port), "ls", "", "", "1").split("\n")


# --- IPv6

@pytest.fixture
def v6(start):
    try:
        with socket.socket(socket.AF_INET6) as s:
            s.bind(("::1", 0))
    except OSError:
        pytest.skip("no IPv6 loopback here")
    return start(DefaultAddress="::1", UseIPv6="on")


def test_ipv6_raw(v6):
    v6.put("f", b"six")
    with Ftp(v6.port, host="::1", user="alice") as c:
        c.binary()
        assert c.read("RETR f") == b"six"
        with c.listen() as listener:
            c.expect(150, "RETR f")
            with listener.accept()[0] as data:
                assert read_all(data) == b"six"
            c.expect(226)
        c.expect(500, "PORT 127,0,0,1,200,1")
        assert "(::1)" in c.expect(211, "STAT").text


@pytest.mark.ours
def test_ipv6_pasv_says_use_epsv(v6):
    with Ftp(v6.port, host="::1", user="alice") as c:
        c.expect((425, 522), "PASV")


@pytest.mark.needs("curl", "lftp")
def test_ipv6_clients(v6, local):
    v6.put("f", CONTENT)
    run("curl", "-sS", "-o", str(local / "a"), url(v6, "f", host="[::1]"))
    lftp(v6, f"get f -o {local}/b", host="::1")
    with python_client(v6, host="::1") as f, open(local / "c", "wb") as out:
        f.retrbinary("RETR f", out.write)
    assert {sha256(str(local / n)) for n in "abc"} == {sha256(CONTENT)}


# --- large, many, cut

def test_a_file_beyond_4_gib(start, local):
    s = start(AllowStoreRestart="on")
    size = (4 << 30) + 100_000_000
    path = s.put("huge", b"")
    marks = {0: b"begin", (4 << 30) - 3: b"across", size - 3: b"end"}
    with open(path, "r+b") as f:
        f.truncate(size)
        for at, word in marks.items():
            f.seek(at)
            f.write(word)
    with Ftp(s.port, user="alice") as c:
        c.binary()
        assert c.expect(213, "SIZE huge").text == f"213 {size}"
        with c.start("RETR huge") as data:
            buffer, at, found = memoryview(bytearray(1 << 20)), 0, {}
            while count := data.recv_into(buffer):
                for mark, word in marks.items():
                    if mark - len(word) < at + count and at < mark + len(word):
                        part = found.setdefault(mark, bytearray(len(word)))
                        for n in range(len(word)):
                            if at <= mark + n < at + count:
                                part[n] = buffer[mark + n - at]
                at += count
        c.expect(226)
        assert at == size and {k: bytes(v) for k, v in found.items()} == marks
        c.expect(350, f"REST {(4 << 30) - 3}")
        with c.start("RETR huge") as data:
            tail = read_all(data)
        c.expect(226)
        assert tail.startswith(b"across") and len(tail) == 100_000_003
        c.expect(350, f"REST {(4 << 30) + 7}")
        c.write("STOR huge", b"written there")
        assert f" {size} " in c.lines("LIST huge")[0]
    with open(path, "rb") as f:
        f.seek((4 << 30) - 3)
        assert f.read(23) == b"across\0\0\0\0written there"


def test_two_hundred_sessions_with_different_content(start):
    s = start()
    count = 200
    contents = [os.urandom(50_000 + 1000 * n) for n in range(count)]
    for n in range(0, count, 2):
        s.put(f"f{n}", contents[n])
    meet = threading.Barrier(count)
    problems = []

    def session(n):
        try:
            with Ftp(s.port, user=("alice", "bob", "carol")[n % 3] if n % 2 else "alice") as c:
                c.binary()
                meet.wait(PATIENCE_S)
                if n % 2 == 0:
                    assert c.read(f"RETR f{n}") == contents[n]
                c.write(f"STOR up{n}", contents[n])
                assert sha256(c.read(f"RETR up{n}")) == sha256(contents[n])
                c.quit()
        except BaseException as problem:
            problems.append(f"{n}: {problem}")
            meet.abort()
    threads = [threading.Thread(target=session, args=(n,)) for n in range(count)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert not problems, problems[0]


def cut_session(s, c, is_ours):
    """Ends a client's session from the server's side."""
    if is_ours:
        done = s.tool("wherryctl", "-s", s.path("run", "ctl.sock"), "kick", "user", "alice")
        assert done.returncode == 0, done.stderr
    else:
        for pid in s.processes():
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, 9)


@pytest.mark.needs("curl", "lftp", "wget")
def test_resume_of_downloads_after_a_cut(shared, local):
    shared.put("resume.bin", CONTENT)
    half = len(CONTENT) // 2
    for name, command in (("curl", ["curl", "-sS", "-C", "-", "-o", "curl", url(shared, "resume.bin")]),
                          ("wget", ["wget", "-q", "-c", "-t", "1", "-O", "wget", url(shared, "resume.bin")]),
                          ("lftp", None)):
        (local / name).write_bytes(CONTENT[:half])
        if command is None:
            lftp(shared, f"get -c resume.bin -o {local}/lftp")
        else:
            run(*command, cwd=local)
        assert sha256(str(local / name)) == sha256(CONTENT), name


def test_a_cut_in_the_middle_and_resume(start, is_ours):
    s = start(TransferRate="RETR,STOR 300", AllowStoreRestart="on")  # all of it would take 17 s
    s.put("f", CONTENT)
    with Ftp(s.port, user="alice") as c:
        with c.binary().start("RETR f") as data:
            got = read_all(data, 300_000)
            cut_session(s, c, is_ours)
            with contextlib.suppress(ConnectionError):
                got += read_all(data)
    assert 0 < len(got) < len(CONTENT) and got == CONTENT[:len(got)]
    with Ftp(s.port, user="alice") as c:
        c.binary().expect(350, f"REST {len(CONTENT) - 100_000}")
        assert c.read("RETR f") == CONTENT[-100_000:]
        with c.start("STOR up") as data:
            data.sendall(CONTENT[:200_000])
            wait_until(lambda: os.path.getsize(s.home("alice", "up")) > 100_000, "some of the upload is there")
            cut_session(s, c, is_ours)
    wait_until(lambda: " i r alice ftp 0 * i" in s.text("xferlog") or not is_ours, "the log line of the cut upload")
    with Ftp(s.port, user="alice") as c:
        have = int(c.binary().expect(213, "SIZE up").text[4:])
        c.expect(350, f"REST {have}")
        c.write("STOR up", CONTENT[have:have + 50_000])
    with open(s.home("alice", "up"), "rb") as f:
        assert f.read() == CONTENT[:have + 50_000]


@pytest.mark.needs("lftp")
def test_ascii_round_trip_of_a_text(shared, local):
    text = b"".join(b"line %d\n" % n for n in range(50_000))
    (local / "text").write_bytes(text)
    lftp(shared, f"put -a {local}/text -o text.txt; get -a text.txt -o {local}/back")
    assert (local / "back").read_bytes() == text
    assert open(shared.home("alice", "text.txt"), "rb").read() == text


# --- the big mirror

AWKWARD = ["two words", "three  blanks  wide", "-dash", "#hash#", "100%", "it's \"quoted\"", "a;b&c|d", "(x) [y] {z}", "~tilde", "a=b,c", "\\back\\slash",
           "$HOME", "UPPER", "upper", ".hidden", "ünïcødé", "日本語", "name -> target", "ends.", "n" * 255, "é" * 127]
SIZES = [0, 1, 511, 4095, 4096, 4097, 65_535, 65_537, 262_143, 262_144, 262_145, 1 << 20, (8 << 20) + 1]


def make_big_tree(top):
    """What a large tree of real files has: one crowded folder, many small ones, a deep way, names, sizes, links, and what may not be read."""
    def put(path, content):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)

    for n in range(4000):
        put(top / "crowded" / f"entry-{n:04}.txt", b"%d\n" % n * (n % 50))
    for n in range(300):
        for m in range(n % 20):
            put(top / "wide" / f"folder {n}" / f"part{m}.bin", os.urandom(300 * m))
    way = top / "deep"
    for n in range(25):
        way = way / f"level-{n}"
        put(way / "here", b"%d" % n)
    for n, name in enumerate(AWKWARD):
        put(top / "names" / name, name.encode())
        put(top / "names" / "folders" / name / name, b"%d" % n)
    put(top / "names" / "*?", b"MKD would refuse it")
    for size in SIZES:
        put(top / "sizes" / f"{size}.bin", os.urandom(size))
    (top / "empty").mkdir()
    links = top / "links"
    links.mkdir()
    for name, target in (("file", "../crowded/entry-0001.txt"), ("folder", "../deep"), ("nowhere", "not/there"), ("absolute", "/etc/hostname"),
                         ("link", "file"), ("itself", "itself"), ("with blanks", "../names/two words"), ("arrow", "../names/name -> target")):
        os.symlink(target, links / name)
    put(top / "closed" / "file", b"not for others")
    put(top / "closed" / "folder" / "inside", b"not for others")
    os.chmod(top / "closed" / "file", 0o600)
    os.chmod(top / "closed" / "folder", 0o700)


@pytest.mark.slow
@pytest.mark.root
@pytest.mark.needs("lftp")
def test_mirror_of_a_large_tree_down_and_up(start, local):
    """7,000 objects with all that large trees have, down from the server and up again, compared by hash."""
    s = start()
    source, down = pathlib.Path(s.path("source")), local / "down"
    make_big_tree(source)
    s.users["share"] = (65534, 65534, str(source), password_hash("share-pw"), "/bin/sh")
    s.write_accounts()
    # It says so of the folder that is closed.
    lftp(s, f"set ftp:use-mlsd no; set ftp:list-options -a; mirror -P 4 --no-perms . {down}", user="share", timeout=2 * PATIENCE_S, may_fail=True)
    expected, got = tree_of(source), tree_of(down)
    assert len(expected) > 7000
    assert {k for k in expected if k not in got} == {"closed/file", "closed/folder", "closed/folder/inside"} - set(got)
    assert {"closed/file", "closed/folder/inside"}.isdisjoint(got)
    assert {k: v for k, v in expected.items() if k in got} == got
    s.mkdir("up")
    lftp(s, f"set ftp:use-mlsd no; mirror -R -P 4 --no-perms {down} up", timeout=2 * PATIENCE_S)
    assert tree_of(s.home("alice", "up")) == got
