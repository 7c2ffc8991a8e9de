-- The message at hand, for what scripts see of it: fields read when they are asked for, and written at once.
--
-- Runs after sandbox.lua, before a prelude that makes an API of it, and leaves the table `__core` in the
-- environment for that one to take away. What a prelude returns to Python to run for a packet is made by
-- `core.entry(called)`. Returns `prefetch(choice, ...)` and `pending()` to Python.

local environment, read, write, drop, header, body = ...

local assert, loadstring, select, unpack = assert, loadstring, select, unpack
local concat, format = table.concat, string.format

local core = { drop = drop, header = header, body = body }

local values = {} -- what has been read of the message; a field that it lacks is asked for again
local generation = 0

function core.read(name)
    local value = values[name]
    if value == nil then
        value = read(name)
        values[name] = value
    end
    return value
end

-- Tags are what scripts set most, so they go to Python with what the call returns: a tenth of the price of a
-- service. The first of a name is written like any field, which tells whether the name can be one.

local MOST_NAMES = 1000
local SHORT, MOST_PENDING = 256, 64 -- bytes of a tag, and names and values: more are measured by Python
local names, known = 0, {}
local tags, count = {}, 0 -- names and values in turn

local function flush()
    -- Returns as `core.write`, of all of them.
    local pended, refused = count, nil
    count = 0
    for index = 1, pended, 2 do
        refused = write(tags[index], tags[index + 1]) or refused
    end
    return refused
end

core.flush = flush

--- Sets a field, nil takes it away. Returns nothing, or why that cannot be.
function core.write(name, value)
    local refused = write(name, value)
    if refused then
        return refused
    end
    if name == "payload" then
        refused = flush()
        values = {} -- all is read anew from it
    else
        values[name], values.payload, values.raw, values.body = nil, nil, nil, nil
    end
    return refused
end

--- Sets a tag to a text, nil takes it away. `name` has the prefix of tags. Returns as `core.write`.
function core.tag(name, value)
    if value and known[name] and #value <= SHORT and count < MOST_PENDING then
        values[name] = value
        tags[count + 1], tags[count + 2] = name, value
        count = count + 2
        return
    end
    local refused = flush() or core.write(name, value)
    if value and not refused and names < MOST_NAMES then
        names, known[name] = names + 1, true
    end
    return refused
end

--- Of a call that has not come to its end.
local function pending()
    local pended = count
    count = 0
    return unpack(tags, 1, pended)
end

--- A number that no other message has, the same in each function that sees it; 0 while a script is loaded.
--- Objects made for a message tell by it that another one is at hand.
function core.generation()
    return generation
end

-- What a script reads of nearly every message comes along with the call: a fifth of the price of asking.

local function fill()
    return {}
end
local choice = 0 -- the one that `fill` is made for

local function prefetch(made, ...)
    local names, fields = {}, {}
    for index = 1, select("#", ...) do
        names[index] = "v" .. index
        -- Not by a method of strings, which scripts may have made another: this chunk is not in the sandbox.
        fields[index] = format("[%q] = v%d", (select(index, ...)), index)
    end
    fill = assert(loadstring(format("local %s = ... return {%s}", concat(names, ", "), concat(fields, ", "))))
    choice = made
end

--- What Python calls for a packet, with what comes along: the function with the message at hand.
function core.entry(called)
    return function(packet, made, ...)
        generation = packet
        if made == choice then
            values = fill(...)
        elseif made then
            values = {}
        end
        count = 0
        called()
        if count > 0 then
            return unpack(tags, 1, count)
        end
    end
end

environment.__core = core

return prefetch, pending
