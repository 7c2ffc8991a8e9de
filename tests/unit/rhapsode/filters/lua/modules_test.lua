-- Scripts and tests may require the modules of their folder.
local greeting = require("lib.greeting")

test("both have it", function()
    assert_equal(run(sip{}).tags, { greeting = greeting.word })
end)
