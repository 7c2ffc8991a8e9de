"""The test runner: real scripts, real test files, and how they come out."""

import shutil
from pathlib import Path

import pytest

from rhapsode.errors import RhapsodeError
from rhapsode.filters.testing import FileOutcome, find_test_files, run_file
from tests.support.frames import ipv4, udp, write_pcap
from tests.support.hep_bytes import a_hep3

LUA = Path(__file__).parent / "lua"
"""Scripts, and tests of them that all pass: they show what a test may use."""


@pytest.mark.parametrize("path", find_test_files(LUA), ids=lambda path: path.stem)
def test_every_test_passes(path: Path) -> None:
    found = run_file(path, lambda _: None)

    assert found.problem is None
    assert found.tests
    assert [test.failure for test in found.tests if test.failure is not None] == []


def outcome(directory: Path, text: str, **scripts: str) -> FileOutcome:
    """Of the test file `new_test.lua`, beside scripts of these names, `new.lua` and `old.lua`."""
    for name in ("new.lua", "old.lua"):
        shutil.copy(LUA / name, directory)
    for name, source in scripts.items():
        (directory / f"{name}.lua").write_text(source)
    path = directory / "new_test.lua"
    path.write_text(text)
    return run_file(path, lambda _: None)


def failure(directory: Path, body: str, **scripts: str) -> str:
    """Of the one test with this body, which begins in line 2."""
    (test,) = outcome(directory, f'test("fails", function()\n{body}\nend)', **scripts).tests
    assert test.failure is not None
    return test.failure


def test_packets_of_a_capture_are_run_and_a_number_too_high_is_told(tmp_path: Path) -> None:
    options = b"OPTIONS sip:bob@example.com SIP/2.0\r\nUser-Agent: scanner\r\nCall-ID: 1\r\n\r\n"
    write_pcap(tmp_path / "two.pcap", [ipv4(udp(a_hep3(payload=b"x"))), ipv4(udp(options, 5062))])

    found = outcome(
        tmp_path,
        """
        test("one by its number", function()
            local message = from_pcap("two.pcap", 2)
            assert_equal({message.source, message.source_port}, {"192.0.2.10", 5062})
            assert_equal({message.transport, message.time}, {"udp", 1795408345})
            assert_dropped(run(message), "scanner")
            message.payload = "changed"
            assert_kept(run(message))
        end)

        test("all of them", function()
            local messages = from_pcap("two.pcap")
            assert_equal(#messages, 2)
            assert_equal(messages[1].payload, "x")
        end)
        """,
    )

    assert [test.failure for test in found.tests] == [None, None]
    assert failure(tmp_path, 'from_pcap("two.pcap", 3)') == (
        "new_test.lua:2: two.pcap has 2 packets of SIP and HEP, no number 3"
    )
    assert "new_test.lua:2: cannot read" in failure(tmp_path, 'from_pcap("none.pcap", 1)')


@pytest.mark.timeout(20)
def test_table_may_be_long(tmp_path: Path) -> None:
    text = """
        test("of many rows", function()
            local rows = {}
            for number = 1, 10000 do rows["key " .. number] = { value = number, other = true } end
            lookup_table("long.csv", rows)
            assert_equal(run(sip{}).tags, { found = "77" })
        end)
    """
    script = 'function on_sip(message) tag("found", lookup.file("long.csv", "key 77").value) end'

    (test,) = outcome(tmp_path, f'script("s.lua")\n{text}', s=script).tests

    assert test.failure is None


def test_print_says_what_there_is_instead(tmp_path: Path) -> None:
    assert failure(tmp_path, "print(1)").startswith(
        "new_test.lua:2: print is not there: assert_equal(value, nil)"
    )


def test_table_that_the_test_does_not_give_is_an_error_and_not_read_from_the_disk(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "numbers.csv").write_text("49,DE\n")
    script = 'function on_sip(message) lookup.file("numbers.csv", "49") end'

    words = failure(tmp_path, 'script("s.lua") run(sip{})', s=script)

    assert words.startswith("new_test.lua:2: s.lua:1: lookup.file: ")
    assert words.endswith('a test gives tables itself: lookup_table("numbers.csv", {…})')
    assert caplog.records == []


# ---- failures ----


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ("assert_equal(1, 2)", "not equal\nexpected: 2\nactual:   1"),
        ('assert_equal("a", nil)', 'not equal\nexpected: nil\nactual:   "a"'),
        ('assert_equal("1", 1)', 'not equal\nexpected: 1\nactual:   "1"'),
        ('assert_equal(1, 2, "the count")', "the count\nnot equal\nexpected: 2\nactual:   1"),
        ('assert_equal("a\\nb", "a\\nc")', "differs (- expected, + actual):\n  a\n- c\n+ b"),
        (
            "assert_equal({a = 1, b = {2}}, {a = 1, b = {3}})",
            "differs (- expected, + actual):\n  {\n      a = 1,\n      b = {\n"
            "-         [1] = 3,\n+         [1] = 2,\n      },\n  }",
        ),
        ('assert_match("abc", "^b")', 'no match\npattern: "^b"\nactual:  "abc"'),
        ("assert_kept(run(sip{user_agent = 'scanner'}))", 'dropped with reason "scanner", and not kept'),
        ("assert_dropped(run(sip{}), 'x')", 'kept, and not dropped with reason "x"'),
        (
            "assert_dropped(run(sip{user_agent = 'scanner'}), 'x')",
            'dropped for another reason\nexpected: "x"\nactual:   "scanner"',
        ),
        ("assert_unchanged(run(sip{user_agent = 'x'}))", "changed: {"),
        ("assert_error(function() end)", "no error"),
        ("assert_error(function() error('x', 0) end, 'y')", 'another error\npattern: "y"\nactual:  "x"'),
        ("assert_error(sip{})", "no error"),
        ("assert_kept(true)", "this takes what run(…) gave"),
        ("run(sip{from = 'broken@example.com'})", "new.lua:10: "),
        ("run('INVITE')", "run(…) takes a message: "),
        ("sip('INVITE')", "sip{…} takes a table of fields"),
        ("sip{metod = 'INVITE'}", "a message has no field metod"),
        ("run(sip{source = 'localhost'})", "source is an IPv4 or IPv6 address"),
        ("local result = run(sip{}) print(result.from_usr)", "the result of a run has no field from_usr"),
        ("run(sip{}) settings{a = 1}", "settings{…} comes before the first run(…)"),
        ("run(sip{}) script('old.lua')", "script(…) comes before the first run(…)"),
        ("script('none.lua')", "there is no none.lua beside the test"),
        ("at_time('now')", "at_time(…) takes seconds since 1970"),
        ("sip{headers = 1}", "bad argument #"),
        ("sip{from = {}}", "bad argument #"),
        ("run{1}", "a message has no field 1"),
        ("run{source = {}}", ""),
        ("from_pcap(1)", 'from_pcap("file.pcap", 1) takes a file name and a number'),
        ("from_pcap('a.pcap', 'b')", 'from_pcap("file.pcap", 1) takes a file name and a number'),
        ("from_pcap('a\\0b', 1)", "embedded null byte"),
        ("script(1)", "there is no 1 beside the test"),
        ("script(('x'):rep(300))", "there is no xxx"),
        ("script('../new.lua')", "there is no ../new.lua beside the test"),
        ("script(function() end)", "only texts, numbers and booleans can be given here"),
        ("at_time(0/0)", "at_time(…) takes seconds since 1970"),
        ("at_time(2^40)", "at_time(…) takes seconds since 1970"),
        ("lookup_table('a.csv', {a = {b = {}}})", "only texts"),
        ("lookup_table('a.csv', {[{}] = 1})", "only texts"),
        ("settings{a = {}}", "only texts"),
        ("counted({})", 'counted("calls", { trunk = "north" }) takes the name of a metric'),
        ("assert_match('a', nil)", "assert_match(text, pattern) takes a pattern"),
        ("assert_match('a', '[')", "malformed pattern"),
        ("assert_equal(1, 2, {})", ""),
        ("while true do end", "more than 100000000 instructions"),
        ("os.execute('true')", ""),
    ],
)  # fmt: skip
def test_failure_says_where_and_why(tmp_path: Path, body: str, words: str) -> None:
    assert failure(tmp_path, body).startswith(f"new_test.lua:2: {words}")


def test_each_test_has_its_name_line_and_time(tmp_path: Path) -> None:
    found = outcome(tmp_path, 'test("one", function() end)\n\ntest("two", function() error("x") end)')

    assert [(test.name, test.line, test.failure) for test in found.tests] == [
        ("one", 1, None),
        ("two", 3, "new_test.lua:3: x"),
    ]
    assert all(0 < test.seconds < 5 for test in found.tests)
    assert found.failed == 1


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("test('x', function(", "new_test.lua does not load: new_test.lua:1: "),
        ("error('at once')", "new_test.lua does not load: new_test.lua:1: at once"),
        ("test('x')", "new_test.lua does not load: new_test.lua:1: test(\"name\", function() … end) takes"),
        (
            "test('x', function() end)\ntest('x', function() end)",
            'new_test.lua does not load: new_test.lua:2: two tests are named "x"',
        ),
        ("", "new_test.lua has no tests: "),
        ("while true do end", "new_test.lua does not load: new_test.lua:1: more than 100000000 instructions"),
    ],
)  # fmt: skip
def test_file_that_cannot_be_run_is_a_failure_in_words(tmp_path: Path, text: str, words: str) -> None:
    found = outcome(tmp_path, text)

    assert found.problem is not None
    assert found.problem.startswith(words)
    assert found.failed == 1


def test_script_that_does_not_load_fails_the_tests_that_run_it(tmp_path: Path) -> None:
    assert failure(tmp_path, 'script("s.lua") run(sip{})', s="function on_sip(").startswith(
        "new_test.lua:2: s.lua:1: "
    )


def test_test_file_without_a_script_of_its_name_says_how_to_name_one(tmp_path: Path) -> None:
    (tmp_path / "lonely_test.lua").write_text('test("x", function() run(sip{}) end)')

    (test,) = run_file(tmp_path / "lonely_test.lua", lambda _: None).tests

    assert test.failure is not None
    assert (
        'lonely_test.lua:1: there is no lonely.lua beside the test: name the script by script("'
        in test.failure
    )


# ---- which files ----


def test_files_are_found_by_their_names_in_order(tmp_path: Path) -> None:
    for name in ("b_test.lua", "a_test.lua", "a.lua", ".c_test.lua", "test.lua"):
        (tmp_path / name).touch()

    assert [path.name for path in find_test_files(tmp_path)] == ["a_test.lua", "b_test.lua"]
    assert find_test_files(tmp_path / "b_test.lua") == [tmp_path / "b_test.lua"]


def test_folder_without_tests_or_that_is_not_there_is_told_in_words(tmp_path: Path) -> None:
    with pytest.raises(RhapsodeError, match="has no tests: they are files named"):
        find_test_files(tmp_path)
    with pytest.raises(RhapsodeError, match="cannot be read: No such file"):
        find_test_files(tmp_path / "none")


def test_directory_named_like_a_test_is_a_failure(tmp_path: Path) -> None:
    (tmp_path / "x_test.lua").mkdir()

    found = run_file(tmp_path / "x_test.lua", lambda _: None)

    assert found.problem == "x_test.lua cannot be read: Is a directory"
