-- Each test in a state of its own.
script("counting.lua")
local runs = 0
test("first", function() runs = runs + 1 assert_equal(run(sip{}).tags.n, "1") assert_equal(runs, 1) end)
test("second", function() runs = runs + 1 assert_equal(run(sip{}).tags.n, "1") assert_equal(runs, 1) end)
