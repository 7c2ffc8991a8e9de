-- Scripts that run one after the other.
script("new.lua", "old.lua")
test("both have their say", function()
    local result = run(sip{user_agent = "phone"})
    assert_equal({result.tags, result.changes}, {{ agent = "phone" }, { from_user = "anonymous" }})
end)
