-- An error that is expected.
script("new.lua")

test("and a script of the new kind has changed nothing then", function()
    local result = assert_error(sip{from = "broken@example.com"}, "nothing")
    assert_unchanged(result)
end)
