local function with_table()
    lookup_table("customers.csv", { ["49301234"] = "acme", ["4930"] = "city" })
end

test("the longest prefix says whose number it is", function()
    with_table()

    assert_equal(run(sip{ from = "+493012345@example.com" }).tags, { customer = "acme" })
    assert_equal(run(sip{ from = "+49309999@example.com" }).tags, { customer = "city" })
end)

test("numbers are found however they are written", function()
    with_table()
    for _, number in ipairs({ "493012345", "004930-12345", "030(12345)", "03012345" }) do
        assert_equal(run(sip{ from = number .. "@example.com" }).tags, { customer = "acme" }, number)
    end
end)

test("the number that the network vouches for goes before From", function()
    with_table()
    local result = run(sip{
        from = "+49309999@example.com",
        headers = { ["P-Asserted-Identity"] = "<sip:+493012345@example.com>" },
    })

    assert_equal(result.tags, { customer = "acme" })
end)

test("the called number has a tag of its own", function()
    with_table()

    assert_equal(run(sip{ to = "+493012345@example.com" }).tags, { called_customer = "acme" })
end)

test("names and unknown numbers have none", function()
    with_table()

    assert_unchanged(run(sip{ from = "alice@example.com", to = "+3312345@example.com" }))
end)
