local SDP = "v=0\r\nm=audio 4000 RTP/SAVP 0\r\na=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:c2VjcmV0\r\n"

test("the text of a MESSAGE is hidden, its length stays", function()
    local result = run(sip{ method = "MESSAGE", body = "see you at nine" })

    assert_equal(result.body, "xxxxxxxxxxxxxxx")
    assert_equal(result:header("Content-Length"), "15")
end)

test("a MESSAGE whose CSeq is missing or says something else is hidden too", function()
    local text = "MESSAGE sip:bob@example.com SIP/2.0\r\nCall-ID: 1\r\n%sContent-Length: 6\r\n\r\nsecret"

    for _, cseq in ipairs{ "", "CSeq: 1 INVITE\r\n", "CSeq: MESSAGE\r\n", "CSeq: 1 message\r\n" } do
        assert_equal(run(raw(text:format(cseq))).body, "xxxxxx", cseq)
    end
end)

test("a message of which nothing can be read is hidden, or fails", function()
    assert_equal(run(raw("message sip:bob@example.com SIP/2.0\r\n\r\nsecret")).body, "xxxxxx")
    assert_equal(run(raw("Call-ID: 1\r\n\r\nsecret")).body, "xxxxxx")
    assert_error(raw('{"payload": "MESSAGE sip:bob@example.com SIP/2.0\\r\\n\\r\\nsecret'), "JSON")
end)

test("the answer to a MESSAGE is hidden", function()
    assert_equal(run(sip{ status = 200, cseq_method = "MESSAGE", body = "thanks" }).body, "xxxxxx")
end)

test("the keys of a call are hidden, the rest of the description stays", function()
    local result = run(sip{ method = "INVITE", body = SDP })

    assert_equal(result.body, (SDP:gsub("c2VjcmV0", "xxxxxxxx")))
end)

test("keys can stay", function()
    settings{ keys = false }

    assert_unchanged(run(sip{ method = "INVITE", body = SDP }))
end)

test("bodies of other methods are hidden where they are to", function()
    settings{ methods = "MESSAGE, INFO" }

    assert_equal(run(sip{ method = "INFO", body = "Signal=5" }).body, "xxxxxxxx")
end)

test("a message without a body stays as it is", function()
    assert_unchanged(run(sip{ method = "INVITE" }))
end)
