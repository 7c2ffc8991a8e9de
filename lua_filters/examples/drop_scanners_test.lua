local function options(source, call_id)
    return sip{ method = "OPTIONS", source = source, call_id = call_id }
end

test("a known scanner is dropped", function()
    assert_dropped(run(sip{ method = "OPTIONS", user_agent = "Friendly-Scanner" }), "scanner")
end)

test("the answer to a scanner is dropped too", function()
    run(sip{ method = "REGISTER", user_agent = "sipvicious 0.3", call_id = "scan-1" })

    assert_dropped(run(sip{ status = 401, cseq_method = "REGISTER", call_id = "scan-1" }), "scanner")
end)

test("phones and messages without a User-Agent are kept", function()
    assert_kept(run(sip{ method = "REGISTER", user_agent = "Acme Phone 2.1" }))
    assert_kept(run(sip{ method = "REGISTER" }))
end)

test("an address that asks too much is dropped until the window is over", function()
    settings{ most = 3, window = 10 }
    for number = 1, 3 do
        assert_kept(run(options("203.0.113.9", "ask-" .. number)))
    end

    assert_dropped(run(options("203.0.113.9", "ask-4")), "scan_rate")
    assert_kept(run(options("203.0.113.10", "ask-5")))
end)

test("private and trusted addresses may ask as much as they like", function()
    settings{ most = 1, trusted = "203.0.113., 2001:db8:1:" }
    for _, source in ipairs({ "10.1.2.3", "172.20.0.1", "192.168.1.1", "203.0.113.9", "2001:db8:1::5" }) do
        for number = 1, 3 do
            assert_kept(run(options(source, source .. number)))
        end
    end
end)

test("calls are not counted", function()
    settings{ most = 1 }
    for number = 1, 3 do
        assert_kept(run(sip{ method = "INVITE", source = "203.0.113.9", call_id = "call-" .. number }))
    end
end)
