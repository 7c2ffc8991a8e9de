-- Joins the legs of a call that a B2BUA makes: the second leg names the Call-ID of the first in a header, or has it in
-- its own Call-ID with something behind it.
--
-- [filters.correlate_legs]
-- headers = "X-CID, X-Call-ID"     the first one that is there counts; default: X-CID
-- suffix = "_b2b%-%d+$"            what a leg's id has behind that of the first: a pattern of Lua
-- hours = 4                        how long a leg remembers the first, for its messages without such a header

local suffix = settings.suffix or "_b2b%-%d+$"
local seconds = (settings.hours or 4) * 3600

local LONGEST = 1000 -- characters of an id; what is longer is none

local headers = {}
for name in (settings.headers or "X-CID"):gmatch("[^,%s]+") do
    headers[#headers + 1] = name
end

local function named_leg(message)
    for _, name in ipairs(headers) do
        local value = message:header(name)
        if value and value ~= "" and #value <= LONGEST then
            return value
        end
    end
end

function on_sip(message)
    local call_id = message.call_id
    if not call_id or #call_id > LONGEST then
        return
    end
    local key = "correlate_legs:" .. call_id
    local named = named_leg(message)
    if named then
        cache.set(key, named, seconds)
    else
        named = cache.get(key) or call_id
    end
    local first = named:gsub(suffix, "")
    if first ~= "" and first ~= call_id then
        correlate(first)
    end
end
