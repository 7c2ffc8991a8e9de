-- What the other files look up.
local agents = {
    [2001] = "sbc-north",
    [2002] = "sbc-south",
}
local trunks = { ["198.51.100.7"] = "blue", ["198.51.100.8"] = "green" }
local domains = {}
domains["192.0.2.1"] = "customer.example"

local function starts_with(text, beginning)
    return string.sub(text, 1, string.len(beginning)) == beginning
end

function trim(text)
    return (text:gsub("^%s+", ""):gsub("%s+$", ""))
end
