-- Verdicts, changes and tags.
script("new.lua")

test("a scanner is dropped", function()
    local result = run(sip{user_agent = "scanner"})
    assert_dropped(result)
    assert_dropped(result, "scanner")
    assert_equal(result.dropped, true)
    assert_equal(result.reason, "scanner")
end)

test("others are tagged and joined", function()
    local result = run(sip{user_agent = "phone", headers = { ["X-CID"] = "leg-a" }})
    assert_kept(result)
    assert_equal(result.tags, { agent = "phone" })
    assert_equal(result.changes, { correlation_id = "leg-a" })
    assert_equal(result.correlation_id, "leg-a")
    assert_equal(result.reason, nil)
end)

test("a message that is left alone is unchanged", function()
    assert_unchanged(run(sip{}))
end)
