-- What SIP is made of what is given, and read after the scripts.
script("new.lua")

test("of a request", function()
    local result = run(sip{
        method = "REGISTER", from = "alice@example.com", to = "<sip:bob@example.org>", call_id = "abc",
        cseq = 7, source = "198.51.100.7:5070", destination = "[2001:db8::1]:5080", transport = "tcp",
        node = "sbc-1", capture_id = 2001, time = 1700000000.25, branch = "z9hG4bK-1", contact = "alice@10.0.0.1",
    })
    assert_equal(result.method, "REGISTER")
    assert_equal(result.status, nil)
    assert_equal({result.from_user, result.from_domain}, {"alice", "example.com"})
    assert_equal({result.to_user, result.to_domain}, {"bob", "example.org"})
    assert_equal({result.call_id, result.session_id, result.cseq}, {"abc", "abc", "7 REGISTER"})
    assert_equal({result.source, result.source_port}, {"198.51.100.7", 5070})
    assert_equal({result.destination, result.destination_port}, {"2001:db8::1", 5080})
    assert_equal({result.transport, result.node, result.capture_id}, {"tcp", "sbc-1", 2001})
    assert_equal({result.time, result.profile, result.kind}, {1700000000.25, "registration", "sip"})
    assert_equal({result.ruri_user, result.via_branch, result.contact_user}, {"bob", "z9hG4bK-1", "alice"})
end)

test("of a response with a body", function()
    local result = run(sip{status = 183, body = "v=0\r\ns=x\r\n", headers = { Via = { "a", "b" }, From = "<sip:c@d>" }})
    assert_equal({result.status, result.method, result.reason_phrase}, {183, "183", "Session Progress"})
    assert_equal({result:header("v")}, {"a", "b"})
    assert_equal({result.from_user, result.content_type}, {"c", "application/sdp"})
    assert_equal(result.body, "v=0\r\ns=x\r\n")
    assert_match(result.payload, "^SIP/2.0 183 Session Progress\r\n")
    assert_match(result:header("Content-Length"), "^10$")
end)

test("header lines in an order of their own, and one taken away", function()
    local result = run(sip{headers = { "X-A: 2", "X-A: 1", ["Max-Forwards"] = false }})
    assert_equal({result:header("x-a")}, {"2", "1"})
    assert_equal(result:header("Max-Forwards"), nil)
end)
