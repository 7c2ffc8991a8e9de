-- Tables, settings, time, counters and the log.
script("answers.lua")
lookup_table("numbers.csv", { ["49"] = "DE", ["1"] = "US" })
settings{ share = 0.25 }

test("tables and settings", function()
    local result = run(sip{from = "49@example.com"})
    assert_equal(result.tags, { country = "DE", share = "0.25", greeting = "none" })
    assert_equal(run(sip{from = "7@example.com"}).tags.country, nil)
    lookup_table("numbers.csv", { ["7"] = "RU" })
    assert_equal(run(sip{from = "7@example.com"}).tags.country, "RU")
end)

test("settings that one test alone has", function()
    settings{ greeting = "hello" }
    assert_equal(run(sip{}).tags.greeting, "hello")
end)

test("time", function()
    at_time(1000)
    local first = run(sip{})
    assert_equal({first.tags.seen, first.time}, {nil, 1000})
    at_time(1059)
    assert_equal(run(sip{}).tags.seen, "yes")
    at_time(1119.5)
    assert_equal(run(sip{}).tags.seen, nil)
end)

test("what was counted and logged", function()
    assert_equal(counted("calls"), 0)
    run(sip{user_agent = "x"})
    run(sip{user_agent = "x"})
    run(sip{user_agent = "y"})
    assert_equal(counted("calls", { agent = "x" }), 2)
    assert_equal(counted("calls", { agent = "z" }), 0)
    assert_equal(logged()[3], "warn: agent y")
end)

test("rows of a table", function()
    lookup_table("numbers.csv", { ["49"] = { country = "DE", zone = 2 } })
    local result = run(sip{from = "49@example.com"})
    assert_equal(result.tags.country, "DE in zone 2")
end)
