test("a header becomes a tag of its name", function()
    local result = run(sip{ headers = { ["x-tenant"] = "acme" } })

    assert_equal(result.tags, { ["X-Tenant"] = "acme" })
end)

test("the rest of the call has it too", function()
    run(sip{ method = "INVITE", call_id = "one", headers = { ["X-Tenant"] = "acme" } })

    assert_equal(run(sip{ status = 180, call_id = "one" }).tags, { ["X-Tenant"] = "acme" })
    assert_unchanged(run(sip{ status = 180, call_id = "two" }))
end)

test("each message has its own where nothing is remembered", function()
    settings{ hours = 0 }
    run(sip{ method = "INVITE", call_id = "one", headers = { ["X-Tenant"] = "acme" } })

    assert_unchanged(run(sip{ status = 180, call_id = "one" }))
end)

test("which headers is a setting", function()
    settings{ headers = "X-Account, X-Line" }
    local result = run(sip{ headers = { ["X-Account"] = "7", ["X-Line"] = "8", ["X-Tenant"] = "acme" } })

    assert_equal(result.tags, { ["X-Account"] = "7", ["X-Line"] = "8" })
end)
