"""The configurations of examples/, each started and used as it is meant, and the one that Debian ships with proftpd-core.

Of an example only addresses, ports and paths are replaced. Debian's text is not in our sources: it is read from the unpacked
package (scripts/setup test).
"""
import os
import re
import socket

import pytest

import servers
from ftpclient import Ftp, read_all
from ftpsclient import Ftps, make_certificate
from servers import PATIENCE_S, ROOT, password_hash, wait_until

pytestmark = [pytest.mark.ours, pytest.mark.root]  # accounts of several uids

TEMPLATES = os.path.join(ROOT, "build", "peers", "usr", "share", "proftpd", "templates")
NOBODY = (65534, 65534)


class Example:
    """A server made of an example. Accounts are lines of AuthUserFiles, with the password NAME-pw."""

    def __init__(self, server, name):
        self.s, self.dir = server, server.dir
        with open(os.path.join(ROOT, "examples", name + ".conf"), encoding="utf-8") as f:
            self.text = f.read()
        os.mkdir(server.path("etc"), 0o755)
        os.mkdir(server.path("log"), 0o755)
        self.groups([])

    def account(self, name, uid, home, gid=None, file="users"):
        gid = uid if gid is None else gid
        path = self.s.path("etc", file)
        with open(path, "a") as f:
            f.write(f"{name}:{password_hash(name + '-pw')}:{uid}:{gid}::{self.folder(home, uid, gid)}:/bin/false\n")
        os.chmod(path, 0o600)

    def groups(self, lines):
        with open(self.s.path("etc", "groups"), "w") as f:
            f.writelines(line + "\n" for line in lines)
        os.chmod(self.s.path("etc", "groups"), 0o600)

    def folder(self, path, uid, gid=None, mode=0o755):
        real = self.dir + path
        os.makedirs(real, exist_ok=True)
        os.chown(real, uid, uid if gid is None else gid)
        os.chmod(real, mode)
        return real

    def file(self, path, uid, content=b"content", mode=0o644):
        with open(self.dir + path, "wb") as f:
            f.write(content)
        os.chown(self.dir + path, uid, uid)
        os.chmod(self.dir + path, mode)

    def configuration(self):
        text = self.text
        for path in ("/etc/wherry/", "/srv/", "/var/log/"):
            text = text.replace(path, self.dir + path.replace("/etc/wherry", "/etc").replace("/var", ""))
        text = re.sub(r"^( *Port +)21$", rf"\g<1>{self.s.port}", text, flags=re.M).replace("<VirtualHost 0.0.0.0>", "<VirtualHost 127.0.0.1>")
        own = "".join(f"{name} {self.s.path('run', file)}\n" for name, file in
                      (("ScoreboardFile", "scoreboard"), ("PidFile", "pid"), ("ControlsSocket", "ctl.sock")))
        return text + f"DefaultAddress 127.0.0.1\nSystemLog {self.s.path('system.log')}\n" + own

    def start(self):
        self.s.write_conf(self.configuration())
        done = self.s.check()
        assert done.returncode == 0, done.stderr
        self.s.start()
        return self.s

    def client(self, user=None, **options):
        c = Ftp(self.s.port, **options)
        if user == "anonymous":
            c.expect(331, "USER anonymous")
            c.expect(230, "PASS guest@example.org")
        elif user:
            c.login(user)
        return c


@pytest.fixture
def example(start):
    return lambda name: Example(start.prepare("wherry"), name)


def names(c, line="NLST"):
    return sorted(os.path.basename(x) for x in c.lines(line))


def refused_login(port, user, password=None):
    with Ftp(port) as c:
        c.expect(331, f"USER {user}")
        return c.cmd(f"PASS {password or user + '-pw'}").code == 530


def test_every_example_is_tested():
    tested = set(re.findall(r'example\("([a-z-]+)"\)', open(__file__, encoding="utf-8").read()))
    assert {f"{x}.conf" for x in tested} == {x for x in os.listdir(os.path.join(ROOT, "examples")) if x.endswith(".conf")}


def test_anonymous_mirror(example):
    e = example("anonymous")
    e.folder("/srv/ftp", 0)
    e.folder("/srv/ftp/incoming", *NOBODY)
    e.file("/srv/ftp/README", 0)
    e.start()
    assert refused_login(e.s.port, "alice")
    with e.client("anonymous") as c:
        assert c.read("RETR README") == b"content"
        assert names(c) == ["README"]  # what may not be listed is not shown
        for line in ("DELE README", "MKD x", "SITE CHMOD 666 README"):
            c.expect(550, line)
        c.write("STOR incoming/gift", b"1")
        c.expect(550, "RETR incoming/gift")
        with c.data():
            c.expect(550, "STOR incoming/gift")  # not a second time
        c.expect(250, "CWD incoming")
        c.expect(550, "NLST")
    wait_until(lambda: "gift" in e.s.text("log/xferlog"), "the upload in the xferlog")


def test_system_users_in_their_homes(example, tmp_path):
    e = example("wherry")
    with_system_accounts(e.s, tmp_path, {"alice": 20001, "bob": 20002}, groups="ftpadmin:x:20900:bob\n")
    e.start()
    e.s.put("f", b"mine")
    with e.client("alice") as c:
        assert c.expect(257, "PWD").text == '257 "/" is the current directory'
        assert c.read("RETR f") == b"mine"
        c.expect(550, "CWD ../bob")
        c.write("STOR f", b"new")
    with e.client("bob") as c:
        assert c.expect(257, "PWD").text == f'257 "{e.s.home("bob")}" is the current directory'
    assert refused_login(e.s.port, "alice", "wrong")


def with_system_accounts(server, folder, users, groups="", more=""):
    """The server sees /etc/passwd, /etc/shadow and /etc/group with these accounts: bound over the real ones, in a mount name space of its own."""
    content = {"passwd": open("/etc/passwd").read() + more, "group": open("/etc/group").read() + groups, "shadow": open("/etc/shadow").read()}
    for name, uid in users.items():
        content["passwd"] += f"{name}:x:{uid}:{uid}::{server.home(name)}:/bin/sh\n"
        content["group"] += f"{name}:x:{uid}:\n"
        content["shadow"] += f"{name}:{password_hash(name + '-pw')}:19000:0:99999:7:::\n"
    mounts = ""
    for name, text in content.items():
        path = folder / name
        path.write_text(text)
        path.chmod(0o600 if name == "shadow" else 0o644)
        mounts += f"mount --bind '{path}' /etc/{name} && "
    inside = ["unshare", "-m", "--propagation", "private", "sh", "-c", mounts + 'exec "$0" "$@"']
    if os.system(f"unshare -m --propagation private sh -c '{mounts.replace(chr(39), '')} true' 2>/dev/null"):
        pytest.skip("cannot mount in a name space of its own here")
    plain = server.argv
    server.argv = lambda *options: inside + plain(*options)
    server.check = lambda: servers.subprocess.run(inside + [server.program, "-t", "-c", server.path("server.conf")], text=True, cwd=server.dir,
                                                  stdin=servers.subprocess.DEVNULL, capture_output=True, timeout=servers.PATIENCE_S)


def test_virtual_users(example):
    e = example("virtual-users")
    e.account("bob", 2001, "/srv/ftp/bob")
    e.account("reader", 2002, "/srv/ftp/bob")
    e.folder("/srv/ftp/bob", 2001)
    e.groups(["readers:x:2100:reader"])
    e.start()
    with e.client("bob") as c:
        c.write("STOR f", b"1")
        c.expect(257, "MKD d")
        assert os.stat(e.dir + "/srv/ftp/bob/f").st_mode & 0o777 == 0o640
    os.chmod(e.dir + "/srv/ftp/bob/f", 0o644)
    with e.client("reader") as c:
        assert c.read("RETR f") == b"1"
        for line in ("DELE f", "MKD x", "RNFR f"):
            c.expect(550, line)
    assert refused_login(e.s.port, "alice")


def test_hosting_panel(example):
    e = example("hosting-panel")
    for number in (1, 2):
        home = f"/srv/www/site{number}"
        e.account(f"site{number}", 2000 + number, home, 2100)
        e.folder(home, 2000 + number, 2100, 0o750)
        e.folder(home + "/htdocs", 2000 + number, 2100, 0o750)
        e.folder(home + "/logs", 2000 + number, 2100, 0o750)
        e.file(home + "/logs/access.log", 2000 + number)
    os.mkdir(e.s.path("etc", "tls"))
    make_certificate(e.s.path("etc", "tls"), kind="ec")
    os.rename(e.s.path("etc", "tls", "cert.key"), e.s.path("etc", "tls", "key.pem"))
    e.start()
    with Ftp(e.s.port) as c:
        assert c.cmd("USER site1").code >= 500  # no name, and so no password, without TLS
    with Ftps(e.s.port, user="site1") as c:
        assert c.expect(257, "PWD").text.startswith('257 "/htdocs"')
        c.write("STOR index.html", b"<p>")
        st = os.stat(e.dir + "/srv/www/site1/htdocs/index.html")
        assert (st.st_uid, st.st_gid, st.st_mode & 0o777) == (2001, 2100, 0o640)
        assert c.read("RETR /logs/access.log") == b"content"
        c.expect(550, "DELE /logs/access.log")
        c.write("STOR .ftpaccess", b"<Limit ALL>\nDenyAll\n</Limit>\n")
        assert c.read("RETR index.html") == b"<p>"
        c.expect(550, "CWD /../site2")
    with Ftps(e.s.port, user="site2", private=False) as c:
        assert c.cmd("EPSV").code == 229
        assert c.cmd("NLST").code >= 500  # data in clear


def test_upload_dropbox(example):
    e = example("dropbox")
    e.account("clerk", 2001, "/srv/dropbox")
    e.folder("/srv/dropbox", *NOBODY)
    e.start()
    with e.client("anonymous") as c:
        c.write("STOR letter", b"dear clerk")
        assert re.search(r"FILE: \S+", c.write("STOU", b"another").text) or len(os.listdir(e.dir + "/srv/dropbox")) == 2
        for line in ("RETR letter", "SIZE letter", "DELE letter", "RNFR letter", "NLST", "LIST", "MLSD", "STAT letter", "MKD d", "STOR letter", "STOR .hidden",
                     "APPE letter", "MDTM letter", "MLST letter", "SITE CHMOD 600 letter"):
            with c.data():
                assert c.cmd(line).code >= 450, line
        half = c.start("STOR half")
        half.sendall(b"x" * 1000)
        c.send("ABOR")
        with half:
            assert [c.reply().code, c.reply().code] == [426, 226]
    with e.client("clerk") as c:
        assert "letter" in names(c) and "half" not in names(c)
        assert c.read("RETR letter") == b"dear clerk"


def test_cameras(example):
    e = example("cameras")
    e.account("gate", 2001, "/srv/cameras/gate", 2100)
    e.account("viewer", 2002, "/srv/cameras", 2100)
    e.folder("/srv/cameras", 2002, 2100)
    e.groups(["cameras:x:2100:gate"])
    e.start()
    picture = bytes(range(256)) * 400
    with e.client("gate") as c:
        for line in ("SYST", "TYPE I", "ALLO 102400", "MKD 20240101", "MKD 20240101", "CWD 20240101"):
            assert c.cmd(line).code < 400, line
        c.expect(500, "EPSV")  # and then
        c.write("STOR 0001.jpg", picture, mode="pasv")
        listener = c.listen()  # as the oldest of them do
        c.expect(150, "STOR 0002.jpg")
        data, _ = listener.accept()
        with listener, data:
            data.sendall(picture)
        c.expect(226)
        for line in ("DELE 0001.jpg", "RETR 0001.jpg", "RNFR 0001.jpg"):
            c.expect(550, line)
    with e.client("viewer") as c:
        c.expect(200, "TYPE I")
        assert c.read("RETR gate/20240101/0002.jpg", mode="pasv") == picture
        c.expect(550, "DELE gate/20240101/0001.jpg")
        c.expect(550, "MKD x")
    with e.client("gate") as c:
        half = c.start("STOR half.jpg", mode="pasv")
        half.sendall(picture[:1000])
        c.send("ABOR")
        with half:
            assert [c.reply().code, c.reply().code] == [426, 226]
        assert c.read("NLST", mode="pasv") == b"20240101\r\n"


class From(Ftp):
    """A client with an address of its own, for data connections too."""

    def __init__(self, port, source):
        self.source = source
        super().__init__(port, source=source)

    def data(self, mode="epsv"):
        return socket.create_connection(self.epsv(), self.timeout, (self.source, 0))


def test_archive_with_rates_by_class(example):
    e = example("archive")
    # 127.0.0.1 is the campus, 127.0.0.2 the world; one of the world fits, and gets next to nothing
    given = e.text
    e.text = given.replace("world 200", "world 1").replace("RETR 4096 ", "RETR 1 ")
    assert e.text.count("RETR 1 ") == 1
    e.folder("/srv/archive", 0)
    content = os.urandom(3_000_000)
    for name in ("big.iso", ".index", "next.part"):
        e.file("/srv/archive/" + name, 0, content)
    e.start()
    with e.client("anonymous") as campus, From(e.s.port, "127.0.0.2") as world:
        world.login("anonymous", "x@y")
        for c in (campus, world):
            assert [n for n in names(c, "NLST -a") if n not in (".", "..")] == ["big.iso"]
            c.expect(550, "RETR .index")
            c.expect(550, "DELE big.iso")
            assert " archive " in c.lines("LIST")[0]
            c.expect(200, "TYPE I")
        with From(e.s.port, "127.0.0.3") as second:
            second.expect(331, "USER anonymous")
            assert second.expect(530, "PASS x@y").text == "530 Sorry, 1 clients of the world are here already."
        with world.start("RETR big.iso") as data:
            first = data.recv(1)
            assert campus.read("RETR big.iso") == content  # and the other would take an hour
            e.text = given
            e.s.write_conf(e.configuration())
            done = e.s.tool("wherryctl", "-s", e.s.path("run", "ctl.sock"), "rates")
            assert done.returncode == 0, done.stderr
            assert first + read_all(data) == content
        world.expect(226)


def test_two_hosts_by_name(example):
    e = example("two-hosts")
    e.account("bob", 2001, "/srv/red/bob", file="users-red")
    e.account("bob", 2002, "/srv/blue/bob", file="users-blue")
    e.folder("/srv/ftp", 0)
    e.file("/srv/ftp/README", 0)
    e.start()
    for host, uid, colour in (("red.example.org", 2001, "red"), ("www.red.example.org", 2001, "red"), ("BLUE", 2002, "blue")):
        with e.client() as c:
            c.expect(220, f"HOST {host}")
            c.expect(331, "USER bob")
            assert c.expect(230, "PASS bob-pw").text == f"230 Welcome to {colour}, bob."
            c.write("STOR f" + host, b"1")
            assert os.stat(f"{e.dir}/srv/{colour}/bob/f{host}").st_uid == uid
            with c.data():
                assert c.cmd("STOR f" + host).code == (150 if colour == "red" else 550)
    assert refused_login(e.s.port, "bob")
    with e.client() as c:
        c.expect(504, "HOST green.example.org")
    with e.client("anonymous") as c:
        assert c.read("RETR README") == b"content"
    with e.client() as c:
        c.expect(220, "HOST red.example.org")
        c.expect(331, "USER anonymous")
        c.expect(530, "PASS x@y")  # the anonymous section is the main server's


def test_behind_nat(example):
    e = example("behind-nat")
    e.account("bob", 2001, "/srv/bob")
    e.file("/srv/bob/f", 2001)
    e.start()
    with e.client("bob") as c:
        address, port = c.pasv()
        assert address == "198.51.100.7" and 49152 <= port <= 50175
        with socket.create_connection(("127.0.0.1", port), PATIENCE_S) as data:
            c.expect(150, "RETR f")
            assert read_all(data) == b"content"
        c.expect(226)
        assert c.read("RETR f") == b"content"  # EPSV names no address


def test_the_configuration_that_debian_ships(start, tmp_path):
    if not os.path.exists(TEMPLATES):
        pytest.skip("no proftpd in build/peers (scripts/setup test)")
    s = start.prepare("wherry")
    os.makedirs(s.path("etc", "conf.d"))
    os.mkdir(s.path("log"))
    for name in ("modules.conf", "proftpd.conf"):
        with open(os.path.join(TEMPLATES, name), encoding="utf-8") as f:
            text = f.read()
        text = text.replace("/etc/proftpd/", s.path("etc") + "/").replace("/var/log/proftpd/", s.path("log") + "/").replace("Port 21\n", f"Port {s.port}\n")
        with open(s.path("etc", name), "w", encoding="utf-8") as f:
            f.write(text)
    with open(s.path("etc", "conf.d", "here.conf"), "w") as f:
        f.write(f"DefaultAddress 127.0.0.1\nScoreboardFile {s.path('run', 'scoreboard')}\nPidFile {s.path('run', 'pid')}\n")
    s.write_conf(open(s.path("etc", "proftpd.conf"), encoding="utf-8").read())
    with_system_accounts(s, tmp_path, {"alice": 20001}, more="proftpd:x:20800:65534::/run/proftpd:/usr/sbin/nologin\n")
    done = s.check()
    assert done.returncode == 0 and " 0 refused; 0 errors" in done.stdout + done.stderr, done.stderr + done.stdout
    s.put("welcome.msg", b"hello %U\n")
    s.put("sub/.message", b"this is sub\n")
    s.put("f.txt", b"content")
    s.start()
    with Ftp(s.port) as c:
        c.expect(331, "USER alice")
        assert "hello alice" in c.expect(230, "PASS alice-pw").text
        assert c.expect(257, "PWD").text == f'257 "{s.home()}" is the current directory'
        assert c.read("RETR f.txt") == b"content"
        assert any(line.startswith("-rw-r--r--") for line in c.lines("LIST"))
        assert "Forbidden command argument" in c.expect(550, "SIZE */../f.txt").text
        assert "this is sub" in c.expect(250, "CWD sub").text
        c.write("STOR new", b"1")
        c.write("STOR new", b"22")
        c.quit()
    wait_until(lambda: "/new" in s.text("log/xferlog"), "the upload in the xferlog")
