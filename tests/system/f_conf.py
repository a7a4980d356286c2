"""The configuration: errors with file and line, the test option -t, contexts, merging, includes, conditionals, reload."""
import os
import re
import signal
import subprocess

import pytest

from ftpclient import Ftp
from servers import PATIENCE_S, descendants, wait_until


def short(value):
    """An id for a row: its configuration on one line."""
    return value.replace("\n", " ")[:50] if isinstance(value, str) else ""


def report(server):
    done = server.check()
    return done.returncode, done.stdout + done.stderr


def line_of(server, text, name="server.conf"):
    """The number of the first line that contains text."""
    for number, line in enumerate(server.text(name).split("\n"), 1):
        if text in line:
            return number
    raise AssertionError(f"{text!r} is not in {name}")


# --- errors

ERRORS = [
    # (extra configuration, marker of the guilty line, words of the message)
    ("NoSuchDirective on", "NoSuchDirective", "unknown configuration directive 'NoSuchDirective'"),
    ("TimeoutIdle abc", "TimeoutIdle", "TimeoutIdle"),
    ("TimeoutIdle -1", "TimeoutIdle", "TimeoutIdle"),
    ("TimeoutIdle", "TimeoutIdle", "parameters"),
    pytest.param("TimeoutIdle 1 2 3", "TimeoutIdle", "parameters", marks=pytest.mark.ours),
    ("AllowForeignAddress", "AllowForeignAddress", "parameters"),
    ("UseGlobbing maybe", "UseGlobbing", "UseGlobbing"),
    ("PassivePorts 2000 1000", "PassivePorts", "PassivePorts"),
    ("PassivePorts 80 90", "PassivePorts", "PassivePorts"),
    ("PassivePorts 2000 70000", "PassivePorts", "PassivePorts"),
    ("Umask 9", "Umask", "Umask"),
    ("MaxStoreFileSize 0 Kb", "MaxStoreFileSize", "MaxStoreFileSize"),
    ("TransferRate LIST 10", "TransferRate", "TransferRate"),
    ("TransferRate RETR -1", "TransferRate", "TransferRate"),
    ("<Directory relative>\n</Directory>", "<Directory", "Directory"),
    ("<Limit STOR>\nTimeoutIdle 5\n</Limit>", "TimeoutIdle", "not allowed in .*Limit.* context"),
    ("<Directory />\nPort 9\n</Directory>", "Port 9", "not allowed in .*Directory.* context"),
    ("<Directory />\nTimeoutIdle 5\n</Directory>", "TimeoutIdle 5", "not allowed in .*Directory.* context"),
    ("<VirtualHost 127.0.0.1>\nScoreboardFile /x\n</VirtualHost>", "ScoreboardFile /x", "not allowed in .*VirtualHost.* context"),
    ("MaxClients -1", "MaxClients", "MaxClients"),
    ("ServerType sometimes", None, "ServerType"),
    ("HiddenStores", "HiddenStores", "parameters"),
]


@pytest.mark.parametrize("extra, guilty, words", ERRORS, ids=short)
def test_errors_name_file_and_line(start, extra, guilty, words):
    s = start.prepare()
    values = {"ServerType": None} if extra.startswith("ServerType") else {}
    s.configure(extra, **values)
    status, output = report(s)
    assert status != 0 and re.search(words, output), output
    if guilty is not None:
        assert re.search(rf"on line {line_of(s, guilty)} of '{re.escape(s.path('server.conf'))}'", output), output


@pytest.mark.ours
def test_unterminated_and_unbalanced(start):
    for extra, guilty in (('ServerAdmin "no end', "ServerAdmin"), ("<Directory />\nAllowOverwrite on", "<Directory"),
                          ("</Directory>", "</Directory>"), ("<Limit STOR>\n</Directory>", "</Directory>")):
        s = start.prepare()
        s.configure(extra)
        status, output = report(s)
        assert status != 0, extra
        assert re.search(rf"line {line_of(s, guilty)}\b", output), (extra, output)


@pytest.mark.ours
def test_did_you_mean(start):
    s = start.prepare()
    s.configure("TimeoutIdel 5")
    _, output = report(s)
    assert "TimeoutIdle" in output and "did you mean" in output.lower()


@pytest.mark.ours
def test_a_directive_of_others_is_refused_by_name(start):
    s = start.prepare()
    s.configure("QuotaEngine on")
    status, output = report(s)
    assert status != 0 and "QuotaEngine" in output and "unknown" not in output.split("QuotaEngine")[0][-40:].lower()


@pytest.mark.ours
def test_several_errors_in_one_report(start):
    s = start.prepare()
    s.configure("NoSuchOne 1\nTimeoutIdle abc\nNoSuchTwo 2\n")
    _, output = report(s)
    assert all(x in output for x in ("NoSuchOne", "TimeoutIdle", "NoSuchTwo"))


@pytest.mark.ours
def test_duplicates_are_warned_about(start):
    s = start.prepare()
    s.configure("TimeoutStalled 100\nTimeoutStalled 200\n")
    status, output = report(s)
    assert status == 0 and "TimeoutStalled" in output


@pytest.mark.ours
def test_an_error_in_an_included_file_names_that_file(start):
    s = start.prepare()
    with open(s.path("more.conf"), "w") as f:
        f.write("# a comment\n\nNoSuchDirective x\n")
    s.configure("Include @DIR@/more.conf")
    status, output = report(s)
    assert status != 0 and f"on line 3 of '{s.path('more.conf')}'" in output, output


@pytest.mark.ours
def test_a_missing_include_is_an_error(start):
    s = start.prepare()
    s.configure("Include @DIR@/nosuch.conf")
    assert report(s)[0] != 0
    s.configure("Include @DIR@/nosuch-*.conf")
    assert report(s)[0] == 0, report(s)


@pytest.mark.ours
def test_a_cycle_of_includes_is_an_error(start):
    s = start.prepare()
    with open(s.path("a.conf"), "w") as f:
        f.write(f"Include {s.path('a.conf')}\n")
    s.configure("Include @DIR@/a.conf")
    status, output = report(s)
    assert status != 0 and "a.conf" in output


# --- -t

@pytest.mark.ours
def test_configtest_of_a_good_file(start):
    s = start.prepare()
    s.configure()
    done = s.check()
    assert done.returncode == 0 and "Syntax check complete." in done.stdout + done.stderr


@pytest.mark.ours
def test_configtest_has_no_side_effects(start):
    s = start.prepare()
    s.configure()
    before = sorted(os.listdir(s.dir)) + sorted(os.listdir(s.path("run")))
    assert s.check().returncode == 0
    assert sorted(os.listdir(s.dir)) + sorted(os.listdir(s.path("run"))) == before
    s.start()
    log = s.text("xferlog")
    assert s.check().returncode == 0
    assert s.text("xferlog") == log and s.proc.poll() is None
    with Ftp(s.port, user="alice") as c:
        c.quit()


@pytest.mark.ours
def test_configtest_finds_what_is_missing(start):
    for values in ({"User": "nosuchuser"}, {"AuthUserFile": "/nosuch/passwd"}, {"TransferLog": "/nosuch/log"}):
        s = start.prepare()
        s.configure(**values)
        status, output = report(s)
        assert status != 0 and list(values.values())[0].replace("/log", "") in output, output


@pytest.mark.ours
def test_auth_file_that_all_can_read_is_refused(start):
    s = start.prepare()
    os.chmod(s.path("passwd"), 0o644)
    s.configure()
    status, output = report(s)
    assert status != 0 and "passwd" in output
    s.configure(AuthUserFile=None, AuthGroupFile=None,
                extra=f"AuthFileOptions InsecurePerms\nAuthUserFile {s.path('passwd')}\n")
    assert report(s)[0] == 0


# --- words

def test_lexical_rules(start):
    s = start.prepare()
    s.configure('serveradmin "me \\"and\\" you@example.org" # comment\n'
                'AccessGrantMsg \\\n   "one \\\\ two"\r\n'
                '   # a comment\n\n'
                'DisplayLogin @DIR@/nosuch\n')
    s.start()
    with Ftp(s.port) as c:
        c.expect(331, "USER alice")
        assert c.expect(230, "PASS alice-pw").text == "230 one \\ two"
        assert 'me "and" you@example.org' in c.expect(214, "HELP").last


def test_environment_variables(start):
    s = start.prepare()
    s.configure('AccessGrantMsg "%{env:WHERRY_TEST_MESSAGE}"\n')
    s.start(env={"WHERRY_TEST_MESSAGE": "from outside"})
    with Ftp(s.port) as c:
        c.expect(331, "USER alice")
        assert c.expect(230, "PASS alice-pw").text == "230 from outside"


def test_conditionals(start):
    s = start.prepare()
    s.configure("<IfModule mod_nosuch.c>\nNoSuchDirective\n<IfModule mod_core.c>\nMore\n</IfModule>\n</IfModule>\n"
                "<IfModule !mod_nosuch.c>\nDefine SEEN\n</IfModule>\n"
                "<IfDefine SEEN>\nAccessGrantMsg \"seen\"\n</IfDefine>\n"
                "<IfDefine !SEEN>\nNoSuchDirective\n</IfDefine>\n")
    s.start()
    with Ftp(s.port) as c:
        c.expect(331, "USER alice")
        assert c.expect(230, "PASS alice-pw").text == "230 seen"


def test_define_on_the_command_line(start):
    s = start.prepare()
    s.configure("<IfDefine OUTSIDE>\nAccessGrantMsg \"defined\"\n</IfDefine>\n")
    s.start("-D", "OUTSIDE")
    with Ftp(s.port) as c:
        c.expect(331, "USER alice")
        assert c.expect(230, "PASS alice-pw").text == "230 defined"


def test_include_with_a_pattern(start):
    s = start.prepare()
    os.mkdir(s.path("conf.d"))
    for n in (2, 1):
        with open(s.path("conf.d", f"{n}.conf"), "w") as f:
            f.write(f"<IfDefine !ONE{n}>\nDefine ONE{n}\n</IfDefine>\n")
    with open(s.path("conf.d", "3.conf"), "w") as f:
        f.write('<IfDefine ONE1>\n<IfDefine ONE2>\nAccessGrantMsg "both"\n</IfDefine>\n</IfDefine>\n')
    s.configure("Include @DIR@/conf.d/*.conf\n")
    s.start()
    with Ftp(s.port) as c:
        c.expect(331, "USER alice")
        assert c.expect(230, "PASS alice-pw").text == "230 both"


# --- contexts and precedence

def can(c, line):
    """Whether a command that needs no data connection is allowed."""
    return c.cmd(line).code < 400


LIMITS = [
    # (sections, allowed, denied)
    ("<Limit WRITE>\nDenyAll\n</Limit>", ["NOOP", "SIZE a"], ["MKD x", "DELE a", "RNFR a", "SITE CHMOD 600 a", "RMD d"]),
    ("<Limit ALL>\nDenyAll\n</Limit>", ["EPSV"], ["MKD x", "SIZE a", "CWD d"]),
    ("<Limit MKD>\nDenyAll\n</Limit>", ["DELE a"], ["MKD x"]),
    ("<Limit WRITE>\nDenyAll\n</Limit>\n<Limit MKD>\nAllowAll\n</Limit>", ["MKD x"], ["DELE a"]),
    ("<Limit MKD>\nDenyAll\n</Limit>\n<Directory @ROOT@/d>\n<Limit ALL>\nAllowAll\n</Limit>\n</Directory>", ["DELE d/b"], ["MKD d/x"]),
    ("<Directory @ROOT@/d>\n<Limit WRITE>\nDenyAll\n</Limit>\n</Directory>", ["DELE a", "MKD x"], ["DELE d/b", "MKD d/x"]),
    ("<Directory @ROOT@/*>\n<Limit DELE>\nDenyAll\n</Limit>\n</Directory>", ["MKD x"], ["DELE a", "DELE d/b"]),
    ("<Limit MKD>\nOrder allow,deny\nAllowUser alice\nDenyAll\n</Limit>", ["MKD x"], []),
    ("<Limit MKD>\nOrder allow,deny\nAllowUser bob\nDenyAll\n</Limit>", [], ["MKD x"]),
    ("<Limit MKD>\nOrder deny,allow\nDenyUser alice\nAllowAll\n</Limit>", [], ["MKD x"]),
    ("<Limit MKD>\nOrder deny,allow\nAllowUser !bob\n</Limit>", ["MKD x"], []),
    ("<Limit MKD>\nOrder deny,allow\nAllow from 10.0.0.0/8\n</Limit>", [], ["MKD x"]),
    ("<Limit MKD>\nOrder allow,deny\nAllow from 127.0.0.0/8\nDenyAll\n</Limit>", ["MKD x"], []),
    ("<Limit MKD>\nOrder allow,deny\nAllow from 127.0.0.2\nDeny from all\n</Limit>", [], ["MKD x"]),
    ("<Limit MKD>\nAllowGroup galice\nDenyAll\n</Limit>", ["MKD x"], []),
    ("<Class local>\nFrom 127.0.0.1\n</Class>\n<Limit MKD>\nOrder deny,allow\nDenyClass local\nAllowAll\n</Limit>", [], ["MKD x"]),
    ("<Limit SITE_CHMOD>\nDenyAll\n</Limit>", ["SITE MKDIR y"], ["SITE CHMOD 600 a"]),
]


@pytest.mark.parametrize("sections, allowed, denied", LIMITS, ids=short)
def test_limits(start, sections, allowed, denied):
    s = start.prepare()
    s.configure(sections.replace("@ROOT@", s.home()))
    s.put("a", b"a")
    s.put("d/b", b"b")
    s.start()
    with Ftp(s.port, user="alice") as c:
        c.binary()
        for line in allowed:
            assert can(c, line), f"{line} should be allowed\n{c.transcript()}"
        for line in denied:
            assert not can(c, line), f"{line} should be denied\n{c.transcript()}"


def test_limit_login(start):
    s = start("<Limit LOGIN>\nOrder deny,allow\nAllowUser alice\nDenyAll\n</Limit>\n".replace("Order deny,allow", "Order allow,deny"))
    with Ftp(s.port, user="alice"):
        pass
    with Ftp(s.port) as c:
        c.expect(331, "USER bob")
        assert c.expect(530, "PASS bob-pw").text == "530 Login incorrect."


def overwrite_allowed(s, path):
    with Ftp(s.port, user="alice") as c, c.data() as data:
        reply = c.cmd("STOR " + path)
        data.close()
        if reply.code == 150:
            c.expect(226)
        return reply.code == 150


MERGES = [
    # (configuration, is overwriting allowed in "a", in "d/b")
    ("", False, False),
    ("AllowOverwrite on", True, True),
    ("<Global>\nAllowOverwrite on\n</Global>", True, True),
    ("AllowOverwrite off\n<Global>\nAllowOverwrite on\n</Global>", False, False),
    ("AllowOverwrite on\n<Directory @ROOT@/d>\nAllowOverwrite off\n</Directory>", True, False),
    ("<Directory @ROOT@/d>\nAllowOverwrite on\n</Directory>", False, True),
    ("<Directory @ROOT@>\nAllowOverwrite on\n</Directory>\n<Directory @ROOT@/d>\nAllowOverwrite off\n</Directory>", True, False),
    ("<Directory ~/d>\nAllowOverwrite on\n</Directory>", False, True),
]


@pytest.mark.parametrize("conf, in_a, in_b", MERGES, ids=short)
def test_merging(start, conf, in_a, in_b):
    s = start.prepare()
    s.put("a", b"a")
    s.put("d/b", b"b")
    s.configure(conf.replace("@ROOT@", s.home()), AllowOverwrite=None)
    s.start()
    assert (overwrite_allowed(s, "a"), overwrite_allowed(s, "d/b")) == (in_a, in_b)


@pytest.mark.ours
def test_duplicate_directory_section_is_an_error(start):
    s = start.prepare()
    s.configure("<Directory /x>\n</Directory>\n<Directory /x>\n</Directory>\n")
    assert report(s)[0] != 0


def test_ftpaccess_is_read_live(start):
    s = start("AllowOverride on\n", AllowOverwrite=None)
    s.put("a", b"a")
    assert not overwrite_allowed(s, "a")
    access = s.put(".ftpaccess", b"NoSuchDirective\nAllowOverwrite on\n")
    assert overwrite_allowed(s, "a")
    os.unlink(access)
    assert not overwrite_allowed(s, "a")
    s.put(".ftpaccess", b"<Limit WRITE>\nDenyAll\n</Limit>\n")
    with Ftp(s.port, user="alice") as c:
        c.expect(550, "MKD x")


def test_ftpaccess_only_where_allowed(start):
    s = start("AllowOverride off\n", AllowOverwrite=None)
    s.put("a", b"a")
    s.put(".ftpaccess", b"AllowOverwrite on\n")
    assert not overwrite_allowed(s, "a")


def test_virtual_hosts(start):
    from servers import free_port
    s = start.prepare()
    other = free_port()
    s.configure(f"""
<VirtualHost 127.0.0.1>
  Port {other}
  ServerName "Other"
  AuthUserFile {s.path('passwd')}
  AuthGroupFile {s.path('group')}
  AuthOrder mod_auth_file.c
  RequireValidShell off
  UseFtpUsers off
  AccessGrantMsg "second server"
  DefaultRoot ~
</VirtualHost>
""")
    s.start()
    s.wait_ready(other)
    with Ftp(s.port, user="alice") as c:
        assert "'Test'" in c.expect(211, "STAT").text
    with Ftp(other) as c:
        c.expect(331, "USER alice")
        assert c.expect(230, "PASS alice-pw").text == "230 second server"
        assert "'Other'" in c.expect(211, "STAT").text
        # nothing flows from the main server: overwriting is off here
        c.write("STOR f", b"1")
        with c.data():
            c.expect(550, "STOR f")


def test_default_chdir_and_root(start):
    s = start("DefaultChdir sub\n", DefaultRoot="~")
    s.mkdir("sub")
    with Ftp(s.port, user="alice") as c:
        assert c.expect(257, "PWD").text == '257 "/sub" is the current directory'
    s = start(DefaultRoot=None)
    with Ftp(s.port, user="alice") as c:
        assert c.expect(257, "PWD").text == f'257 "{s.home()}" is the current directory'


def test_user_alias(start):
    s = start("UserAlias nick alice\n")
    with Ftp(s.port) as c:
        c.expect(331, "USER nick")
        c.expect(230, "PASS alice-pw")


# --- limits on clients

def refused(s, user="bob"):
    with Ftp(s.port, greet=False) as c:
        reply = c.reply()
        if reply.code == 220:
            c.expect(331, "USER " + user)
            reply = c.cmd(f"PASS {user}-pw")
        if reply.code == 230:
            return None
        assert c.at_eof()
        return reply.text


CLIENT_LIMITS = [
    ("MaxClients 1", "bob", "530 Sorry, the maximum number of allowed clients (1) are already connected."),
    ('MaxClients 1 "full with %m"', "bob", "530 full with 1"),
    ("MaxClientsPerHost 1", "bob", "530 Sorry, the maximum number of clients (1) from your host are already connected."),
    ("MaxClientsPerUser 1", "alice", "530 Sorry, the maximum number of clients (1) for this user already connected."),
    ("MaxClientsPerUser 1", "bob", None),
    ("MaxConnectionsPerHost 1", "bob", "530 Sorry, the maximum number of connections (1) from your host are already connected."),
]


@pytest.mark.parametrize("conf, user, text", CLIENT_LIMITS)
def test_client_limits(start, conf, user, text):
    s = start(conf)
    with Ftp(s.port, user="alice"):
        found = refused(s, user)
        assert (found is None) == (text is None), found
        if text is not None and "allowed" not in text:
            assert re.match(re.escape(text[:25]), found)
        elif text is not None:
            assert found == text
    wait_until(lambda: refused(s, user) is None, "the place is free again")


# --- reload

def generation_done(s, pattern, count=1):
    return wait_until(lambda: len(re.findall(pattern, s.output())) >= count or None, f"{pattern} in the log")


def new_answer(s, text):
    def answer():
        with Ftp(s.port) as c:
            c.expect(331, "USER alice")
            return c.cmd("PASS alice-pw").text == text
    wait_until(answer, f"new sessions get {text!r}")


def test_reload_of_a_good_file(start):
    s = start('AccessGrantMsg "old"\n')
    os.truncate(s.put("big"), 50_000_000)
    with Ftp(s.port) as held:
        held.expect(331, "USER alice")
        assert held.expect(230, "PASS alice-pw").text == "230 old"
        with held.binary().start("RETR big") as data:
            size = len(data.recv(1000))
            s.configure('AccessGrantMsg "new"\n')
            s.reload()
            new_answer(s, "230 new")
            while part := data.recv(1 << 20):
                size += len(part)
            assert size == 50_000_000
        held.expect(226)
        held.expect(200, "NOOP")
        held.expect(257, "PWD")


@pytest.mark.ours
def test_reload_of_a_bad_file_keeps_the_old_one(start):
    s = start('AccessGrantMsg "old"\n')
    with Ftp(s.port, user="alice") as held:
        s.configure('AccessGrantMsg "new"\nNoSuchDirective 1\n')
        s.reload()
        generation_done(s, r"NoSuchDirective")
        assert re.search(rf"line {line_of(s, 'NoSuchDirective')}\b", s.output())
        new_answer(s, "230 old")
        held.expect(200, "NOOP")
    s.configure('AccessGrantMsg "mended"\n')
    s.reload()
    new_answer(s, "230 mended")


@pytest.mark.ours
def test_reload_many_times_leaves_nothing(start):
    s = start()
    with Ftp(s.port, user="alice"):
        pass

    def fds(pid):
        return len(os.listdir(f"/proc/{pid}/fd"))
    counts = []
    for n in range(12):
        s.configure(f'AccessGrantMsg "round {n}"\n')
        s.reload()
        new_answer(s, f"230 round {n}")
        counts.append(fds(s.proc.pid))
    wait_until(lambda: len(descendants(s.proc.pid)) < 12 or None, "old processes end")
    wait_until(lambda: fds(s.proc.pid) <= counts[0] + 6 or None, f"descriptors are closed {counts}")


def test_reload_changes_the_port(start):
    from servers import free_port
    s = start()
    old, s.port = s.port, free_port()
    s.configure()
    s.reload()
    s.wait_ready()
    with Ftp(s.port, user="alice"):
        pass
    from servers import listening
    wait_until(lambda: not listening(old), "the old port is closed")


def test_log_rotation(start):
    s = start()
    with Ftp(s.port, user="alice") as c:
        c.write("STOR one", b"1")
        wait_until(lambda: "/one " in s.text("xferlog"), "the log line")
        os.rename(s.path("xferlog"), s.path("xferlog.1"))
        s.reload()

        def in_new_file():
            with Ftp(s.port, user="bob") as other:
                other.write("STOR two", b"2")
            return "/two " in s.text("xferlog")
        wait_until(in_new_file, "the log line in the new file")
        assert "/one " not in s.text("xferlog") and "/one " in s.text("xferlog.1")


@pytest.mark.ours
def test_log_rotation_reaches_running_sessions(start):
    s = start()
    with Ftp(s.port, user="alice") as c:
        c.write("STOR one", b"1")
        wait_until(lambda: "/one " in s.text("xferlog"), "the log line")
        os.rename(s.path("xferlog"), s.path("xferlog.1"))
        s.reload()
        wait_until(lambda: os.path.exists(s.path("xferlog")), "a new log file")

        def in_new_file():
            c.write("STOR two", b"2")
            return "/two " in s.text("xferlog")
        wait_until(in_new_file, "the running session logs to the new file")


# --- command line

@pytest.mark.ours
def test_list_directives(start):
    s = start.prepare()
    done = subprocess.run([s.program, "--list-directives"], text=True, capture_output=True, timeout=PATIENCE_S)
    assert done.returncode == 0
    for name in ("TimeoutIdle", "AllowOverwrite", "UseSendfile", "TransferLog", "DefaultRoot"):
        assert re.search(rf"^{name}\b", done.stdout, re.M)


@pytest.mark.ours
@pytest.mark.parametrize("option", ["-v", "-vv", "-V", "-l", "-h"])
def test_information_options(start, option):
    s = start.prepare()
    done = subprocess.run([s.program, option], text=True, capture_output=True, timeout=PATIENCE_S)
    assert done.returncode == 0 and done.stdout


@pytest.mark.ours
def test_unknown_option(start):
    s = start.prepare()
    done = subprocess.run([s.program, "--nosuch"], text=True, capture_output=True, timeout=PATIENCE_S)
    assert done.returncode != 0 and done.stderr


@pytest.mark.ours
def test_term_stops_gracefully(start):
    s = start()
    with Ftp(s.port, user="alice"):
        s.proc.send_signal(signal.SIGTERM)
        assert s.proc.wait(PATIENCE_S) in (0, -signal.SIGTERM)
    s.proc = None
    assert not os.path.exists(s.path("run", "pid"))
