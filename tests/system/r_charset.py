"""UseEncoding, LangOptions, OPTS UTF8: names in one charset on the disk and in another at the client."""
import os

import pytest

from ftpclient import Ftp, raw, read_all

CAFE = "caf\u00e9"  # in both charsets
LATIN, UTF8 = (CAFE + ".txt").encode("latin-1"), (CAFE + ".txt").encode()
CYRILLIC = "\u0436.txt".encode()  # has no counterpart in Latin-1
BROKEN = b"bad\xff\xfe.txt"  # is not UTF-8


def on_disk(s):
    return sorted(os.listdir(os.fsencode(s.home())))


@pytest.fixture
def made(start):
    def make(extra, names=(UTF8, CYRILLIC, BROKEN), **values):
        s = start.prepare()
        for name in names:
            path = os.path.join(os.fsencode(s.home()), name)
            with open(path, "wb") as f:
                f.write(b"content")
            if os.geteuid() == 0:
                os.chown(path, *s.users["alice"][:2])
        s.configure(extra, **values)
        return s.start()
    return make


def fetch(c, line, code=226):
    with c.data() as data:
        c.expect(150, line)
        body = read_all(data)
    c.expect(code)
    return body


def lines(c, line):
    return sorted(x for x in fetch(c, line).split(b"\r\n") if x)


def features(c):
    return [x.strip() for x in c.expect(211, "FEAT").lines]


def test_names_are_converted_in_arguments_replies_and_listings(made):
    s = made("UseEncoding UTF-8 ISO-8859-1\n")
    with Ftp(s.port, user="alice") as c:
        c.expect(200, "TYPE I")
        assert lines(c, "NLST") == sorted([LATIN, CYRILLIC, BROKEN])
        assert [x.rsplit(b" ", 1)[1] for x in lines(c, "LIST")].count(LATIN) == 1
        assert [x for x in lines(c, "MLSD") if x.endswith(b"; " + LATIN)]
        c.expect(213, b"SIZE " + LATIN)
        c.expect(550, b"SIZE " + UTF8)
        assert fetch(c, b"RETR " + LATIN) == b"content"
        with c.data() as data:
            c.expect(150, b"STOR n\xe9w")
            data.sendall(b"new")
        c.expect(226)
        c.expect(257, b"MKD d\xe9")
        c.expect(250, b"CWD d\xe9")
        assert raw(c.expect(257, "PWD").text).startswith(b'257 "/d\xe9"')
        c.expect(250, "CDUP")
        c.expect(350, b"RNFR " + LATIN)
        c.expect(250, b"RNTO renam\xe9d")
        reply = raw(c.expect(250, b"MLST renam\xe9d").text)
        assert b"renam\xe9d\n" in reply and b"\xc3" not in reply
        c.expect(250, b"DELE renam\xe9d")
        assert raw(c.expect(550, b"DELE nosuch\xe9").text) == b"550 nosuch\xe9: No such file or directory"
        reply = raw(c.cmd("STAT .").text)
        assert b"n\xe9w\n" in reply and b"d\xe9\n" in reply and CYRILLIC in reply and b"\xc3" not in reply
    assert on_disk(s) == sorted(["d\u00e9".encode(), "n\u00e9w".encode(), CYRILLIC, BROKEN])


def test_a_name_without_counterpart_is_shown_and_logged_as_it_is(made):
    s = made("UseEncoding UTF-8 ISO-8859-1\n")
    with Ftp(s.port, user="alice") as c:
        assert CYRILLIC in lines(c, "NLST")
        assert BROKEN in lines(c, "NLST")
        assert fetch(c, b"RETR " + LATIN) == b"content"
    assert (CAFE + ".txt") in s.text("xferlog")  # logs know the charset of the files only


@pytest.mark.ours  # the reference takes what a charset cannot hold for something else
def test_a_name_that_the_client_cannot_mean_passes_as_it_is(made):
    s = made("UseEncoding ISO-8859-1 UTF-8\n", names=(LATIN, CYRILLIC))
    with Ftp(s.port, user="alice") as c:
        c.expect(200, "TYPE I")
        c.expect(213, b"SIZE " + UTF8)  # converted
        c.expect(213, b"SIZE " + LATIN)  # no UTF-8: the bytes themselves
        c.expect(213, b"SIZE " + CYRILLIC)  # UTF-8, but not in Latin-1


@pytest.mark.ours  # the reference knows fewer such charsets
@pytest.mark.parametrize("charset", ["koi8-r", "windows-1251", "windows-1252"])
def test_a_letter_255_is_no_telnet_command(made, charset):
    sent = b"\xff\xfb\xe1"
    s = made(f"UseEncoding UTF-8 {charset}\n", names=())
    with Ftp(s.port, user="alice") as c:
        c.expect(257, b"MKD " + sent)
    assert on_disk(s) == [sent.decode(charset).encode()]


@pytest.mark.ours  # the reference says nothing to Telnet commands
def test_answers_to_Telnet_commands_are_not_converted(made):
    s = made("UseEncoding ISO-8859-1 UTF-8\n", names=(LATIN,))
    with Ftp(s.port, user="alice") as c:
        c.binary()
        c.send_raw(b"\xff\xfb\x01SIZE " + UTF8 + b"\r\nDELE nosuch\xc3\xa9\r\n")
        expected = b"\xff\xfe\x01213 7\r\n550 nosuch\xc3\xa9: No such file or directory\r\n"
        heard = b""
        while len(heard) < len(expected):
            more = c.sock.recv(1000)
            assert more, heard
            heard += more
        assert heard == expected


def test_a_verb_that_becomes_shorter_is_not_understood(made):
    s = made("UseEncoding ISO-8859-1 UTF-8\n", names=())
    with Ftp(s.port, user="alice") as c:
        c.expect(500, "\u00e9\u00e8".encode() * 8 + b" x")
        c.expect(257, "PWD")


def test_OPTS_UTF8_changes_the_charset_of_the_client(made):
    s = made("UseEncoding UTF-8 ISO-8859-1\n")
    with Ftp(s.port, user="alice") as c:
        c.expect(200, "TYPE I")
        assert "UTF8" in features(c)
        c.expect(200, "OPTS UTF8 ON")
        assert lines(c, "NLST") == sorted([UTF8, CYRILLIC, BROKEN])
        c.expect(213, b"SIZE " + UTF8)
        c.expect(200, "OPTS UTF8 OFF")
        assert lines(c, "NLST") == sorted([LATIN, CYRILLIC, BROKEN])
        c.expect(213, b"SIZE " + LATIN)


@pytest.mark.ours  # the reference forgets it at login
def test_OPTS_UTF8_before_login_counts(made):
    s = made("UseEncoding UTF-8 ISO-8859-1\n")
    with Ftp(s.port) as c:
        c.expect(200, "OPTS UTF8 ON")
        c.login("alice")
        assert UTF8 in lines(c, "NLST")


def test_strict_leaves_the_client_no_choice(made):
    s = made("UseEncoding UTF-8 ISO-8859-1 strict\n")
    with Ftp(s.port, user="alice") as c:
        assert "UTF8" not in features(c)
        c.expect(451, "OPTS UTF8 ON")
        assert LATIN in lines(c, "NLST")


@pytest.mark.ours  # the reference tells of UTF8 and refuses it
@pytest.mark.parametrize("extra", ["UseEncoding UTF-8 ISO-8859-1\nLangOptions PreferServerEncoding\n", "UseEncoding off\n"])
def test_FEAT_tells_of_UTF8_only_where_a_client_can_have_it(made, extra):
    s = made(extra)
    with Ftp(s.port, user="alice") as c:
        assert "UTF8" not in features(c)
        c.expect(451, "OPTS UTF8 ON")


@pytest.mark.parametrize("setting, on, off", [("on", 200, 451), ("off", 451, 200)])
def test_UseEncoding_on_and_off_convert_nothing(made, setting, on, off):
    s = made(f"UseEncoding {setting}\n")
    with Ftp(s.port, user="alice") as c:
        assert lines(c, "NLST") == sorted([UTF8, CYRILLIC, BROKEN])
        c.expect(on, "OPTS UTF8 ON")
        c.expect(off, "OPTS UTF8 OFF")


@pytest.mark.ours  # the reference takes the names all the same
def test_RequireValidEncoding_refuses_names_that_are_none(made):
    s = made("LangOptions RequireValidEncoding\n")
    with Ftp(s.port, user="alice") as c:
        c.expect(200, "TYPE I")
        c.expect(213, b"SIZE " + UTF8)
        for line in (b"SIZE bad\x80\x81", b"MKD " + LATIN, b"NLST " + LATIN, b"SITE CHMOD 644 " + LATIN, b"CWD \xf8"):
            reply = raw(c.expect(550, line).text)
            assert reply.endswith(b": Illegal character sequence in filename"), reply
    assert on_disk(s) == sorted([UTF8, CYRILLIC, BROKEN])


@pytest.mark.ours
def test_RequireValidEncoding_refuses_what_the_disk_cannot_hold(made):
    s = made("UseEncoding ISO-8859-1 UTF-8\nLangOptions RequireValidEncoding\n", names=(LATIN,))
    with Ftp(s.port, user="alice") as c:
        c.expect(200, "TYPE I")
        c.expect(213, b"SIZE " + UTF8)
        c.expect(550, b"SIZE " + CYRILLIC)
        c.expect(550, b"MKD " + CYRILLIC)
    assert on_disk(s) == [LATIN]


@pytest.mark.ours  # the reference matches what the client sent
def test_rules_see_the_names_of_the_files(made):
    s = made("UseEncoding UTF-8 ISO-8859-1\nPathDenyFilter \u00e9\n<Directory ~/d\u00e9>\nHideFiles ^\u00fc\n</Directory>\n")
    with Ftp(s.port, user="alice") as c:
        reply = c.expect(550, b"MKD x\xe9")
        assert "Forbidden" in reply.text
        c.expect(257, b"MKD x\xe8")


def test_LangEngine_off_turns_conversion_off(made):
    s = made("UseEncoding UTF-8 ISO-8859-1\nLangEngine off\n")
    with Ftp(s.port, user="alice") as c:
        assert UTF8 in lines(c, "NLST")
        assert "UTF8" not in features(c)


def test_many_names_in_threads_at_once(made):
    names = [f"n\u00e9 {i:04} \u00fc".encode() for i in range(400)]
    s = made("UseEncoding UTF-8 ISO-8859-1\nMaxInstances none\n", names=names)
    want = sorted(x.decode().encode("latin-1") for x in names)
    clients = [Ftp(s.port, user="alice") for _ in range(4)]
    pending = []
    for c in clients:
        data = c.data()
        data.__enter__()
        c.send("NLST")
        pending.append((c, data))
    for c, data in pending:
        c.expect(150)
        assert sorted(x for x in read_all(data).split(b"\r\n") if x) == want
        data.close()
        c.expect(226)
        c.close()


@pytest.mark.ours
@pytest.mark.parametrize("words, reason", [("UTF-8 x-nosuch", "charset 'x-nosuch' is not known"), ("UTF-8 UTF-16", "no superset of ASCII"),
                                           ("UTF-8 ISO-8859-1 often", "expected 'strict', not 'often'"), ("maybe", "expected Boolean")])
def test_what_cannot_be_converted_is_an_error_at_the_start(start, words, reason):
    s = start.prepare()
    s.configure("UseEncoding " + words)
    done = s.check()
    assert done.returncode == 1 and reason in done.stderr, done.stderr
