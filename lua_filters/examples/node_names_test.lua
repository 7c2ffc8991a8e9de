test("a node is named by its id", function()
    settings{ ["2001"] = "sbc-north" }

    assert_equal(run(sip{ capture_id = 2001 }).node, "sbc-north")
    assert_equal(run(rtcp{ capture_id = 2001 }).node, "sbc-north")
end)

test("a node without an entry stays as it is", function()
    settings{ ["2001"] = "sbc-north" }

    assert_unchanged(run(sip{ capture_id = 2002 }))
end)

test("a name of its own stays", function()
    settings{ ["2001"] = "sbc-north" }

    assert_equal(run(sip{ capture_id = 2001, node = "mine" }).node, "mine")
end)

test("a name of its own can be replaced", function()
    settings{ ["2001"] = "sbc-north", always = true }

    assert_equal(run(sip{ capture_id = 2001, node = "mine" }).node, "sbc-north")
end)
