"""Conditional sections: <IfClass>, <IfAuthenticated>, <IfGroup>, <IfUser>, <IfVersion>.

Clients of 127.0.0.2 are in the class far, others in none; alice and bob are in the group staff, alice in adm. Tests without
the mark `ours` pass with the reference server too (pytest --server proftpd).
"""
import json
import os
import re

import pytest

from ftpclient import Closed, Ftp, read_all
from ftpsclient import Ftps, make_certificate, tls_conf
from servers import AM_ROOT, wait_until

CLASSES = "<Class far>\nFrom 127.0.0.2\n</Class>\nAllowForeignAddress on\n"  # data connections are from 127.0.0.1
FAR = "127.0.0.2"


def prepare(start, kind=None):
    s = start.prepare(kind)
    with open(s.path("group"), "a") as f:
        f.write("staff:x:31000:alice,bob\nadm:x:31001:alice\n")
    for user in ("alice", "bob", "carol"):
        for name in ("a.txt", "b.secret", "sub/c.txt"):
            s.put(name, b"x" * 100, user=user)
    return s


def run(start, extra, kind=None, **values):
    s = prepare(start, kind)
    s.configure(CLASSES + extra, **values)
    return s.start()


def client(server, user="alice", source=None):
    c = Ftp(server.port, source=source, user=user)
    return c.binary()


def refused(server, user="alice", source=None):
    """The reply to PASS of a login that must fail."""
    with Ftp(server.port, source=source) as c:
        c.cmd(f"USER {user}")
        reply = c.cmd(f"PASS {user}-pw")
        assert reply.code == 530, reply
        return reply


def mode_of_upload(server, user="alice", source=None, name="new"):
    with client(server, user, source) as c:
        c.write(f"STOR {name}", b"x")
    mode = os.stat(server.home(user, name)).st_mode & 0o777
    os.unlink(server.home(user, name))
    return mode


# --- single values

def test_umask_of_a_user(start):
    s = run(start, "Umask 022\n<IfUser alice>\nUmask 077\n</IfUser>\n")
    assert mode_of_upload(s, "alice") == 0o600
    assert mode_of_upload(s, "bob") == 0o644


CONDITIONS = {  # section: the users of whom it holds
    "IfUser alice": "alice", "IfUser !alice": "bob carol", "IfUser bob,carol": "bob carol", "IfUser AND alice,bob": "",
    "IfUser regex ^(alice|carol)$": "alice carol", "IfGroup staff": "alice bob", "IfGroup staff,adm": "alice",
    "IfGroup OR adm,gcarol": "alice carol", "IfGroup !staff": "carol", "IfGroup staff,!adm": "bob",
    "IfGroup regex ^ad": "alice", "IfAuthenticated": "alice bob carol", "IfClass far": "", "IfClass !far": "alice bob carol",
    "IfClass AND far,!near": "",
}


@pytest.mark.parametrize("section", CONDITIONS)
def test_whom_a_condition_means(start, section):
    s = run(start, f"Umask 022\n<{section}>\nUmask 077\n</{section.split()[0]}>\n")
    holds = [user for user in ("alice", "bob", "carol") if mode_of_upload(s, user) == 0o600]
    assert holds == CONDITIONS[section].split()


def test_a_class_by_the_address_of_the_client(start):
    s = run(start, "Umask 022\n<IfClass far>\nUmask 077\n</IfClass>\n")
    assert mode_of_upload(s, source=FAR) == 0o600
    assert mode_of_upload(s) == 0o644


VERSIONS = {"1.3.8": True, "= 1.3.8": True, "!= 1.3.8": False, ">= 1.3.6": True, "> 1.3.8rc4": True, "< 1.3.8a": True,
            "/^1\\.3/": True, "= /^2/": False, "!>= 1.3.9": True, "~ ^1": True, "<= 1.3": False}


@pytest.mark.ours  # one server for all; the reference was asked one by one and agrees, but where 1.3.8 has a letter
def test_versions_are_compared_when_the_file_is_read(start):
    text = "".join(f"<IfVersion {v}>\n<Directory @DIR@/home/alice/v{i}>\nUmask 077\n</Directory>\n</IfVersion>\n"
                   for i, v in enumerate(VERSIONS))
    s = prepare(start)
    for i, _ in enumerate(VERSIONS):
        s.mkdir(f"v{i}")
    s.configure(text)
    s.start()
    with client(s) as c:
        for i, (version, holds) in enumerate(VERSIONS.items()):
            c.write(f"STOR v{i}/new", b"x")
            assert (os.stat(s.home("alice", f"v{i}/new")).st_mode & 0o777 == 0o600) == holds, version


def test_content_of_a_version_that_does_not_match_is_not_read(start):
    run(start, "LoadModule mod_ifversion.c\n<IfVersion < 1.0.0>\nNoSuchDirective\n</IfVersion>\n")


def test_a_conditional_value_of_global_is_over_one_of_the_server(start):
    s = run(start, "Umask 022\n<Global>\n<IfUser alice>\nUmask 077\n</IfUser>\n</Global>\n")
    assert (mode_of_upload(s, "alice"), mode_of_upload(s, "bob")) == (0o600, 0o644)


def test_of_two_sections_for_a_user_the_later_counts(start):
    s = run(start, "<IfUser alice>\nUmask 077\n</IfUser>\n<IfUser alice>\nUmask 007\n</IfUser>\n")
    assert mode_of_upload(s) == 0o660


@pytest.mark.ours  # the reference takes them the other way round for single values, this way for lists and limits
def test_user_is_over_group_over_authenticated_over_class(start):
    s = run(start, "<IfUser alice>\nUmask 001\n</IfUser>\n<IfGroup staff>\nUmask 002\n</IfGroup>\n"
            "<IfAuthenticated>\nUmask 004\n</IfAuthenticated>\n<IfClass far>\nUmask 006\n</IfClass>\n")
    assert mode_of_upload(s, "alice", FAR) == 0o666 & ~0o001
    assert mode_of_upload(s, "bob", FAR) == 0o666 & ~0o002
    assert mode_of_upload(s, "carol", FAR) == 0o666 & ~0o004


@pytest.mark.ours  # the reference reads none of a section in a section
def test_of_nested_sections_both_must_hold(start):
    s = run(start, "Umask 022\n<IfClass far>\n<IfUser alice>\nUmask 077\n</IfUser>\n</IfClass>\n")
    assert mode_of_upload(s, "alice", FAR) == 0o600
    assert mode_of_upload(s, "alice") == 0o644
    assert mode_of_upload(s, "bob", FAR) == 0o644


@pytest.mark.ours
def test_use_sendfile_off_for_a_class(start):
    s = run(start, "<IfClass far>\nUseSendfile off\n</IfClass>\n", TimeoutLinger="60")
    os.truncate(s.put("big"), 64 << 20)

    def source(user):
        done = s.tool("ftpwho", "-f", s.path("run", "scoreboard"), "-o", "json")
        rows = json.loads(done.stdout)["connections"]
        return next((r.get("source") for r in rows if r.get("user") == user), None)
    with client(s, "alice", FAR) as c, c.start("RETR big"):
        assert wait_until(lambda: source("alice"), "the transfer runs") == "copy"
    with client(s, "alice") as c, c.start("RETR big"):
        wait_until(lambda: source("alice") == "sendfile", "another client's is sent by the kernel")


def test_transfer_rate_of_a_group(start):
    s = run(start, "TransferRate RETR 100000\n<IfGroup adm>\nTransferRate RETR 1\n</IfGroup>\n")
    for user in ("alice", "bob"):
        s.put("big", b"x" * 65536, user=user)
    with client(s, "alice") as slow, client(s, "bob") as fast:
        with slow.start("RETR big") as data:
            assert len(fast.read("RETR big")) == 65536
            assert slow.silent(0), "a minute's download is over before one that began later"
            assert len(data.recv(65536)) < 65536


def test_size_limits_of_a_user_are_asked_first(start):
    s = run(start, "MaxRetrieveFileSize 1 Mb\n<IfUser alice>\nMaxRetrieveFileSize 10 B\n</IfUser>\n")
    with client(s, "bob") as c:
        assert len(c.read("RETR a.txt")) == 100
    with client(s, "alice") as c:
        data = c.data()
        replies = [c.cmd("RETR a.txt")]
        while replies[-1].code < 200:
            replies.append(c.reply())
        assert replies[-1].code >= 400, replies
        data.close()


# --- sections in sections

def test_hide_files_in_a_directory_for_a_group(start):
    s = run(start, "<IfGroup staff>\n<Directory @DIR@/home/*>\nHideFiles secret\n</Directory>\n</IfGroup>\n")
    for user, hidden in (("alice", True), ("carol", False)):
        with client(s, user) as c:
            assert ("b.secret" not in c.lines("NLST")) == hidden, user


@pytest.mark.ours  # the reference refuses the same path a second time
def test_a_directory_joins_the_one_of_the_same_path(start):
    s = run(start, "<Directory @DIR@/home/alice>\nHideFiles secret\nUmask 027\n</Directory>\n"
            "<IfUser alice>\n<Directory @DIR@/home/alice/>\nUmask 077\n</Directory>\n</IfUser>\n")
    with client(s) as c:
        assert "b.secret" not in c.lines("NLST")
    assert mode_of_upload(s) == 0o600


def test_limits_of_a_user_are_asked_before_the_others(start):
    s = run(start, "<Limit STOR>\nDenyAll\n</Limit>\n<Limit DELE>\nAllowAll\n</Limit>\n<IfUser alice>\n<Limit STOR>\nAllowAll\n"
            "</Limit>\n<Limit DELE>\nDenyAll\n</Limit>\n</IfUser>\n")
    assert mode_of_upload(s, "alice")
    for user, line in (("bob", "STOR x"), ("alice", "DELE a.txt")):
        with client(s, user) as c:
            if line.startswith("STOR"):
                c.epsv()
            c.expect(550, line)
    with client(s, "bob") as c:
        c.expect(250, "DELE a.txt")


def test_limit_login_for_a_class(start):
    s = run(start, "<IfClass far>\n<Limit LOGIN>\nDenyUser alice\n</Limit>\n</IfClass>\n")
    refused(s, "alice", FAR)
    client(s, "bob", FAR).quit()
    client(s, "alice").quit()


def test_limit_login_that_nobody_of_a_class_could_pass(start):
    s = run(start, "<IfClass far>\n<Limit LOGIN>\nDenyAll\n</Limit>\n</IfClass>\n")
    with Ftp(s.port, source=FAR, greet=False) as c:
        reply = c.reply()
        if reply.code == 220:  # the reference says it at the password
            c.cmd("USER alice")
            reply = c.cmd("PASS alice-pw")
        assert reply.code == 530
    client(s).quit()


def test_limit_login_of_a_user_and_a_group(start):
    s = run(start, "<IfUser alice>\n<Limit LOGIN>\nDenyAll\n</Limit>\n</IfUser>\n"
            "<IfGroup gbob>\n<Limit LOGIN>\nDenyAll\n</Limit>\n</IfGroup>\n")
    for user in ("alice", "bob"):
        try:
            refused(s, user)
        except Closed:
            pass  # the reference hangs up
    client(s, "carol").quit()


# --- what is decided at login

@pytest.mark.ours  # the reference has read it when it knows the group
def test_default_chdir_of_a_group(start):
    s = run(start, "<IfGroup staff>\nDefaultChdir /sub\n</IfGroup>\n")
    for user, place in (("alice", "/sub"), ("carol", "/")):
        with client(s, user) as c:
            assert c.cmd("PWD").text.startswith(f'257 "{place}"'), user


@pytest.mark.ours
def test_default_root_of_a_group(start):
    s = run(start, "<IfGroup adm>\nDefaultRoot /\n</IfGroup>\n<IfGroup gbob>\nDefaultRoot ~/sub\n</IfGroup>\n")
    for user, place, seen in (("alice", s.home("alice"), "a.txt"), ("bob", "/", "c.txt"), ("carol", "/", "a.txt")):
        with client(s, user) as c:
            assert c.cmd("PWD").text.startswith(f'257 "{place}"'), user
            assert seen in c.lines("NLST"), user


def test_display_login_of_a_user(start):
    s = prepare(start)
    s.put("welcome", b"only for alice\n")
    s.put("welcome", b"not shown\n", user="bob")
    s.configure("<IfUser alice>\nDisplayLogin welcome\n</IfUser>\n")
    s.start()
    for user, shown in (("alice", True), ("bob", False)):
        with Ftp(s.port) as c:
            c.cmd(f"USER {user}")
            assert ("only for alice" in c.expect(230, f"PASS {user}-pw").text) == shown


def test_max_clients_per_user_of_a_user(start):
    s = run(start, "<IfUser alice>\nMaxClientsPerUser 1 \"one of %m\"\n</IfUser>\n")
    with client(s), client(s, "bob"):
        assert refused(s).text == "530 one of 1"
        client(s, "bob").close()


@pytest.mark.ours
def test_max_connections_per_host_of_a_class(start):
    s = run(start, "<IfClass far>\nMaxConnectionsPerHost 1 \"only %m\"\n</IfClass>\n")
    with client(s, source=FAR), client(s), client(s):
        with Ftp(s.port, source=FAR, greet=False) as c:
            assert c.reply().text == "530 only 1"


@pytest.mark.ours  # the reference has read them before
def test_rules_about_the_account_for_a_user(start):
    s = prepare(start)
    s.add_user("odd", shell="/bin/odd")
    s.add_user("even", shell="/bin/even")
    s.configure("<IfUser odd>\nRequireValidShell off\n</IfUser>\n", RequireValidShell="on")
    s.start()
    client(s, "odd").quit()
    refused(s, "even")


def test_the_greeting_of_a_class(start):
    s = run(start, "ServerIdent on near\n<IfClass far>\nServerIdent on far\n</IfClass>\n")
    for source, text in ((FAR, "220 far"), (None, "220 near")):
        with Ftp(s.port, source=source, greet=False) as c:
            assert c.reply().text == text


@pytest.mark.root
def test_anonymous_access_for_a_class(start):
    s = run(start, "<IfClass far>\n<Anonymous @DIR@/home/bob>\nUser bob\n<Limit STOR>\nDenyAll\n</Limit>\n"
            "</Anonymous>\n</IfClass>\n")
    with Ftp(s.port, source=FAR) as c:
        c.cmd("USER bob")
        assert c.expect(230, "PASS me@example.com").text.startswith("230 Anonymous")
        assert "a.txt" in c.lines("NLST")
        c.epsv()
        c.expect(550, "STOR x")
    refused_text = Ftp(s.port)
    refused_text.cmd("USER bob")
    refused_text.expect(530, "PASS me@example.com")
    refused_text.close()
    client(s, "bob").quit()


@pytest.mark.ours  # the reference has no conditional sections in <Anonymous>
@pytest.mark.root
def test_sections_in_anonymous(start):
    s = run(start, "<Anonymous @DIR@/home/alice>\nUser bob\n<IfClass far>\nDefaultChdir /sub\n</IfClass>\n"
            "<IfUser bob>\nHideGroup nosuch\nUmask 077\n</IfUser>\n</Anonymous>\n")
    for source, place in ((FAR, "/sub"), (None, "/")):
        with Ftp(s.port, source=source) as c:
            c.cmd("USER bob")
            c.expect(230, "PASS x@example.com")
            assert c.cmd("PWD").text.startswith(f'257 "{place}"')


@pytest.mark.ours
def test_after_rein_the_next_user_has_his_own_values(start):
    s = run(start, "<IfUser alice>\nUmask 077\n</IfUser>\n<IfUser bob>\nUmask 002\n</IfUser>\n")
    with client(s) as c:
        c.expect(220, "REIN")
        c.login("bob")
        c.binary().write("STOR new", b"x")
    assert os.stat(s.home("bob", "new")).st_mode & 0o777 == 0o664


@pytest.mark.ours
def test_many_sessions_share_what_is_made_of_the_sections(start):
    """A session process keeps one variant for a set of conditions, whoever comes and goes."""
    dirs = "".join(f"<Directory @DIR@/home/alice/{i}>\nUmask 0{i % 8}\n</Directory>\n" for i in range(200))
    s = run(start, dirs + "<IfUser alice>\nUmask 077\n</IfUser>\n")

    def memory():
        total = 0
        for pid in s.processes():
            with open(f"/proc/{pid}/smaps_rollup") as f:
                total += int(re.search(r"Private_Dirty: +(\d+) kB", f.read()).group(1))
        return total
    with client(s):
        before = memory()
        clients = [client(s) for _ in range(50)]
        grown = memory() - before
        for c in clients:
            c.close()
    if not s.sanitized and AM_ROOT:
        assert grown < 50 * 100, f"{grown} kB for 50 sessions"


# --- what else knows of the sections

@pytest.mark.ours
def test_rates_in_sections_change_for_running_transfers(start):
    text = "<IfGroup staff>\nTransferRate RETR %d\n</IfGroup>\n"
    s = run(start, text % 1)
    s.put("big", b"x" * 200_000)
    with client(s) as c:
        with c.start("RETR big") as data:
            data.recv(1)
            s.configure(CLASSES + text % 100_000)
            done = s.tool("wherryctl", "-s", s.path("run", "ctl.sock"), "rates")
            assert "1 rate changed" in done.stdout, done
            assert len(read_all(data)) > 190_000  # at the old number: 3 minutes
        c.expect(226)


@pytest.mark.ours  # the reference has opened its logs before
def test_extended_log_of_a_user(start):
    s = run(start, "LogFormat short \"%u %m\"\nExtendedLog @DIR@/all.log WRITE short\n"
            "<IfUser alice>\nExtendedLog @DIR@/alice.log WRITE short\n</IfUser>\n")
    for user in ("bob", "alice"):
        with client(s, user) as c:
            c.expect(257, f"MKD of-{user}")
            c.quit()
    wait_until(lambda: s.text("alice.log") and s.text("all.log").count("\n") == 2, "the lines are written")
    assert s.text("alice.log") == "alice MKD\n"
    assert s.text("all.log") == "bob MKD\nalice MKD\n"


def test_ftpaccess_is_over_a_section(start):
    s = prepare(start)
    s.put("sub/.ftpaccess", b"Umask 027\n")
    s.configure("<IfUser alice>\nUmask 077\n</IfUser>\nAllowOverride on\n")
    s.start()
    assert mode_of_upload(s, name="new") == 0o600
    assert mode_of_upload(s, name="sub/new") == 0o640


@pytest.mark.ours
def test_tls_required_of_a_class_and_of_a_user(start, tmp_path):
    s = run(start, tls_conf(*make_certificate(str(tmp_path), "rsa")) +
            "<IfClass far>\nTLSRequired on\n</IfClass>\n<IfUser bob>\nTLSRequired on\n</IfUser>\n")
    client(s).quit()
    with Ftp(s.port, source=FAR) as c:
        c.expect(550, "USER alice")
    refused(s, "bob")
    with Ftps(s.port, "bob") as c:
        assert "a.txt" in [text.strip() for text in c.read("NLST").decode().split()]


@pytest.mark.ours
def test_tls_of_a_server_is_not_changed_by_a_section(start, tmp_path):
    s = run(start, tls_conf(*make_certificate(str(tmp_path), "rsa")) + "TLSRequired on\n"
            "<IfAuthenticated>\nTLSEngine off\n</IfAuthenticated>\n")
    assert "warning: TLSEngine: read when the server starts" in s.check().stderr
    with Ftps(s.port, "alice") as c:
        assert c.read("RETR a.txt") == b"x" * 100
        c.expect(534, "PROT C")


@pytest.mark.ours
def test_a_reload_brings_new_sections_for_new_logins(start):
    s = run(start, "<IfUser alice>\nUmask 077\n</IfUser>\n")
    with client(s) as old:
        s.configure(CLASSES + "<IfUser alice>\nUmask 007\n</IfUser>\n<IfUser bob>\nUmask 002\n</IfUser>\n")
        s.reload()
        wait_until(lambda: mode_of_upload(s, "bob", name="n") == 0o664, "the new configuration is in force")
        assert mode_of_upload(s) == 0o660
        old.write("STOR old", b"x")
    assert os.stat(s.home("alice", "old")).st_mode & 0o777 == 0o600


# --- the configuration test

@pytest.mark.ours
def test_directives_that_come_too_late_are_named(start):
    s = prepare(start)
    s.configure("<IfUser alice>\nPort 2121\nMaxLoginAttempts 1\nMaxClients 3\nUmask 077\n</IfUser>\n"
                "<IfClass far>\nMaxLoginAttempts 1\nDefaultServer on\n</IfClass>\nIfSessionOptions PerUnauthenticatedUser\n")
    done = s.check()
    assert done.returncode == 0, done.stderr
    late = re.findall(r"warning: (\w+): (read [\w ]+), <(\w+)> comes too late for it: no effect", done.stderr)
    assert late == [("Port", "read when the server starts", "IfUser"), ("MaxLoginAttempts", "read before login", "IfUser"),
                    ("DefaultServer", "read when the server starts", "IfClass")], done.stderr
    assert "accepted without effect" in done.stdout and "IfSessionOptions" in done.stdout


CONTEXTS = {  # a directive and where it may stand: server, in <Directory>, in <Anonymous>, in <Limit>
    "TimeoutIdle 5": "SA", "Umask 022": "SDA", "HideFiles x": "D", "AllowUser x": "L", "From all": "", "PidFile /x": "S",
    "AnonRequirePassword on": "A", "<Directory /x>": "SA", "<Limit ALL>": "SDA", "<Global>": "", "<Class x>": "",
    "<VirtualHost 127.0.0.1>": "", "<IfUser x>": "SDA", "TransferRate RETR 1": "SDA",
}


@pytest.mark.ours
@pytest.mark.parametrize("section", ["IfUser x", "IfGroup x", "IfClass x", "IfAuthenticated"])
def test_a_section_takes_what_its_place_takes(start, section):
    s = start.prepare()
    around = {"S": "%s", "D": "<Directory /d>\n%s\n</Directory>", "A": "<Anonymous /a>\nUser ftp\n%s\n</Anonymous>",
              "L": "<Limit ALL>\n%s\n</Limit>"}
    for directive, places in CONTEXTS.items():
        end = f"\n</{directive[1:-1].split()[0]}>" if directive[0] == "<" else ""
        for place, text in around.items():
            s.configure(text % f"<{section}>\n{directive}{end}\n</{section.split()[0]}>" + "\n")
            done = s.check()
            allowed = place in places and place != "L"
            assert ("directive not allowed" not in done.stderr) == allowed, (directive, place, done.stderr)


# --- differential

SAME = {
    "umask by user": "Umask 022\n<IfUser alice>\nUmask 077\n</IfUser>\n",
    "several kinds, different directives": "<IfUser alice>\nUmask 077\n</IfUser>\n<IfGroup staff>\nAllowOverwrite off\n</IfGroup>\n"
    "<IfClass far>\nListStyle Windows\n</IfClass>\n<IfAuthenticated>\nMaxRetrieveFileSize 10 B\n</IfAuthenticated>\n",
    "limits": "<Limit DELE>\nDenyAll\n</Limit>\n<IfUser alice>\n<Limit DELE>\nAllowAll\n</Limit>\n</IfUser>\n"
    "<IfGroup staff>\n<Limit MKD>\nDenyAll\n</Limit>\n</IfGroup>\n",
    "directory": "<IfGroup staff>\n<Directory @DIR@/home/*>\nHideFiles secret\nUmask 027\n</Directory>\n</IfGroup>\n",
    "filters": "PathDenyFilter \\.txt$\n<IfUser alice>\nPathDenyFilter \\.exe$\n</IfUser>\n",
}


def outcome(server, user, source):
    found = []
    with client(server, user, source) as c:
        found.append(sorted(c.lines("NLST")))
        found.append(c.lines("LIST sub")[0][:3] in ("-rw", "drw"))
        for line in ("DELE a.txt", "MKD m", "MDTM b.secret"):
            found.append((line, c.cmd(line).code))
        for name in ("n.txt", "n.exe", "sub/c.txt", "n"):
            with c.data():
                code = c.cmd(f"STOR {name}").code
            found.append((name, code if code >= 400 else c.reply().code))
            path = server.home(user, name)
            found.append(os.path.exists(path) and oct(os.stat(path).st_mode))
        with c.data() as data:
            code = c.cmd("RETR a.txt").code
            got = len(read_all(data)) if code < 400 else 0
            found.append(got)
    return found


@pytest.mark.ours
@pytest.mark.root
@pytest.mark.parametrize("name", SAME)
def test_the_same_as_with_the_reference(start, name):
    ours, theirs = run(start, SAME[name]), run(start, SAME[name], kind="proftpd")
    for user in ("alice", "bob", "carol"):
        for source in (None, FAR):
            assert outcome(ours, user, source) == outcome(theirs, user, source), (user, source)
