"""`wherryd share DIR`: read-only and anonymous by default, a login on demand, one live line per session and transfer."""
import ftplib
import io
import os
import pwd
import re
import shutil
import subprocess
import tempfile

import pytest

import servers
from servers import AM_ROOT, PATIENCE_S, ROOT, free_port, wait_until

pytestmark = pytest.mark.ours


class Share:
    def __init__(self, build, options, folder=None, as_user=None):
        self.dir = folder or tempfile.mkdtemp(prefix="wherry-share-")
        os.chmod(self.dir, 0o755)
        with open(os.path.join(self.dir, "hello.txt"), "w") as f:
            f.write("hello")
        with open(os.path.join(self.dir, "large.bin"), "wb") as f:
            f.truncate(30_000_000)
        self.port = free_port()
        self.out = tempfile.TemporaryFile("w+")
        program = os.path.join(ROOT, build, "src", "master", "wherryd")
        prefix = ["setpriv", f"--reuid={as_user}", f"--regid={as_user}", "--clear-groups"] if as_user else []
        self.proc = subprocess.Popen([*prefix, program, "share", self.dir, "--port", str(self.port), *options], text=True,
                                     stdin=subprocess.DEVNULL, stdout=self.out, stderr=self.out, start_new_session=True)
        wait_until(lambda: self.proc.poll() is not None or servers.listening(self.port), "it listens or ends")

    def output(self):
        self.out.seek(0)
        return self.out.read()

    def client(self, user="", password=""):
        f = ftplib.FTP(timeout=PATIENCE_S)
        f.connect("127.0.0.1", self.port)
        f.login(user, password)
        return f

    def stop(self):
        below = {p: servers.process_table()[p][2] for p in servers.descendants(self.proc.pid)}
        if self.proc.poll() is None:
            self.proc.terminate()
            self.proc.wait(PATIENCE_S)
        left = servers.Server.left_over(self, below)
        report = servers.SANITIZER_REPORT.search(self.output())
        shutil.rmtree(self.dir, ignore_errors=True)
        assert not left and not report, f"{left}\n{self.output()}"


@pytest.fixture
def share(request):
    made = []

    def begin(*options, **more):
        made.append(Share(request.config.getoption("--build"), options, **more))
        assert made[-1].proc.poll() is None, made[-1].output()
        return made[-1]
    yield begin
    for one in made:
        one.stop()


def test_anonymous_and_read_only(share):
    s = share()
    wait_until(lambda: f"ftp://127.0.0.1:{s.port}/" in s.output(), "the address to open")
    f = s.client()
    got = io.BytesIO()
    f.retrbinary("RETR hello.txt", got.write)
    assert got.getvalue() == b"hello" and sorted(f.nlst()) == ["hello.txt", "large.bin"]
    for refused in (lambda: f.storbinary("STOR new", io.BytesIO(b"x")), lambda: f.delete("hello.txt"), lambda: f.mkd("d"),
                    lambda: f.rename("hello.txt", "x"), lambda: f.storbinary("STOR hello.txt", io.BytesIO(b"x"))):
        with pytest.raises(ftplib.error_perm):
            refused()
    f.quit()
    assert sorted(os.listdir(s.dir)) == ["hello.txt", "large.bin"]


def test_shows_sessions_and_transfers(share):
    s = share("--rate", "20000")
    f = s.client()
    f.retrbinary("RETR large.bin", lambda _: None)
    wait_until(lambda: re.search(r"large\.bin", s.output()), "a line for the transfer")
    f.quit()
    assert re.search(r"127\.0\.0\.1", s.output())
    assert re.search(r"\d+(\.\d+)? [KMG]iB/s", s.output()), s.output()


def test_with_a_login_and_writing(share):
    s = share("--user", "me:secret", "--write")
    with pytest.raises(ftplib.error_perm):
        s.client("me", "wrong")
    with pytest.raises(ftplib.error_perm):
        s.client()
    f = s.client("me", "secret")
    f.storbinary("STOR new", io.BytesIO(b"written"))
    f.mkd("d")
    assert open(os.path.join(s.dir, "new")).read() == "written"


def test_a_password_is_made_up_and_shown(share):
    s = share("--user", "me")
    found = wait_until(lambda: re.search(r"(?i)password\W+(?:is )?\W*(\w{8,})|me:(\w{8,})@", s.output()), "a password is shown")
    s.client("me", found.group(1) or found.group(2)).quit()


def test_passive_ports_and_rate(share):
    s = share("--passive-ports", "42000-42010")
    f = s.client()
    f.set_pasv(True)
    assert all(42000 <= f.makepasv()[1] <= 42010 for _ in range(5))


@pytest.mark.skipif(not AM_ROOT, reason="needs root to become another user")
def test_as_an_ordinary_user(share):
    s = share("--write", as_user=pwd.getpwnam("daemon").pw_uid)
    f = s.client()
    got = io.BytesIO()
    f.retrbinary("RETR hello.txt", got.write)
    assert got.getvalue() == b"hello"
    assert all(servers.status(p)["Uid"].split() == [str(pwd.getpwnam("daemon").pw_uid)] * 4 for p in servers.descendants(s.proc.pid))


@pytest.mark.skipif(not AM_ROOT, reason="needs root to become another user")
@pytest.mark.parametrize("options, login", [((), ()), (("--user", "me:secret"), ("me", "secret"))])
def test_as_a_uid_without_account(share, options, login):
    uid = 54321
    with pytest.raises(KeyError):
        pwd.getpwuid(uid)
    f = share("--write", *options, as_user=uid).client(*login)
    got = io.BytesIO()
    f.retrbinary("RETR hello.txt", got.write)
    assert got.getvalue() == b"hello"
    for name in ("#0", f"#{uid}") if login else ("#0",):  # the account of an anonymous share is anonymous
        with pytest.raises(ftplib.error_perm, match="530"):
            share(*options, as_user=uid).client(name, "")


def test_nothing_but_the_folder_is_shared(share):
    s = share()
    os.symlink("/etc/passwd", os.path.join(s.dir, "out"))
    f = s.client()
    for name in ("out", "../../etc/passwd", "/etc/passwd"):
        with pytest.raises(ftplib.error_perm):
            f.retrbinary("RETR " + name, lambda _: None)


def test_mistakes(request):
    program = os.path.join(ROOT, request.config.getoption("--build"), "src", "master", "wherryd")
    for options in (["/nosuch/dir"], [], ["/tmp", "--port", "x"], ["/tmp", "--nosuch"], ["/tmp", "--passive-ports", "9"], ["/etc/passwd"]):
        done = subprocess.run([program, "share", *options], capture_output=True, text=True, stdin=subprocess.DEVNULL, timeout=PATIENCE_S)
        assert done.returncode != 0 and done.stderr, options


def test_port_in_use_is_said(share, request):
    s = share()
    program = os.path.join(ROOT, request.config.getoption("--build"), "src", "master", "wherryd")
    done = subprocess.run([program, "share", s.dir, "--port", str(s.port)], capture_output=True, text=True,
                          stdin=subprocess.DEVNULL, timeout=PATIENCE_S)
    assert done.returncode != 0 and "in use" in done.stderr and str(s.port) in done.stderr
