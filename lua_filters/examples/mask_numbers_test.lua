test("numbers keep their last digits", function()
    local result = run(sip{ from = "+491701234567@example.com", to = "0301234@example.com" })

    assert_equal(result.from_user, "**********567")
    assert_equal(result.to_user, "****234")
    assert_equal(result.ruri_user, "****234")
    assert_equal(result.payload:find("1234567", 1, true), nil)
end)

test("names stay", function()
    assert_unchanged(run(sip{ from = "alice@example.com", to = "bob@example.com" }))
end)

test("names go where they are to", function()
    settings{ names = true, keep_last = 0 }

    assert_equal(run(sip{ from = "alice@example.com" }).from_user, "*****")
end)

test("headers with other numbers go", function()
    local result = run(sip{ from = "alice@example.com", headers = { Diversion = "<sip:+49301234@example.com>" } })

    assert_equal(result:header("Diversion"), nil)
    assert_equal(result.payload:find("+49301234", 1, true), nil)
end)

test("a short number is masked altogether", function()
    assert_equal(run(sip{ to = "110@example.com" }).to_user, "***")
end)

test("other domains stay", function()
    settings{ domains = "example.com" }

    assert_unchanged(run(sip{ from = "030123@example.org", to = "030124@example.net" }))
    assert_equal(run(sip{ from = "030123@example.org", to = "030124@EXAMPLE.com" }).from_user, "***123")
end)

test("a message of which nothing can be read does not pass for one of another domain", function()
    settings{ domains = "example.com" }

    assert_error(raw('{"payload": "INVITE sip:030123@example.com SIP/2.0\\r\\n'), "JSON")
end)
