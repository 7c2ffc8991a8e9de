-- Tags calls with the customer that a number belongs to, by the longest prefix in a table of the script folder.
--
-- customers.csv, with a header line, saved anew whenever it changes:
--     prefix,customer
--     49301234,acme
--     4930,city of example
--
-- [filters.customers]
-- country = "49"            of numbers with one leading 0
-- shortest = 3              digits; a shorter prefix is not looked for
-- The tags are `customer`, of the caller's number, and `called_customer`.

local FILE = "customers.csv"
local country = settings.country or "49"
local shortest = settings.shortest or 3
local LONGEST = 15 -- digits of a number, by E.164

local function digits(user)
    if #user > 3 * LONGEST then
        return nil -- no number, and patterns do not look through endless texts
    end
    local number = user:gsub("[%-%.%(%)]", "")
    if number:find("^00%d") then
        number = number:sub(3)
    elseif number:find("^0%d") then
        number = country .. number:sub(2)
    end
    return number:match("^%+?(%d+)$")
end

local function customer_of(user)
    local number = user and digits(user)
    if not number then
        return nil
    end
    for length = math.min(#number, LONGEST), shortest, -1 do
        local customer = lookup.file(FILE, number:sub(1, length))
        if customer then
            return customer
        end
    end
end

function on_sip(message)
    local caller = customer_of(message.pai_user or message.from_user)
    if caller then
        tag("customer", caller)
    end
    local called = customer_of(message.to_user)
    if called then
        tag("called_customer", called)
    end
end
