local TRUNK, OURS = "198.51.100.7", "192.0.2.1"

local function call(call_id, status)
    run(sip{ method = "INVITE", source = TRUNK, destination = OURS, call_id = call_id, time = 1795000000 })
    return run(sip{
        status = status, cseq_method = "INVITE", source = OURS, destination = TRUNK, call_id = call_id, time = 1795000002,
    })
end

test("messages of a trunk have its name", function()
    settings{ [TRUNK] = "north" }

    assert_equal(run(sip{ source = TRUNK }).tags, { trunk = "north" })
    assert_equal(run(sip{ destination = TRUNK }).tags, { trunk = "north" })
end)

test("other messages stay as they are", function()
    settings{ [TRUNK] = "north" }

    assert_unchanged(run(sip{ source = OURS, destination = "192.0.2.2" }))
end)

test("the names may stand in a table", function()
    settings{ file = "trunks.csv" }
    lookup_table("trunks.csv", { [TRUNK] = "south" })

    assert_equal(run(sip{ source = TRUNK }).tags, { trunk = "south" })
end)

test("calls and answers are counted by trunk", function()
    settings{ [TRUNK] = "north" }
    call("one", 200)
    call("two", 486)

    assert_equal(counted("trunk_calls", { trunk = "north", direction = "in" }), 2)
    assert_equal(counted("trunk_answers", { trunk = "north", direction = "in", status = 200 }), 1)
    assert_equal(counted("trunk_answers", { trunk = "north", direction = "in", status = 486 }), 1)
end)

test("a re-INVITE is no call", function()
    settings{ [TRUNK] = "north" }
    run(sip{ method = "INVITE", source = TRUNK, to_tag = "there" })

    assert_equal(counted("trunk_calls", { trunk = "north", direction = "in" }) or 0, 0)
end)
