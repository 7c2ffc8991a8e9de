-- What a script of the new kind has besides the packet: metrics, the log, memory, tables, its settings, hashes.
--
-- Runs after names.lua and verdicts.lua. A service returns nil and words where something cannot be.

local environment, count, observe, say, cache_get, cache_set, cache_delete, lookup, hash_of, settings_of = ...

local error, getinfo, next, select, setmetatable, tonumber, tostring, type, unpack =
    error, debug.getinfo, next, select, setmetatable, tonumber, tostring, type, unpack
local pcall = environment.pcall
local format, format_of_script = string.format, environment.string.format
local sealed, shown = environment.__names.sealed, environment.__names.shown
environment.__names = nil

local MOST_LABELS = 8

-- `level` of `error` is counted from here: 3 is the script, where a function of this file calls `text`.
local function text(value, name)
    if type(value) == "string" then
        return value
    elseif type(value) == "number" or type(value) == "boolean" then
        return tostring(value)
    end
    error(format("%s is text, not %s", name, value == nil and "nil" or "a " .. type(value)), 3)
end

-- ---- metrics ----

-- A table of labels as names and values in turn; their order does not matter.
local function flat(name, labels)
    local list, length = {}, 0
    if labels == nil then
        return list, 0
    elseif type(labels) ~= "table" then
        error(format('%s: labels are a table, such as { trunk = "north" }, not %s', name, shown(labels)), 3)
    end
    for label, value in next, labels do
        local kind = type(value)
        if type(label) ~= "string" then
            error(format('%s: a label has a name: { trunk = "north" }', name), 3)
        elseif kind ~= "string" and kind ~= "number" and kind ~= "boolean" then
            error(format("%s: label %s is text, not a %s", name, shown(label), kind), 3)
        elseif length == 2 * MOST_LABELS then
            error(format("%s: more than %d labels", name, MOST_LABELS), 3)
        end
        list[length + 1], list[length + 2] = label, tostring(value)
        length = length + 2
    end
    return list, length
end

local function number(value, name)
    local given = tonumber(value)
    -- Neither is equal to itself less itself: NaN, and what has no end.
    if not given or given - given ~= 0 then
        error(format("%s is a number, not %s", name, shown(value)), 3)
    end
    return given
end

function environment.count(name, labels, by)
    name = text(name, "count: the name")
    by = by == nil and 1 or number(by, "count: how much")
    if by < 0 then
        error("count: a counter only grows", 2)
    end
    local list, length = flat("count", labels)
    local _, words = count(name, by, unpack(list, 1, length))
    if words then
        error("count: " .. words, 2)
    end
end

function environment.observe(name, value, labels)
    name = text(name, "observe: the name")
    value = number(value, "observe: the value")
    local list, length = flat("observe", labels)
    local _, words = observe(name, value, unpack(list, 1, length))
    if words then
        error("observe: " .. words, 2)
    end
end

-- ---- the log ----

local function logger(level)
    return function(words, ...)
        if select("#", ...) > 0 then
            local formatted, said = pcall(format_of_script, words, ...)
            if not formatted then
                error("log." .. level .. ": " .. tostring(said), 2)
            end
            words = said
        else
            words = text(words, "log." .. level .. ": what is logged")
        end
        local caller = getinfo(2, "l")
        say(level, words, caller and caller.currentline or 0)
    end
end

environment.log = sealed("log", {
    debug = logger("debug"),
    info = logger("info"),
    warn = logger("warn"),
    error = logger("error"),
})

-- ---- memory ----

local cache = {}

function cache.get(key)
    return (cache_get(text(key, "cache.get: the key")))
end

function cache.set(key, value, ttl)
    key = text(key, "cache.set: the key")
    local kind = type(value)
    if value == nil then
        cache_delete(key)
        return
    elseif kind ~= "string" and kind ~= "number" and kind ~= "boolean" then
        error(format("cache.set: text, a number or a boolean can be kept, not a %s", kind), 2)
    elseif ttl ~= nil then
        ttl = number(ttl, "cache.set: the time to keep it, in seconds,")
    end
    local _, words = cache_set(key, value, ttl)
    if words then
        error("cache.set: " .. words, 2)
    end
end

function cache.delete(key)
    cache_delete(text(key, "cache.delete: the key"))
end

environment.cache = sealed("cache", cache)

-- ---- tables ----

-- What a table has: nothing, one value, or the names and values of a row.
local function value_or_row(...)
    local length = select("#", ...)
    if length < 2 then
        return (...)
    end
    local given, row = { ... }, {}
    for index = 1, length, 2 do
        row[given[index]] = given[index + 1]
    end
    return row
end

local function found(value, ...)
    if value == nil and ... then
        error("lookup.file: " .. ..., 3)
    end
    return value_or_row(value, ...)
end

environment.lookup = sealed("lookup", {
    file = function(file, key)
        file, key = text(file, "lookup.file: the file"), text(key, "lookup.file: the key")
        local value = found(lookup(file, key))
        return value
    end,
})

-- ---- settings ----

local given = { settings_of() }
local settings = {}
for index = 1, #given, 2 do
    settings[given[index]] = given[index + 1]
end
-- Not sealed: `settings.share or 0.1` is how a script has a default.
environment.settings = setmetatable({}, {
    __index = settings,
    __newindex = function()
        error("settings cannot be changed: they stand in the file of settings", 2)
    end,
    __metatable = false,
})

-- ---- hashes ----

local function hasher(name)
    return function(value)
        return (hash_of(name, text(value, "hash." .. name .. ": what is hashed")))
    end
end

environment.hash = sealed("hash", { md5 = hasher("md5"), sha1 = hasher("sha1"), sha256 = hasher("sha256") })
