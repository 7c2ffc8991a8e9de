-- Packets that are not SIP, and SIP as text.
script("new.lua")

test("RTCP", function()
    local result = run(rtcp{report = { node = "edge", packets = { 1, 2 }, lost = 0.5, ok = true }})
    assert_equal(result.node, "of edge")
    assert_equal(result.payload, '{"lost":0.5,"node":"edge","ok":true,"packets":[1,2]}')
end)

test("a log line", function()
    assert_equal(run(log{text = "went wrong", correlation_id = "abc"}).tags, { text = "went wrong" })
end)

test("any other packet", function()
    local result = run(hep{protocol_type = 34, payload = "x", vlan = 5, hep_key = "k"})
    assert_equal({result.payload, result.protocol_type, result.vlan, result.kind}, {"x", 34, 5, "other"})
end)

test("SIP as text has the line ends of SIP", function()
    local result = run(raw([[
OPTIONS sip:bob@example.com SIP/2.0
User-Agent: scanner

]], { source = "192.0.2.9" }))
    assert_dropped(result, "scanner")
    assert_equal(result.source, "192.0.2.9")
    assert_match(result.payload, "SIP/2.0\r\nUser")
end)
