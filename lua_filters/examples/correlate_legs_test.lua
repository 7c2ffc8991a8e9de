test("a leg that names the first one is joined to it", function()
    local result = run(sip{ call_id = "b", headers = { ["X-CID"] = "a" } })

    assert_equal(result.correlation_id, "a")
end)

test("a suffix is taken off, from the header and from the Call-ID", function()
    assert_equal(run(sip{ call_id = "b", headers = { ["X-CID"] = "a_b2b-1" } }).correlation_id, "a")
    assert_equal(run(sip{ call_id = "a_b2b-12" }).correlation_id, "a")
end)

test("later messages of the leg are joined too", function()
    run(sip{ method = "INVITE", call_id = "b", headers = { ["X-CID"] = "a" } })

    assert_equal(run(sip{ status = 200, call_id = "b" }).correlation_id, "a")
end)

test("the first leg stays as it is", function()
    assert_unchanged(run(sip{ call_id = "a" }))
    assert_unchanged(run(sip{ call_id = "a", headers = { ["X-CID"] = "a" } }))
end)

test("headers and suffix are settings", function()
    settings{ headers = "X-Leg, X-CID", suffix = "%-leg%d$" }

    assert_equal(run(sip{ call_id = "b", headers = { ["X-Leg"] = "a-leg2" } }).correlation_id, "a")
end)
