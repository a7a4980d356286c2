"""The replies of each command (spec: every command's row), as tables of request, code and text.

A row is (request, code, text) where text is a regular expression for the whole reply text, or None. `ours(...)` marks
rows in which we differ from the reference server on purpose.
"""
import os
import re
import time

import pytest

from ftpclient import Closed, Ftp


def ours(*row):
    return pytest.param(*row, marks=pytest.mark.ours)


def check(reply, code, pattern, client):
    assert reply.code in (code if isinstance(code, tuple) else (code,)), f"expected {code}, got {reply}\n{client.transcript()}"
    if pattern is not None:
        assert re.fullmatch(pattern, reply.text, re.S), f"{reply} does not match {pattern!r}"


# --- before login

NOT_LOGGED_IN = r"530 Please login with USER and PASS"
BEFORE_LOGIN = [
    ("SYST", 215, "215 UNIX Type: L8"),
    ("NOOP", 200, "200 NOOP command successful"),
    ("noop", 200, "200 NOOP command successful"),
    ("TYPE I", 200, "200 Type set to I"),
    ("ACCT x", 502, "502 ACCT command not implemented"),
    ("REIN", (220, 502), None),  # 502: the reference
    ("CLNT testing 1.0", 200, "200 OK"),
    ("USER", 500, "500 USER: command requires a parameter"),
    ("PASS x", 503, "503 Login with USER first"),
    ("FOO", 500, "500 FOO not understood"),
    ("foo bar", 500, "500 FOO not understood"),
    ("PWD", 530, NOT_LOGGED_IN),
    ("CWD /", 530, NOT_LOGGED_IN),
    ("RETR x", 530, NOT_LOGGED_IN),
    ("STOR x", 530, NOT_LOGGED_IN),
    ("LIST", 530, NOT_LOGGED_IN),
    ("PASV", 530, NOT_LOGGED_IN),
    ("EPSV", 530, NOT_LOGGED_IN),
    ("PORT 127,0,0,1,200,1", 530, NOT_LOGGED_IN),
    ours("SITE HELP", 530, NOT_LOGGED_IN),
    ("SIZE x", 530, NOT_LOGGED_IN),
    ("HOST", 500, None),
    ("HOST [::zz]", 501, r"501 .*: Invalid (IPv6 address|hostname) provided"),
    ("HOST a:b", 501, r"501 a:b: Invalid hostname provided"),
    ("HOST nowhere.example.org", 504, r"504 nowhere\.example\.org: Unknown hostname provided"),
    ("HOST 192.0.2.1", 504, None),
    ("HOST 127.0.0.1", 220, None),
    (" NOOP", 500, None),
]


@pytest.mark.parametrize("request_line, code, pattern", BEFORE_LOGIN)
def test_before_login(shared, request_line, code, pattern):
    with Ftp(shared.port) as c:
        check(c.cmd(request_line), code, pattern, c)
        c.expect(200, "NOOP")


def test_greeting(shared):
    with Ftp(shared.port, greet=False) as c:
        assert re.fullmatch(r"220 \S+ Server \(Test\) \[127\.0\.0\.1\]", c.expect(220).text)


def test_login_dialogue(shared):
    with Ftp(shared.port) as c:
        assert c.cmd("USER alice").text == "331 Password required for alice"
        assert c.cmd("PASS alice-pw").text == "230 User alice logged in"
        assert c.cmd("USER alice").text == "230 User alice logged in"
        assert c.cmd("USER bob").text == "501 Reauthentication not supported"
        assert c.cmd("PASS alice-pw").text == "503 You are already logged in"
        assert c.cmd("HOST 127.0.0.1").code == 503


def test_unknown_user_and_wrong_password_look_alike(shared):
    for user in ("alice", "nosuchuser"):
        with Ftp(shared.port) as c:
            assert c.cmd(f"USER {user}").text == f"331 Password required for {user}"
            assert c.cmd("PASS wrong").text == "530 Login incorrect."


def test_login_attempts_are_limited(shared):
    with Ftp(shared.port) as c:
        for attempt in range(3):
            c.expect(331, "USER alice")
            c.expect(530, "PASS wrong")
        assert c.at_eof()


def test_user_of_257_bytes(shared):
    with Ftp(shared.port) as c:
        c.expect(501, "USER " + "u" * 257)


def test_quit_with_and_without_login(shared):
    with Ftp(shared.port) as c:
        assert c.cmd("QUIT").text == "221 Goodbye."
        assert c.at_eof()
    with Ftp(shared.port, user="alice") as c:
        assert c.cmd("quit now").text == "221 Goodbye."
        assert c.at_eof()


# --- one request, one reply, in a fresh tree

NEG = r"501 REST requires a value greater than or equal to 0"
SIMPLE = [
    # information
    ("SYST", 215, "215 UNIX Type: L8"),
    ("NOOP with an argument", 200, "200 NOOP command successful"),
    ("ALLO 1000", 200, None),
    ("ALLO 1000 R 10", 200, None),
    ("SMNT /", 502, "502 SMNT command not implemented"),
    ("ACCT x", 502, "502 ACCT command not implemented"),
    ("HELP NOSUCH", 502, "502 Unknown command 'NOSUCH'"),
    ("HELP RETR", 214, r"214 Syntax: RETR <sp> .*"),
    ("HELP retr", 214, r"214 Syntax: RETR <sp> .*"),
    ("SITE", 500, "500 'SITE' requires parameters"),
    ("SITE NOSUCH", 500, "500 'SITE NOSUCH' not understood"),
    ("SITE nosuch x", 500, "500 'SITE NOSUCH' not understood"),
    ("OPTS NOSUCH", (500, 501), None),
    ("OPTS UTF8 ON", 200, "200 UTF8 set to on"),
    ("OPTS UTF8 OFF", 200, "200 UTF8 set to off"),
    ("OPTS UTF8", 501, None),
    ("OPTS UTF8 maybe", 501, None),
    # parameters
    ("TYPE A", 200, "200 Type set to A"),
    ("TYPE A N", 200, "200 Type set to A"),
    ("TYPE a", 200, "200 Type set to a"),
    ("TYPE I", 200, "200 Type set to I"),
    ("TYPE i", 200, "200 Type set to i"),
    ("TYPE L 8", 200, "200 Type set to L( 8)?"),
    ("TYPE L 7", 200, "200 Type set to L( 7)?"),
    ours("TYPE A T", 504, r"504 TYPE not implemented for 'A T' parameter"),
    ours("TYPE A C", 504, r"504 TYPE not implemented for 'A C' parameter"),
    ("TYPE E", 504, r"504 TYPE not implemented for 'E' parameter"),
    ("TYPE L", 504, None),
    ("TYPE L 36", 504, None),
    ours("TYPE I x", 504, None),
    ("TYPE", 500, None),
    ("TYPE A N x", 500, None),
    ("MODE S", 200, "200 Mode set to S"),
    ("MODE s", 200, "200 Mode set to S"),
    ("MODE B", 504, r"504 '.*' unsupported transfer mode"),
    ("MODE C", 504, r"504 '.*' unsupported transfer mode"),
    ("MODE Q", 501, None),
    ("MODE", (500, 501), None),
    ("STRU F", 200, "200 Structure set to F"),
    ("STRU f", 200, "200 Structure set to F"),
    ("STRU R", 504, None),
    ("STRU P", 504, None),
    ("STRU Q", 501, None),
    ("REST -1", 501, NEG),
    ("REST x", 501, NEG),
    ("REST 9223372036854775808", 501, None),
    ("REST", 500, None),
    ("REST 1 2", 500, None),
    ("REST 0", 350, "350 Restarting at 0. Send STORE or RETRIEVE to initiate transfer"),
    ("REST 10", 501, "501 REST: Resuming transfers not allowed in ASCII mode"),
    ours("OPTS REST RETR", 200, None),
    ("ABOR", 226, "226 Abort successful"),
    ("ABOR x", 500, None),
    ("LPRT 4,4,127,0,0,1,2,200,1", 500, None),
    ("LPSV", 500, None),
    ("XSEM alice", 500, None),
    ("MSND alice", 500, None),
    # files
    ("RETR", 500, "500 'RETR' not understood"),
    ("STOR", 500, "500 'STOR' not understood"),
    ("RETR nosuch", 550, "550 nosuch: No such file or directory"),
    ("RETR sub", 550, "550 sub: Not a regular file"),
    ("STOR sub", 550, "550 sub: Not a regular file"),
    ("DELE nosuch", 550, "550 nosuch: No such file or directory"),
    ("DELE sub", 550, "550 sub: Is a directory"),
    ("DELE file.txt", 250, "250 DELE command successful"),
    ("RNTO x", 503, "503 Bad sequence of commands"),
    ("RNFR nosuch", 550, "550 nosuch: No such file or directory"),
    ("RNFR file.txt", 350, "350 File or directory exists, ready for destination name"),
    ("SIZE nosuch", 550, None),
    ("SIZE file.txt", 550, "550 SIZE not allowed in ASCII mode"),
    ("MDTM file.txt", 213, "213 20200102030405"),
    ("MDTM sub", 550, "550 sub: not a plain file"),
    ("MDTM nosuch", 550, "550 nosuch: No such file or directory"),
    ("MFMT 20210101000000", 501, None),
    ("MFMT 2021 file.txt", 501, None),
    ("MFMT 20211301000000 file.txt", 501, None),
    ("MFMT 20210132000000 file.txt", 501, None),
    ("MFMT 20210101250000 file.txt", 501, None),
    ("MFMT 20210203040506 nosuch", 550, None),
    ("MFMT 20210203040506 file.txt", 213, r"213 Modify=20210203040506; file\.txt"),
    ("MFF modify=20210203040506; file.txt", 213, r"213 [Mm]odify=20210203040506; file\.txt"),
    ("MFF nosuch=1; file.txt", 504, None),
    ("MFF modify=20210203040506 file.txt", 550, None),
    # directories
    ("PWD", 257, '257 "/" is the current directory'),
    ("XPWD", 257, '257 "/" is the current directory'),
    ("PWD x", 501, None),
    ("CWD", 501, None),
    ("CWD sub", 250, "250 CWD command successful"),
    ("XCWD sub", 250, "250 XCWD command successful"),
    ("CWD /sub/..", 250, "250 CWD command successful"),
    ("CWD ../../..", 250, "250 CWD command successful"),
    ("CWD nosuch", 550, "550 nosuch: No such file or directory"),
    ("CWD file.txt", 550, "550 file.txt: Not a directory"),
    ("CDUP", 250, "250 CDUP command successful"),
    ("XCUP", 250, "250 XCUP command successful"),
    ("MKD new", 257, '257 "/new" - Directory successfully created'),
    ("XMKD new", 257, '257 "/new" - Directory successfully created'),
    ("MKD sub", 550, "550 sub: File exists"),
    ("MKD a/b", 550, "550 a/b: No such file or directory"),
    ("MKD star*", 550, r"550 star\*: Invalid directory name"),
    ("RMD empty", 250, "250 RMD command successful"),
    ("XRMD empty", 250, "250 XRMD command successful"),
    ("RMD sub", 550, "550 sub: Directory not empty"),
    ("RMD nosuch", 550, "550 nosuch: No such file or directory"),
    ("RMD file.txt", 550, "550 file.txt: Not a directory"),
    # SITE
    ("SITE CHMOD 600 file.txt", 200, "200 SITE CHMOD command successful"),
    ("SITE CHMOD 600 nosuch", 550, None),
    ("SITE CHMOD zz file.txt", 550, r"550 '?zz'?: invalid mode"),
    ours("SITE CHMOD u+x,g-w file.txt", 200, "200 SITE CHMOD command successful"),
    ("SITE CHGRP nosuchgroup file.txt", 550, "550 (nosuchgroup|file.txt): Invalid argument"),
    ("SITE UTIME 202102030405 file.txt", 200, "200 SITE UTIME command successful"),
    ("SITE UTIME 20210203040506 file.txt", 200, "200 SITE UTIME command successful"),
    ("SITE UTIME zz file.txt", 500, None),
    ("SITE MKDIR a/b/c", 200, "200 SITE MKDIR command successful"),
    ("SITE MKDIR sub", 200, "200 SITE MKDIR command successful"),
    ("SITE RMDIR sub", 200, "200 SITE RMDIR command successful"),
    ("SITE RMDIR nosuch", 550, None),
    ("SITE SYMLINK file.txt link2", 200, "200 SITE SYMLINK command successful"),
    ("SITE EXEC ls", 500, None),
    # facts
    ("MLST nosuch", 550, None),
    ("OPTS MLST size;type;", 200, r"200 MLST OPTS type;size;|200 MLST OPTS size;type;"),
    ("OPTS MLST", 200, r"200 MLST OPTS"),
    ("OPTS MLST a b", 501, None),
    ("MLSD nosuch", 550, None),
    ("MLSD file.txt", 550, "550 'file.txt' is not a directory"),
    # data connection setup without a transfer
    ("RETR file.txt", 425, None),
    ("LIST", 425, None),
    ("EPSV 9", (501, 522), None),
    ("EPSV x", 501, None),
    ("EPSV ALL", 200, "200 EPSV ALL command successful"),
    ("PASV x", 501, None),
]


@pytest.fixture
def tree(shared):
    """A home of its own with a known content: file.txt, sub/inside, empty/, links."""
    name = f"user{len(shared.users)}"
    shared.add_user(name)
    shared.put("file.txt", b"0123456789\r\nline two\n", name, mtime=1577934245)
    shared.put("sub/inside", b"x", name)
    shared.mkdir("empty", name)
    os.symlink("file.txt", shared.home(name, "link"))
    os.symlink("nowhere", shared.home(name, "dangling"))
    with Ftp(shared.port, user=name) as c:
        c.home = shared.home(name)
        yield c


@pytest.mark.parametrize("request_line, code, pattern", SIMPLE)
def test_reply(tree, request_line, code, pattern):
    check(tree.cmd(request_line), code, pattern, tree)
    assert tree.silent(0.02)
    tree.expect(200, "NOOP")


# --- multi-line information

def test_feat(tree):
    reply = tree.expect(211, "FEAT")
    assert reply.lines[0] == "211-Features:" and reply.last == "211 End"
    assert all(line.startswith(" ") and line[1] != " " for line in reply.lines[1:-1])
    features = {line[1:].split()[0] for line in reply.lines[1:-1]}
    assert {"EPRT", "EPSV", "MDTM", "MFMT", "MFF", "MLST", "REST", "SIZE", "TVFS", "UTF8", "HOST", "CLNT",
            "LANG"} <= features
    assert " REST STREAM" in reply.lines


@pytest.mark.ours
def test_feat_ignores_its_argument(tree):
    tree.expect(211, "FEAT ignored")


def test_feat_before_login(shared):
    with Ftp(shared.port) as c:
        c.expect(211, "FEAT")


def test_help(tree):
    reply = tree.expect(214, "HELP")
    assert len(reply.lines) > 4 and reply.last.startswith("214 Direct comments to ")
    assert all(line.startswith(" ") for line in reply.lines[1:-1])
    for verb in ("RETR", "STOR", "MLSD", "EPSV"):
        assert verb in reply.text
    site = tree.expect(214, "SITE HELP")
    assert "CHMOD" in site.text and site.last.startswith("214 Direct comments to ")
    assert "CHMOD" in tree.expect(214, "HELP SITE").text


def test_help_covers_every_command_of_feat(tree):
    for line in tree.expect(211, "FEAT").lines[1:-1]:
        verb = line.split()[0]
        if verb in ("REST", "UTF8", "TVFS", "SITE", "AUTH", "SSCN", "PBSZ", "PROT", "CCC", "CSID", "MODE"):
            continue
        tree.expect((214, 502), "HELP " + verb)


def test_stat_of_the_session(tree):
    reply = tree.expect(211, "STAT")
    assert reply.lines[0] == "211-Status of 'Test'" and reply.last == "211 End of status"
    assert re.search(r"^ Connected from \S+ \(127\.0\.0\.1\)$", reply.text, re.M)
    assert re.search(r"^ Logged in as user\d+$", reply.text, re.M)
    assert re.search(r"^ TYPE: ASCII, STRUcture: File, Mode: Stream$", reply.text, re.M)
    tree.binary()
    assert "TYPE: BINARY" in tree.expect(211, "STAT").text


@pytest.mark.ours
def test_stat_before_login_has_no_user_line(shared):
    with Ftp(shared.port) as c:
        reply = c.cmd("STAT")
        assert reply.code in (211, 530) and "Logged in" not in reply.text


@pytest.mark.ours
def test_lang(tree):
    assert tree.cmd("LANG").text.startswith("200 Using default language")
    tree.expect(504, "LANG xx-nosuch")


# --- files in several steps

def test_retr_and_size(tree):
    tree.binary()
    assert tree.expect(213, "SIZE file.txt").text == "213 21"
    assert tree.expect(213, "SIZE link").text == "213 21"
    tree.expect(550, "SIZE sub")
    tree.expect(550, "SIZE dangling")
    assert tree.read("RETR file.txt") == b"0123456789\r\nline two\n"


def test_150_line(tree):
    tree.binary()
    with tree.data() as d:
        assert tree.cmd("RETR file.txt").text == "150 Opening BINARY mode data connection for file.txt (21 bytes)"
        d.recv(100)
    tree.expect(226)
    tree.write("STOR one", b"x")
    with tree.data():
        assert tree.cmd("RETR one").text == "150 Opening BINARY mode data connection for one (1 byte)"
    tree.expect(226)
    tree.write("STOR none", b"")
    with tree.data():
        assert tree.cmd("RETR none").text == "150 Opening BINARY mode data connection for none"
    assert tree.reply().text == "226 Transfer complete"
    with tree.data():
        assert tree.cmd("STOR up").text == "150 Opening BINARY mode data connection for up"
    tree.expect(226)
    with tree.data() as d:
        assert re.fullmatch("150 Opening (ASCII|BINARY) mode data connection for file list", tree.cmd("LIST").text)
        d.recv(1000)
    tree.expect(226)
    tree.expect(200, "TYPE A")
    with tree.data() as d:
        assert tree.cmd("NLST").text == "150 Opening ASCII mode data connection for file list"
        d.recv(1000)
    tree.expect(226)
    with tree.data() as d:
        assert tree.cmd("MLSD").text.startswith("150 Opening")
        d.recv(1000)
    tree.expect(226)


def test_rename(tree):
    assert tree.cmd("RNFR file.txt").code == 350
    assert tree.cmd("RNTO renamed").text == "250 Rename successful"
    tree.expect(503, "RNTO again")
    tree.expect(550, "RNFR file.txt")
    tree.expect(350, "RNFR dangling")
    tree.expect(250, "RNTO dangling2")
    tree.expect(350, "RNFR renamed")
    tree.expect(550, "RNTO nosuch/x")
    tree.expect(503, "RNTO x")


def test_rename_needs_allow_overwrite(start):
    s = start(AllowOverwrite="off")
    s.put("a", b"a")
    s.put("b", b"b")
    with Ftp(s.port, user="alice") as c:
        c.expect(350, "RNFR a")
        assert c.cmd("RNTO b").text == "550 b: Rename permission denied"
        c.expect(350, "RNFR a")
        c.expect(250, "RNTO c")
        with c.data():
            assert c.cmd("STOR b").text == "550 b: Overwrite permission denied"


def test_dele_removes_the_link_itself(tree):
    tree.expect(250, "DELE link")
    tree.expect(250, "DELE dangling")
    assert os.path.exists(os.path.join(tree.home, "file.txt"))


def test_rmd_of_a_link_to_a_directory(tree):
    os.symlink("empty", os.path.join(tree.home, "dirlink"))
    tree.expect(550, "RMD dirlink")
    assert os.path.isdir(os.path.join(tree.home, "empty"))


def test_times_can_be_set(tree):
    path = os.path.join(tree.home, "file.txt")
    for line, when in (("MFMT 20210203040506 file.txt", 1612325106), ("SITE UTIME 202203040506 file.txt", 1646370360),
                       ("MFF modify=20230304050607; file.txt", 1677906367)):
        tree.expect((213, 200), line)
        assert os.stat(path).st_mtime == when
    tree.expect(213, "MFMT 20210203040506.789 file.txt")
    assert int(os.stat(path).st_mtime) == 1612325106


@pytest.mark.parametrize("mode, result", [("600", 0o600), ("0755", 0o755), ours("u+x,g-w", 0o744), ("a=r", 0o444),
                                          ours("go=", 0o600), ("+x", 0o755), ("4755", 0o4755)])
def test_site_chmod(tree, mode, result):
    tree.expect(200, f"SITE CHMOD {mode} file.txt")
    assert os.stat(os.path.join(tree.home, "file.txt")).st_mode & 0o7777 == result


def test_site_chmod_of_a_name_with_blanks(tree):
    tree.write("STOR with some blanks", b"x")
    tree.expect(200, "SITE CHMOD 640 with some blanks")
    assert os.stat(os.path.join(tree.home, "with some blanks")).st_mode & 0o7777 == 0o640


def test_mff_mode_and_nothing_on_error(tree):
    path = os.path.join(tree.home, "file.txt")
    tree.expect(213, "MFF UNIX.mode=0640;modify=20210203040506; file.txt")
    st = os.stat(path)
    assert (st.st_mode & 0o7777, st.st_mtime) == (0o640, 1612325106)


@pytest.mark.ours
def test_mff_is_all_or_nothing(tree):
    path = os.path.join(tree.home, "file.txt")
    tree.expect(504, "MFF UNIX.mode=0600;nosuch=1; file.txt")
    assert os.stat(path).st_mode & 0o7777 == 0o644


def test_site_mkdir_rmdir_symlink(tree):
    tree.expect(200, "SITE MKDIR deep/er/est")
    assert os.path.isdir(os.path.join(tree.home, "deep/er/est"))
    tree.expect(200, "SITE RMDIR deep")
    assert not os.path.exists(os.path.join(tree.home, "deep"))
    assert os.path.exists(os.path.join(tree.home, "sub/inside"))
    tree.expect(200, "SITE SYMLINK file.txt made")
    assert tree.binary().read("RETR made") == b"0123456789\r\nline two\n"


@pytest.mark.ours
def test_site_rmdir_never_follows_links(tree):
    tree.expect(200, "SITE MKDIR deep/er")
    os.symlink("../sub", os.path.join(tree.home, "deep/out"))
    tree.expect(200, "SITE RMDIR deep")
    assert not os.path.exists(os.path.join(tree.home, "deep"))
    assert os.path.exists(os.path.join(tree.home, "sub/inside"))


def test_mlst(tree):
    reply = tree.expect(250, "MLST file.txt")
    assert reply.lines[0] == "250-Start of list for file.txt" and reply.last == "250 End of list"
    assert len(reply.lines) == 3
    assert re.fullmatch(r" modify=20200102030405;perm=\w+;size=21;type=file;unique=\w+U\w+;"
                        r"UNIX\.group=\d+;UNIX\.groupname=\w+;UNIX\.mode=0644;UNIX\.owner=\d+;"
                        r"UNIX\.ownername=\w+; file\.txt", reply.lines[1]) or \
        re.fullmatch(r" modify=20200102030405;perm=\w+;size=21;type=file;unique=\w+U\w+;.*; .*file\.txt", reply.lines[1])


def test_opts_mlst_is_reflected_in_feat(tree):
    tree.expect(200, "OPTS MLST type;modify;")
    line = next(x for x in tree.expect(211, "FEAT").lines if x.startswith(" MLST "))
    starred = {fact[:-1].lower() for fact in line[6:].split(";") if fact.endswith("*")}
    assert starred == {"type", "modify"}
    facts = tree.expect(250, "MLST file.txt").lines[1]
    assert re.fullmatch(r" modify=\d{14};type=file; .*file\.txt", facts)
    tree.expect(200, "OPTS MLST")
    assert re.fullmatch(r" +\S*file\.txt", tree.expect(250, "MLST file.txt").lines[1])


def test_cwd_follows_and_pwd_shows(tree):
    tree.expect(250, "CWD sub")
    assert tree.cmd("PWD").text == '257 "/sub" is the current directory'
    tree.expect(250, "CDUP")
    tree.expect(250, "CDUP")
    assert tree.cmd("PWD").text == '257 "/" is the current directory'
    tree.expect(257, 'MKD say "hi"')
    tree.expect(250, 'CWD say "hi"')
    assert tree.cmd("PWD").text == '257 "/say ""hi""" is the current directory'


@pytest.mark.ours
def test_cwd_home(tree):
    tree.expect(250, "CWD sub")
    tree.expect(250, "CWD ~")
    assert tree.cmd("PWD").text == '257 "/" is the current directory'


def test_umask(start):
    s = start(Umask="027 077")
    with Ftp(s.port, user="alice") as c:
        c.write("STOR f", b"x")
        c.expect(257, "MKD d")
    assert os.stat(s.home("alice", "f")).st_mode & 0o7777 == 0o640
    assert os.stat(s.home("alice", "d")).st_mode & 0o7777 == 0o700


def test_texts_and_messages(start):
    s = start.prepare()
    with open(s.path("login.txt"), "w") as f:
        f.write("Hello %U\nsecond line\n")
    with open(s.path("connect.txt"), "w") as f:
        f.write("Knock knock\n")
    with open(s.path("bye.txt"), "w") as f:
        f.write("See you\n")
    s.configure("DisplayConnect @DIR@/connect.txt\nDisplayLogin @DIR@/login.txt\nDisplayQuit @DIR@/bye.txt\n"
                'AccessDenyMsg "No way, %u"\nAccessGrantMsg "Welcome %u"\n', ServerIdent='on "Ready now"')
    s.start()
    with Ftp(s.port, greet=False) as c:
        greeting = c.expect(220)
        assert greeting.lines[0] == "220-Knock knock" and greeting.last.startswith("220 ") and \
            "Ready now" in greeting.text
        c.expect(331, "USER alice")
        assert "No way, alice" in c.expect(530, "PASS wrong").text
        c.expect(331, "USER alice")
        reply = c.expect(230, "PASS alice-pw")
        assert "Hello alice" in reply.text and "second line" in reply.text and reply.last == "230 Welcome alice"
        assert "See you" in c.expect(221, "QUIT").text


def test_server_ident_off(start):
    s = start(ServerIdent="off")
    with Ftp(s.port, greet=False) as c:
        assert c.expect(220).text == "220 127.0.0.1 FTP server ready"


def test_a_leading_dash_in_the_password_turns_greetings_off(start):
    s = start.prepare()
    with open(s.path("login.txt"), "w") as f:
        f.write("Hello %U\n")
    s.add_user("alice", password="-dash")
    s.configure("DisplayLogin @DIR@/login.txt\n")
    s.start()
    with Ftp(s.port) as c:
        c.expect(331, "USER alice")
        c.expect((230, 530), "PASS -dash")


# --- anonymous

ANONYMOUS = """
<Anonymous @DIR@/home/ftp>
  User %s
  Group %s
  UserAlias anonymous %s
  RequireValidShell off
  <Limit WRITE>
    DenyAll
  </Limit>
</Anonymous>
"""


def anonymous_conf(s):
    import grp
    import pwd
    if os.geteuid() == 0:
        return ANONYMOUS % ("ftpuser", "gftpuser", "ftpuser")
    name = pwd.getpwuid(os.geteuid()).pw_name
    return ANONYMOUS % (name, grp.getgrgid(os.getegid()).gr_name, name)


@pytest.mark.root
def test_anonymous(start):
    s = start.prepare()
    s.add_user("ftpuser", home=s.path("home", "ftp"))
    s.configure(anonymous_conf(s))
    with open(s.path("home", "ftp", "public"), "w") as f:
        f.write("for all")
    s.start()
    with Ftp(s.port) as c:
        assert c.cmd("USER anonymous").text == \
            "331 Anonymous login ok, send your complete email address as your password"
        assert c.cmd("PASS me@example.org").text == "230 Anonymous access granted, restrictions apply"
        assert c.binary().read("RETR public") == b"for all"
        with c.data():
            assert c.cmd("STOR new").code == 550
        c.expect(550, "DELE public")
        c.expect(550, "MKD new")


# --- timing of refusals

@pytest.mark.alone
@pytest.mark.ours
def test_unknown_user_takes_as_long_as_a_wrong_password(shared):
    def seconds(user):
        with Ftp(shared.port) as c:
            c.expect(331, "USER " + user)
            began = time.monotonic()
            c.expect(530, "PASS wrong")
            return time.monotonic() - began
    seconds("alice")
    known, unknown = [], []
    for _ in range(20):  # the best of each: a machine that stood still makes an answer late, none comes early
        known.append(seconds("alice"))
        unknown.append(seconds("nosuchuser"))
        if len(known) >= 5 and abs(min(known) - min(unknown)) < 0.05:
            return
    assert False, (known, unknown)


@pytest.mark.parametrize("line", ["GET / HTTP/1.1", "EHLO example.org", "SSH-2.0-test"])
def test_other_protocols_are_disconnected(shared, line):
    with Ftp(shared.port) as c:
        c.send(line)
        try:
            c.reply()
        except Closed:
            return
        assert c.at_eof()


@pytest.mark.ours
def test_rein_goes_back_to_before_the_login(start):
    s = start()
    s.put("mine", b"alice's")
    with Ftp(s.port, user="alice") as c:
        c.binary()
        c.send("REIN\r\nPWD\r\nUSER bob\r\nPASS bob-pw\r\nPWD\r\n".rstrip())
        c.expect(220)
        c.expect(530)
        c.expect(331)
        c.expect(230)
        c.expect(257)
        c.expect(550, "SIZE mine")
        assert c.cmd("TYPE A").code == 200
        for _ in range(3):
            c.expect(220, "REIN")
            c.expect(331, "USER alice")
            c.expect(530, "PASS wrong")
            c.expect(331, "USER alice")
            c.expect(230, "PASS alice-pw")
            c.binary()
            assert c.read("RETR mine") == b"alice's"
