local function kept_of(count, method)
    local kept = 0
    for number = 1, count do
        local result = run(sip{ method = method, call_id = "call-" .. number })
        kept = kept + (result.dropped and 0 or 1)
    end
    return kept
end

test("a share of the pings is kept", function()
    settings{ share = 0.5 }

    local kept = kept_of(200, "OPTIONS")

    assert_equal(kept > 70 and kept < 130, true, "kept " .. kept .. " of 200")
end)

test("a request and its answer have the same fate", function()
    settings{ share = 0.5 }
    for number = 1, 20 do
        local call_id = "ping-" .. number
        local request = run(sip{ method = "OPTIONS", call_id = call_id })
        local answer = run(sip{ status = 200, cseq_method = "OPTIONS", call_id = call_id })

        assert_equal(answer.dropped, request.dropped)
    end
end)

test("everything else is kept", function()
    settings{ share = 0 }

    assert_equal(kept_of(10, "INVITE"), 10)
end)

test("other methods can be sampled", function()
    settings{ share = 0, methods = "options, NOTIFY" }

    assert_dropped(run(sip{ method = "NOTIFY" }), "sampled")
    assert_dropped(run(sip{ method = "OPTIONS" }), "sampled")
end)
