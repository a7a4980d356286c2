"""Who runs as whom, what a session can reach, and what the death of a process costs. Needs root (several uids)."""
import contextlib
import os
import re
import signal
import socket

import pytest

from ftpclient import Closed, Ftp, read_all
from servers import PATIENCE_S, descendants, status, wait_until

pytestmark = [pytest.mark.root, pytest.mark.ours]


def rows(server):
    """pid -> /proc/PID/status of every process below the first one."""
    found = {p: status(p) for p in descendants(server.proc.pid)}
    return {p: row for p, row in found.items() if row and not row["State"].startswith("Z")}


def by_uid(server, uid):
    return [p for p, row in rows(server).items() if row["Uid"].split()[0] == str(uid)]


def session_of(server, user):
    """The pid of the user's one session process."""
    uid = server.users[user][0]
    return wait_until(lambda: by_uid(server, uid), f"a process with uid {uid}")[0]


def holds_listener(server, pid):
    """Whether the process has the listening socket of the server open."""
    inodes = set()
    for table in ("/proc/net/tcp", "/proc/net/tcp6"):
        with open(table) as f:
            for line in f:
                fields = line.split()
                if fields[3] == "0A" and int(fields[1].rsplit(":", 1)[1], 16) == server.port:
                    inodes.add(f"socket:[{fields[9]}]")
    links = set()
    with contextlib.suppress(FileNotFoundError):  # it has just ended
        for fd in os.listdir(f"/proc/{pid}/fd"):
            with contextlib.suppress(OSError):
                links.add(os.readlink(f"/proc/{pid}/fd/{fd}"))
    return bool(inodes & links)


def by_role(server):
    """{'login': [...], 'auth': [...], 'session': [...]} from uids and descriptors, not from names."""
    users = {str(u[0]) for u in server.users.values()}
    roles = {"login": [], "auth": [], "session": []}
    for pid, row in rows(server).items():
        if row["Uid"].split()[0] in users:
            roles["session"].append(pid)
        elif holds_listener(server, pid):
            roles["login"].append(pid)
        else:
            roles["auth"].append(pid)
    return roles


def test_every_kind_of_process_is_there(server):
    with Ftp(server.port, user="alice"):
        roles = wait_until(lambda: (lambda r: r if all(r.values()) else None)(by_role(server)), "all kinds of processes")
        assert len(roles["session"]) == 1
    assert status(server.proc.pid)["Uid"].split()[0] == "0"


def test_session_processes_have_the_identity_and_nothing_else(server):
    with contextlib.ExitStack() as stack:
        for user in ("alice", "bob", "carol"):
            stack.enter_context(Ftp(server.port, user=user))
        for user in ("alice", "bob", "carol"):
            uid, gid = server.users[user][:2]
            row = rows(server)[session_of(server, user)]
            assert row["Uid"].split() == [str(uid)] * 4
            assert row["Gid"].split() == [str(gid)] * 4
            assert set(row["Groups"].split()) <= {str(gid)}
            for caps in ("CapInh", "CapPrm", "CapEff", "CapAmb"):
                assert int(row[caps], 16) == 0, (user, caps, row[caps])
            assert row["NoNewPrivs"] == "1"
            assert row["Seccomp"] == "2"


def test_supplementary_groups_come_from_the_group_file(start):
    s = start.prepare()
    with open(s.path("group"), "a") as f:
        f.write("team:x:20500:alice\n")
    s.configure()
    s.start()
    with Ftp(s.port, user="alice"):
        assert set(status(session_of(s, "alice"))["Groups"].split()) == {"20001", "20500"}


def test_groups_with_blanks_and_many_long_ones_count(start):
    s = start.prepare()
    with open(s.path("group"), "a") as f:
        f.write("domain users:x:20500:alice\n")
        f.writelines(f"{'some group of a large directory %04d' % i}:x:{21000 + i}:alice\n" for i in range(200))
        f.write("the last:x:20501:alice\n")
    s.configure("<Limit MKD>\nDenyGroup \"domain users\"\n</Limit>\n<Limit RMD>\nDenyGroup \"the last\"\n</Limit>\n"
                "<Limit DELE>\nDenyGroup domain\n</Limit>\n")
    s.start()
    s.put("f")
    with Ftp(s.port, user="alice") as c:
        c.expect(550, "MKD d")
        c.expect(550, "RMD d")
        c.expect(250, "DELE f")
    with Ftp(s.port, user="bob") as c:
        c.expect(257, "MKD d")
        c.expect(250, "RMD d")


def test_login_process_is_nobody_and_sees_no_files(server):
    with Ftp(server.port):
        for pid in by_role(server)["login"]:
            row = rows(server)[pid]
            assert row["Uid"].split()[0] not in ("0",) and int(row["CapEff"], 16) == 0
            assert row["NoNewPrivs"] == "1" and row["Seccomp"] == "2"


def test_auth_process_is_confined(server):
    with Ftp(server.port, user="alice"):
        for pid in by_role(server)["auth"]:
            row = rows(server)[pid]
            assert row["NoNewPrivs"] == "1" and row["Seccomp"] == "2"


def test_two_users_are_never_in_one_process(server):
    with contextlib.ExitStack() as stack:
        for _ in range(5):
            for user in ("alice", "bob", "carol"):
                stack.enter_context(Ftp(server.port, user=user))
        sessions = by_role(server)["session"]
        uids = [rows(server)[p]["Uid"].split()[0] for p in sessions]
        assert set(uids) == {"20001", "20002", "20003"}
        # many sessions of one user share its processes
        assert len(sessions) <= 3 * os.cpu_count()


def test_same_uid_but_another_root_is_another_process(start):
    s = start(users={"twin": {"uid": 20001, "gid": 20001}})
    with Ftp(s.port, user="alice"), Ftp(s.port, user="twin"):
        wait_until(lambda: len(by_uid(s, 20001)) == 2, "two processes for two roots")


def test_a_session_reads_only_its_own_root(server):
    server.put("secret", b"bob's", "bob", 0o644)
    server.put("own", b"alice's", "alice")
    os.symlink(server.home("bob", "secret"), server.home("alice", "absolute"))
    os.symlink("../bob/secret", server.home("alice", "relative"))
    os.symlink("../bob", server.home("alice", "folder"))
    os.symlink("/proc/self/root/etc/passwd", server.home("alice", "magic"))
    with Ftp(server.port, user="alice") as c:
        c.binary()
        assert c.read("RETR own") == b"alice's"
        for name in ("absolute", "relative", "folder/secret", "magic", "../bob/secret", "/../bob/secret"):
            c.expect(550, "RETR " + name)
            with c.data() as data:
                reply = c.cmd("STOR " + name)
                data.close()
                if reply.code == 150:
                    c.reply()
        c.expect(550, "CWD folder")
        for line in ("RNFR ../bob/secret", "DELE ../bob/secret", "MKD ../bob/dir", "SITE CHMOD 777 folder/secret"):
            assert c.cmd(line).code >= 400, line
        for link in ("absolute", "relative"):
            with contextlib.suppress(FileNotFoundError):
                os.unlink(server.home("alice", link))
    with open(server.home("bob", "secret"), "rb") as f:
        assert f.read() == b"bob's"
    assert os.listdir(server.home("bob")) == ["secret"]


def test_a_link_made_by_the_session_does_not_lead_out(server):
    with Ftp(server.port, user="alice") as c:
        c.cmd("SITE SYMLINK /etc/passwd out")
        c.cmd("SITE SYMLINK ../../../../../../etc etc")
        c.binary()
        for name in ("out", "etc/passwd"):
            c.expect(550, "RETR " + name)


def test_files_belong_to_the_user(server):
    with Ftp(server.port, user="bob") as c:
        c.write("STOR f", b"x")
        c.expect(257, "MKD d")
    for name in ("f", "d"):
        st = os.stat(server.home("bob", name))
        assert (st.st_uid, st.st_gid) == (20002, 20002)


def test_root_login_is_refused(start):
    s = start(users={"toor": {"uid": 0, "gid": 0}})
    with Ftp(s.port) as c:
        c.expect(331, "USER toor")
        assert c.expect(530, "PASS toor-pw").text == "530 Login incorrect."
    wait_until(lambda: "Root login" in s.output() or "root login" in s.output().lower(), "a line in the log")


def test_session_process_ends_or_stays_idle_without_sessions(server):
    """After the last session its process may linger for a while, but holds no client any more."""
    with Ftp(server.port, user="alice") as c:
        pid = session_of(server, "alice")
        c.quit()
    def sockets():
        try:
            return [x for x in os.listdir(f"/proc/{pid}/fd") if os.readlink(f"/proc/{pid}/fd/{x}").startswith("socket:")]
        except OSError:
            return []
    wait_until(lambda: len(sockets()) <= 3 or None, "the control socket is closed")


@pytest.mark.parametrize("signo, said", [(signal.SIGUSR1, "state: configuration"), (signal.SIGUSR2, "rates changed")])
def test_a_signal_to_the_whole_group_is_masters_alone(server, signo, said):
    with Ftp(server.port, user="alice") as c:
        before = {p for pids in by_role(server).values() for p in pids}
        os.killpg(server.proc.pid, signo)
        wait_until(lambda: said in server.text("system.log"), f"the answer to signal {signo}")
        c.expect(200, "NOOP")
        assert works(server, "bob")
        assert before <= set(rows(server))


# --- deaths

def start_transfer(server, user):
    os.truncate(server.put("big", b"", user), 2_000_000_000)
    c = Ftp(server.port, user=user)
    data = c.binary().start("RETR big")
    assert data.recv(1000)
    return c, data


def works(server, user):
    with Ftp(server.port, user=user) as c:
        c.write("STOR after", b"yes")
        return c.binary().read("RETR after") == b"yes"


def test_death_of_a_session_process_costs_only_its_sessions(server):
    a, a_data = start_transfer(server, "alice")
    b, b_data = start_transfer(server, "bob")
    os.kill(session_of(server, "alice"), signal.SIGKILL)
    a_data.settimeout(PATIENCE_S)
    with contextlib.suppress(ConnectionError):
        while a_data.recv(1 << 20):
            pass
    with pytest.raises(Closed):
        a.reply()
    assert b_data.recv(1000)
    b.send("ABOR")
    b.expect(426)
    b.expect(226)
    b.expect(200, "NOOP")
    assert works(server, "alice") and works(server, "bob")
    for sock in (a, a_data, b, b_data):
        sock.close()


def test_death_of_a_login_process_costs_no_session(server):
    a, data = start_transfer(server, "alice")
    waiting = Ftp(server.port)
    victims = by_role(server)["login"]
    for pid in victims:
        os.kill(pid, signal.SIGKILL)
    with pytest.raises(Closed):
        waiting.cmd("NOOP")
    assert data.recv(1000)
    wait_until(lambda: set(by_role(server)["login"]) - set(victims), "a new login process")
    assert works(server, "bob")
    a.send("ABOR")
    a.expect(426)
    a.expect(226)
    for sock in (a, data, waiting):
        sock.close()


def test_death_of_the_auth_process_costs_no_session(server):
    a, data = start_transfer(server, "alice")
    victims = by_role(server)["auth"]
    for pid in victims:
        os.kill(pid, signal.SIGKILL)
    assert data.recv(1000)
    wait_until(lambda: set(by_role(server)["auth"]) - set(victims), "a new auth process")
    assert works(server, "bob") and works(server, "alice")
    a.send("ABOR")
    a.expect(426)
    a.expect(226)
    for sock in (a, data):
        sock.close()


def test_death_of_the_master_ends_the_rest(start):
    s = start()
    with Ftp(s.port, user="alice"):
        left = descendants(s.proc.pid)
        os.kill(s.proc.pid, signal.SIGKILL)
        s.proc.wait()
        wait_until(lambda: not [p for p in left if status(p).get("State", "Z")[0] != "Z"], "all others end")
    s.proc = None


def test_many_deaths_in_a_row(server):
    for _ in range(5):
        for role in ("session", "login", "auth"):
            with Ftp(server.port, user="alice"):
                for pid in by_role(server)[role]:
                    with contextlib.suppress(ProcessLookupError):
                        os.kill(pid, signal.SIGKILL)

            def again():
                try:
                    return works(server, "alice")
                except (Closed, ConnectionError, AssertionError):
                    return False
            wait_until(again, f"service after the death of {role}")


def test_secrets_are_not_in_session_processes(server):
    """The hash of another account must not be in the memory of a session process."""
    with Ftp(server.port, user="bob"), Ftp(server.port, user="alice"):
        pid = session_of(server, "alice")
        secret = server.users["bob"][3].encode()[-40:]
        assert not memory_contains(pid, secret)
        assert not memory_contains(pid, b"bob-pw")


def memory_contains(pid, needle):
    with open(f"/proc/{pid}/maps") as maps, open(f"/proc/{pid}/mem", "rb", 0) as mem:
        for line in maps:
            found = re.match(r"([0-9a-f]+)-([0-9a-f]+) rw", line)
            if not found:
                continue
            begin, end = (int(x, 16) for x in found.groups())
            if end - begin > 1 << 28:
                continue
            with contextlib.suppress(OSError, OverflowError):
                mem.seek(begin)
                if needle in mem.read(end - begin):
                    return True
    return False


def test_without_root(start):
    """The same server as an ordinary user: one uid, no capability, still confined."""
    s = start.prepare()
    uid = 20001
    s.users = {"alice": (uid, uid, s.home(), s.users["alice"][3], "/bin/sh")}
    s.write_accounts()
    for name in ("passwd", "group"):
        os.chown(s.path(name), uid, uid)
    for name in ("", "run", "home"):
        os.chown(s.path(name), uid, uid)
    s.configure(User=None, Group=None)
    s.put("f", b"content")
    original = s.argv
    s.argv = lambda *o: ["setpriv", f"--reuid={uid}", f"--regid={uid}", "--clear-groups", *original(*o)]
    s.start()
    with Ftp(s.port, user="alice") as c:
        assert c.binary().read("RETR f") == b"content"
        c.expect(550, "RETR ../../passwd")
        assert all(row["Uid"].split() == [str(uid)] * 4 and int(row["CapEff"], 16) == 0 for row in rows(s).values())
        assert any(row["Seccomp"] == "2" for row in rows(s).values())


def test_a_session_cannot_connect_elsewhere(server):
    """The listening side of a stranger: PORT to another host is refused, so no process opens it."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.3", 0))
        listener.listen()
        listener.settimeout(0.5)
        port = listener.getsockname()[1]
        with Ftp(server.port, user="alice") as c:
            c.expect(500, f"PORT 127,0,0,3,{port >> 8},{port & 255}")
            c.expect(425, "LIST")
        with pytest.raises(socket.timeout):
            read_all(listener.accept()[0])
