local SDP = "v=0\r\nm=audio 4000 RTP/SAVP 0\r\na=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:c2VjcmV0\r\n"

test("the text of a MESSAGE is hidden, its length stays", function()
    local result = run(sip{ method = "MESSAGE", body = "see you at nine" })

    assert_equal(result.body, "xxxxxxxxxxxxxxx")
    assert_equal(result:header("Content-Length"), "15")
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
