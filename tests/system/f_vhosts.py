"""Virtual hosts: which server a connection gets, what each has of its own, <Global>, reload.

Tests without the mark `ours` pass with the reference server too (pytest --server proftpd).
"""
import os
import socket
import subprocess
import sys

import pytest

import servers
from ftpclient import Closed, Ftp
from servers import PATIENCE_S, free_port, listening, wait_until

NEEDED = "AuthOrder mod_auth_file.c\nRequireValidShell off\nUseFtpUsers off\nDefaultRoot ~\n"
IN_GLOBAL = ("AuthOrder", "RequireValidShell", "UseFtpUsers", "DefaultRoot", "AuthUserFile", "AuthGroupFile", "AllowOverwrite", "TransferLog")


def accounts(s):
    return f"AuthUserFile {s.path('passwd')}\nAuthGroupFile {s.path('group')}\n"


def host(name, port, content="", address="127.0.0.1"):
    return f'<VirtualHost {address}>\nPort {port}\nServerName "{name}"\n{content}</VirtualHost>\n'


def setting_up(start, hosts, globally="", **values):
    """A server with hosts(server) as virtual hosts; accounts and what a login needs stand in <Global>."""
    s = start.prepare()
    values = {**dict.fromkeys(IN_GLOBAL), **values}
    text = hosts(s) if callable(hosts) else hosts
    s.configure(f"<Global>\n{NEEDED}{accounts(s)}{globally}</Global>\n" + text, **values)
    return s.start()


def greeting(port, address="127.0.0.1"):
    """The name in the greeting, or what happened instead."""
    try:
        with Ftp(port, host=address, greet=False) as c:
            reply = c.reply()
            return reply.text.split("(")[1].split(")")[0] if reply.code == 220 else str(reply.code)
    except (ConnectionRefusedError, Closed):
        return "refused"


# --- by address and port

def test_a_server_is_chosen_by_address_and_port(start):
    other = free_port()
    s = setting_up(start, lambda s: host("two", s.port, address="127.0.0.2") + host("one, other port", other) +
                   host("two, other port", other, address="127.0.0.2"))
    s.wait_ready(other)
    assert [greeting(s.port), greeting(s.port, "127.0.0.2"), greeting(other), greeting(other, "127.0.0.2")] == [
        "Test", "two", "one, other port", "two, other port"]


def test_one_section_with_several_addresses(start):
    s = setting_up(start, lambda s: host("several", s.port, address="127.0.0.2 127.0.0.3"))
    assert [greeting(s.port, f"127.0.0.{n}") for n in (1, 2, 3)] == ["Test", "several", "several"]


def test_an_exact_address_goes_before_the_wildcard(start):
    other = free_port()
    s = setting_up(start, host("wild", other, address="0.0.0.0") + host("exact", other, address="127.0.0.2"))
    s.wait_ready(other)
    assert [greeting(other), greeting(other, "127.0.0.2"), greeting(other, "127.0.0.3")] == ["wild", "exact", "wild"]


def test_addresses_of_both_families(start):
    s = setting_up(start, lambda s: host("six", s.port, address="::1"), UseIPv6="on")
    assert greeting(s.port) == "Test" and greeting(s.port, "::1") == "six"


def test_the_name_of_a_section_is_looked_up(start):
    other = free_port()
    s = setting_up(start, host("by name", other, address="localhost"))
    s.wait_ready(other)
    assert greeting(other) == "by name"


def test_port_zero_turns_a_server_off(start):
    other = free_port()
    s = start.prepare()
    s.configure(f"<Global>\n{NEEDED}{accounts(s)}</Global>\n" + host("there", other), **{**dict.fromkeys(IN_GLOBAL), "Port": "0"})
    s.start(wait=False).wait_ready(other)
    assert not listening(s.port)
    assert greeting(other) == "there"


@pytest.mark.ours
def test_the_default_server_serves_the_addresses_of_nobody(start):
    """At the ports of all servers; the reference gives those of a port that one server has to that one."""
    port, other = free_port(), free_port()
    s = start.prepare()
    s.configure(f"<Global>\n{NEEDED}{accounts(s)}</Global>\n" + host("default", port, "DefaultServer on\n", address="127.0.0.2") +
                host("third", other, address="127.0.0.3"), **{**dict.fromkeys(IN_GLOBAL), "Port": str(port)})
    s.start(wait=False).wait_ready(port)
    assert [greeting(port, f"127.0.0.{n}") for n in (1, 2, 4)] == ["Test", "default", "default"]
    assert [greeting(other, f"127.0.0.{n}") for n in (3, 4)] == ["third", "default"]
    s.configure(f"<Global>\n{NEEDED}{accounts(s)}</Global>\nSocketBindTight on\n" + host("default", port, "DefaultServer on\n", address="127.0.0.2"),
                **{**dict.fromkeys(IN_GLOBAL), "Port": str(port)})
    s.stop()
    s.start(wait=False).wait_ready(port)
    assert [greeting(port, f"127.0.0.{n}") for n in (1, 2, 4)] == ["Test", "default", "refused"]


@pytest.mark.ours
def test_without_a_default_server_nobody_listens_for_others(start):
    s = setting_up(start, lambda s: host("two", s.port, address="127.0.0.2"))
    assert [greeting(s.port, f"127.0.0.{n}") for n in (1, 2, 4)] == ["Test", "two", "refused"]


# --- by name

def by_name(s):
    return host("red.example.org", s.port, "ServerAlias www.red.example.org *.red.example.org\nAccessGrantMsg \"red\"\n") + host(
        "blue", s.port, "ServerAlias blue.example.org bl?e.example.net\nAccessGrantMsg \"blue\"\n")


def granted(s, name, user="alice"):
    with Ftp(s.port) as c:
        reply = c.cmd(f"HOST {name}")
        if reply.code != 220:
            return reply.code
        c.expect(331, f"USER {user}")
        return c.expect((230, 530), f"PASS {user}-pw").text


def test_a_server_is_chosen_by_name(start):
    s = setting_up(start, by_name, AccessGrantMsg='"main"')
    for name, answer in (("www.red.example.org", "230 red"), ("x.y.red.example.org", "230 red"), ("BLUE.example.org", "230 blue"),
                         ("blue.example.net", "230 blue"), ("blaue.example.net", 504), ("red.example.net", 504)):
        assert granted(s, name) == answer, name
    with Ftp(s.port) as c:
        c.expect(331, "USER alice")
        assert c.expect(230, "PASS alice-pw").text == "230 main"


def test_names_count_for_their_address_and_port_only(start):
    other = free_port()
    s = setting_up(start, lambda s: by_name(s) + host("green", other, "ServerAlias green.example.org\n"))
    s.wait_ready(other)
    assert granted(s, "green.example.org") == 504
    with Ftp(other) as c:
        assert c.cmd("HOST blue.example.org").code == 504
        assert c.cmd("HOST green.example.org").code == 220


def test_the_host_can_be_changed_until_the_login(start):
    s = setting_up(start, by_name)
    with Ftp(s.port) as c:
        c.expect(220, "HOST www.red.example.org")
        c.expect(220, "HOST blue.example.org")
        c.expect(331, "USER alice")
        c.expect(220, "HOST www.red.example.org")  # the reference takes it without resetting USER
        if isinstance(s, servers.Wherry):
            c.expect(503, "PASS alice-pw")  # the user was the other host's
        c.expect(331, "USER alice")
        assert c.expect(230, "PASS alice-pw").text == "230 red"
        c.expect(503, "HOST www.red.example.org")


# --- what each host has of its own

def test_a_host_by_name_has_everything_of_its_own(start):
    """All that a login and a session ask for must be that of the host that was named, not of the one that was connected to."""
    ports = free_port()

    def hosts(s):
        os.mkdir(s.path("own"))
        for name, content in (("hello", "hello of own"), ("bye", "bye of own")):
            with open(s.path("own", name), "w") as f:
                f.write(content + "\n")
        with open(s.path("own", "passwd"), "w") as f:
            uid, gid = servers.ACCOUNTS["bob"] if servers.AM_ROOT else (os.geteuid(), os.getegid())
            f.write(f"dora:{servers.password_hash('dora-pw')}:{uid}:{gid}::{s.home('bob')}:/bin/sh\n")
        os.chmod(s.path("own", "passwd"), 0o600)
        return host("main's brother", s.port, f"""ServerAlias own
AuthUserFile {s.path('own', 'passwd')}
ServerAdmin own@example.org
UserAlias dolly dora
DefaultRoot /
DefaultChdir sub
DisplayLogin {s.path('own', 'hello')}
DisplayQuit {s.path('own', 'bye')}
AccessDenyMsg "not here"
AllowOverwrite off
AllowStoreRestart off
Umask 077
TransferLog {s.path('own', 'xferlog')}
ExtendedLog {s.path('own', 'extended')} WRITE
PassivePorts {ports + 10000} {ports + 10009}
MasqueradeAddress 192.0.2.77
DirFakeMode 0400
PathDenyFilter \\.exe$
DenyFilter %
MaxStoreFileSize 10 B
HiddenStores on
MaxClients 1 "one is enough"
<Directory {s.home('bob')}/sub/no>
  <Limit ALL>
    DenyAll
  </Limit>
</Directory>
""")
    s = setting_up(start, hosts, AllowOverwrite="on", TransferLog=None)
    s.mkdir("sub", user="bob")
    s.mkdir("sub/no", user="bob")
    with Ftp(s.port) as c:
        c.expect(220, "HOST own")
        assert c.cmd("USER a%b").code == 550 or not isinstance(s, servers.Wherry)
    with Ftp(s.port) as c:
        c.expect(220, "HOST own")
        c.expect(331, "USER alice")
        assert "not here" in c.expect(530, "PASS alice-pw").text
    with Ftp(s.port) as c:
        c.expect(220, "HOST own")
        assert "own@example.org" in c.expect(214, "HELP").last
        c.expect(331, "USER dolly")
        assert "hello of own" in c.expect(230, "PASS dora-pw").text
        assert c.expect(257, "PWD").text.startswith(f'257 "{s.home("bob")}/sub"')
        assert "main's brother" in c.expect(211, "STAT").text
        c.expect(550, "CWD no")
        c.expect(550, "MKD a.exe")
        c.expect(550, "MKD a%b")
        address, port = c.pasv()
        assert address == "192.0.2.77" and ports + 10000 <= port <= ports + 10009
        c.write("STOR f", b"12345")
        st = os.stat(s.home("bob", "sub", "f"))
        assert st.st_mode & 0o777 == 0o600
        with c.data():
            c.expect(550, "STOR f")
        assert c.lines("LIST f")[0].startswith("-r--------")
        with c.data() as data:
            c.expect(150, "STOR big")
            data.sendall(b"x" * 1000)
            data.shutdown(socket.SHUT_WR)
            assert c.reply().code >= 400
        with Ftp(s.port) as second:
            second.expect(220, "HOST own")
            second.expect(331, "USER dora")
            assert second.expect(530, "PASS dora-pw").text == "530 one is enough"
        with Ftp(s.port, user="alice") as main:  # is not counted there
            assert c.expect(257, "PWD") and main.expect(257, "PWD").text.startswith('257 "/"')
            main.expect(257, "MKD a.exe")
            assert main.pasv()[0] == "127.0.0.1"
        assert "bye of own" in c.expect(221, "QUIT").text
    wait_until(lambda: "/f" in s.text("own/xferlog") and "STOR" in s.text("own/extended"), "the lines in the host's logs")


def test_login_limits_and_anonymous_sections_are_the_hosts(start):
    user = "ftp"
    s = start.prepare()
    s.add_user(user, uid=None if servers.AM_ROOT else os.geteuid())
    s.put("pub", b"public", user=user)
    s.configure(f"<Global>\n{NEEDED}{accounts(s)}</Global>\n" + host("closed", s.port, "ServerAlias closed\n<Limit LOGIN>\nDenyUser alice\n</Limit>\n") +
                host("open", s.port, f"ServerAlias open\n<Anonymous {s.home(user)}>\nUser {user}\n" +
                     ("Group gftp\n" if servers.AM_ROOT else "") + "UserAlias anonymous ftp\n</Anonymous>\n"),
                **dict.fromkeys(IN_GLOBAL))
    s.start()
    assert granted(s, "closed").startswith("530") and granted(s, "closed", "bob").startswith("230") and granted(s, "open").startswith("230")
    with Ftp(s.port) as c:
        c.expect(220, "HOST open")
        c.expect(331, "USER anonymous")
        c.expect(230, "PASS a@b")
        assert c.read("RETR pub") == b"public"
    with Ftp(s.port) as c:
        c.expect(331, "USER anonymous")
        c.expect(530, "PASS a@b")


# --- <Global>

def test_nothing_flows_from_the_main_server(start):
    s = setting_up(start, lambda s: host("own", s.port, "ServerAlias own\n"), AllowOverwrite="on", AccessGrantMsg='"main"',
                   PathDenyFilter="\\.exe$", Umask="077")
    s.put("f", b"1")
    with Ftp(s.port) as c:
        c.expect(220, "HOST own")
        c.expect(331, "USER alice")
        assert c.expect(230, "PASS alice-pw").text == "230 User alice logged in"
        with c.data():
            c.expect(550, "STOR f")
        c.write("STOR new.exe", b"1")
        assert os.stat(s.home("alice", "new.exe")).st_mode & 0o777 == 0o644


def test_global_is_for_all_below_what_each_says_itself(start):
    globally = f"""AccessGrantMsg "global"
AllowOverwrite on
<Limit RMD>
DenyAll
</Limit>
<Directory ~/closed>
<Limit ALL>
DenyAll
</Limit>
</Directory>
</Global>
<Global>
Umask 077
"""
    s = setting_up(start, lambda s: host("plain", s.port, "ServerAlias plain\n") +
                   host("own", s.port, "ServerAlias own\nAccessGrantMsg \"own\"\nUmask 027\n<Limit RMD>\nAllowAll\n</Limit>\n"), globally)
    for folder in ("a", "b", "c", "closed"):
        s.mkdir(folder)
    for name, text, mode, rmd in ((None, "global", 0o600, 550), ("plain", "global", 0o600, 550), ("own", "own", 0o640, 250)):
        with Ftp(s.port) as c:
            if name:
                c.expect(220, f"HOST {name}")
            c.expect(331, "USER alice")
            assert c.expect(230, "PASS alice-pw").text == "230 " + text
            c.write(f"STOR f-{name}", b"1")
            c.write(f"STOR f-{name}", b"22")
            assert os.stat(s.home("alice", f"f-{name}")).st_mode & 0o777 == mode
            c.expect(rmd, "RMD a")
            c.expect(550, "CWD closed")


# --- reload

@pytest.mark.ours
def test_a_reload_adds_and_removes_hosts_and_keeps_their_sessions(start):
    first, second = free_port(), free_port()
    s = setting_up(start, host("first", first, 'AccessGrantMsg "first"\nUmask 077\n'))
    s.wait_ready(first)
    with Ftp(first, user="alice") as held, Ftp(first) as early:
        early.expect(331, "USER bob")
        s.configure(f"<Global>\n{NEEDED}{accounts(s)}</Global>\n" + host("second", second), **dict.fromkeys(IN_GLOBAL))
        s.reload()
        s.wait_ready(second)
        wait_until(lambda: not listening(first), "the removed host's port is closed")
        assert greeting(second) == "second"
        # Those who were connected stay with what they connected to, also when they had not logged in.
        assert "'first'" in held.expect(211, "STAT").text
        held.write("STOR kept", b"1")
        assert os.stat(s.home("alice", "kept")).st_mode & 0o777 == 0o600
        assert early.expect(230, "PASS bob-pw").text == "230 first"


@pytest.mark.ours
def test_a_reload_skips_a_host_that_has_no_address_any_more(start):
    port = free_port()
    s = setting_up(start, "")
    values = {**dict.fromkeys(IN_GLOBAL), "AccessGrantMsg": '"reloaded"'}
    s.configure(f"<Global>\n{NEEDED}{accounts(s)}</Global>\n" + host("gone", port, address="nosuch.invalid"), **values)
    assert s.check().returncode != 0  # a start would not do it
    s.reload()

    def reloaded():
        with Ftp(s.port) as c:
            c.expect(331, "USER alice")
            return c.cmd("PASS alice-pw").text == "230 reloaded"
    wait_until(reloaded, "the new configuration is in force")
    assert not listening(port) and "nosuch.invalid" in s.output()


@pytest.mark.root
def test_DynMasqRefresh_looks_names_up_again(start, tmp_path):
    hosts = tmp_path / "hosts"
    hosts.write_text("127.0.0.1 localhost\n192.0.2.1 nat.example\n192.0.2.77 other.example\n")
    inside = ["unshare", "-m", "--propagation", "private", "sh", "-c", f"mount --bind '{hosts}' /etc/hosts && exec \"$0\" \"$@\""]
    if subprocess.run([*inside, "true"], capture_output=True).returncode:
        pytest.skip("cannot mount in a name space of its own here")
    s = start.prepare()
    s.configure("DynMasqRefresh 1\nMasqueradeAddress nat.example\nSyslogLevel info\n")
    plain = s.argv
    s.argv = lambda *options: inside + plain(*options)
    s.start()
    with Ftp(s.port, user="alice") as c:
        assert "(192,0,2,1," in c.expect(227, "PASV").text
        with open(hosts, "w") as f:  # the same file: it is mounted
            f.write("127.0.0.1 localhost\n198.51.100.7 nat.example\n")
        wait_until(lambda: "(198,51,100,7," in c.expect(227, "PASV").text, "the new address in a session that runs")
        wait_until(lambda: "MasqueradeAddress 'nat.example' is 198.51.100.7" in s.text("system.log"), "the line in the log")
        with open(hosts, "w") as f:
            f.write("127.0.0.1 localhost\n")
        wait_until(lambda: "'nat.example' cannot be looked up, keeping" in s.text("system.log"), "the failed look-up")
        assert "(198,51,100,7," in c.expect(227, "PASV").text


@pytest.mark.root
def test_without_DynMasqRefresh_names_keep_their_address(start):
    s = start("DynMasqRefresh 0\nMasqueradeAddress localhost\n")
    with Ftp(s.port, user="alice") as c:
        assert "(127,0,0,1," in c.expect(227, "PASV").text


# --- addresses and sockets

@pytest.mark.ours  # the reference binds to all addresses
def test_an_address_that_is_not_there_is_a_warning(start):
    s = start.prepare()
    port = free_port()
    s.configure(accounts(s) + host("later", port, NEEDED + accounts(s), address="192.0.2.200"))
    s.start()
    assert "address 192.0.2.200 is not on this machine" in s.output()
    with Ftp(s.port, user="alice") as c:
        c.expect(257, "PWD")


def start_in_namespace(s, *addresses):
    """Starts s in a network namespace of its own that has them; returns what runs a command there."""
    make = " && ".join(["ip link set lo up", *(f"ip addr add {a}/32 dev lo" for a in addresses), 'exec "$0" "$@"'])
    inside = ["unshare", "-n", "sh", "-c", make]
    if subprocess.run([*inside, "true"], capture_output=True).returncode:
        pytest.skip("no network name spaces here")
    plain = s.argv
    s.argv = lambda *options: inside + plain(*options)
    s.start(wait=False)
    wait_until(lambda: "serving" in s.text("system.log"), "the start")
    return ["nsenter", "-t", str(s.proc.pid), "-n"]


@pytest.mark.ours
@pytest.mark.root
@pytest.mark.needs("ip", "nsenter", "curl")
def test_an_address_that_comes_later_is_served(start):
    s = start.prepare()
    port = free_port()
    s.configure(accounts(s) + host("later", port, NEEDED + accounts(s), address="192.0.2.200"))
    enter = start_in_namespace(s)
    subprocess.run([*enter, "ip", "addr", "add", "192.0.2.200/32", "dev", "lo"], check=True)
    url = f"ftp://alice:alice-pw@192.0.2.200:{port}/"
    done = subprocess.run([*enter, "curl", "-sv", "--max-time", str(PATIENCE_S), url], capture_output=True, text=True)
    assert done.returncode == 0 and "later" in done.stderr, done.stderr


@pytest.mark.ours
@pytest.mark.root
@pytest.mark.needs("ip", "nsenter", "curl")
def test_a_server_behind_nat_says_which_address_it_tells(start):
    """The container's own address in the 227 line is of no use to a client from outside: the log names the directive."""
    s = start.prepare()
    s.configure(DefaultAddress="0.0.0.0", SocketBindTight="off")
    s.put("f", b"x")
    enter = [*start_in_namespace(s, "10.1.2.3", "203.0.113.9"), "curl", "-sS", "--max-time", "20", "--disable-epsv"]
    for source, lines in (("10.1.2.3", 0), ("203.0.113.9", 1)):
        done = subprocess.run([*enter, "--interface", source, f"ftp://alice:alice-pw@10.1.2.3:{s.port}/[f-f]", f"ftp://alice:alice-pw@10.1.2.3:{s.port}/f"],
                              capture_output=True, text=True)
        assert done.returncode == 0 and done.stdout.endswith("xx"), done.stderr
        told = [line for line in s.text("system.log").splitlines() if "MasqueradeAddress" in line]
        assert len(told) == lines and all("PASV tells the client 10.1.2.3" in line for line in told), told


def hand_over(s, own):
    """The server is started as a service manager does it: with this socket as descriptor 3."""
    code = f"import os, sys; os.dup2({own.fileno()}, 3); os.environ.update(LISTEN_FDS='1', LISTEN_PID=str(os.getpid())); os.execv(sys.argv[1], sys.argv[1:])"
    with open(s.path("stderr"), "ab") as err:
        s.proc = subprocess.Popen([sys.executable, "-c", code, *s.argv()], stdin=subprocess.DEVNULL, stdout=err, stderr=err, cwd=s.dir,
                                  start_new_session=True, pass_fds=[own.fileno()])
    return s


def bound(address, port, family=socket.AF_INET, both=False):
    x = socket.socket(family)
    x.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # connections of who had the port before may still be known
    if family == socket.AF_INET6:
        x.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, not both)
    x.bind((address, port))
    x.listen(20)
    return x


@pytest.mark.ours
@pytest.mark.parametrize("address, family, both", [("127.0.0.1", socket.AF_INET, False), ("0.0.0.0", socket.AF_INET, False),
                                                   ("::", socket.AF_INET6, True)])
def test_sockets_of_the_service_manager_are_used(start, address, family, both):
    s = start.prepare()
    s.configure()
    with bound(address, s.port, family, both) as own, socket.create_connection(("127.0.0.1", s.port), PATIENCE_S) as early:
        hand_over(s, own)
        own_inode = os.fstat(own.fileno()).st_ino
        early.settimeout(PATIENCE_S)
        assert early.recv(100).startswith(b"220")  # the connection that was there first
        wait_until(lambda: "serving" in s.text("system.log"), "the start")
        assert own_inode in [os.stat(f"/proc/{s.proc.pid}/fd/{n}").st_ino for n in os.listdir(f"/proc/{s.proc.pid}/fd") if n.isdigit()
                             and os.readlink(f"/proc/{s.proc.pid}/fd/{n}").startswith("socket")]
        s.reload()
        wait_until(lambda: "configuration 2 is in force" in s.text("system.log"), "the reload")
    with Ftp(s.port, user="alice") as c:
        c.expect(257, "PWD")


@pytest.mark.ours
def test_a_socket_that_no_server_wants_is_reported(start):
    s = start.prepare()
    s.configure()
    with bound("127.0.0.1", 0) as stray:
        port = stray.getsockname()[1]
        hand_over(s, stray)
        s.wait_ready()
        assert f"the socket on address 127.0.0.1, port {port}, that was handed over is of no server" in s.output()


@pytest.mark.ours
def test_ServerType_inetd_is_refused_with_what_to_do_instead(start):
    s = start.prepare()
    s.configure(ServerType="inetd")
    done = s.check()
    assert done.returncode == 1 and "LISTEN_FDS" in done.stderr, done.stderr


@pytest.mark.ours
def test_an_Anonymous_of_nobody_is_a_warning(start):
    s = start.prepare()
    s.configure(f"<Anonymous ~no-such-account>\nUser {s.defaults()['User']}\n</Anonymous>\n")
    line = s.text("server.conf").splitlines().index("<Anonymous ~no-such-account>") + 1
    done = s.check()
    assert done.returncode == 0, done.stderr
    assert "no account of this system is called 'no-such-account'" in done.stderr and f"line {line} of" in done.stderr, done.stderr
