-- What scripts see: Lua without what reaches out of it, and with functions that keep within bounds.
--
-- The second of a state's chunks, given what bounds.lua returned; returns the environment of all scripts of the
-- state. Its tables are copies, so that whatever a script does to them, our own Lua goes on; only the methods
-- of strings are the scripts' for all: `("x"):upper()` means what they want it to mean.

local bounds, longest_subject = ...

local error, pairs, pcall, rawget, select = error, pairs, pcall, rawget, select
local setmetatable, tonumber, tostring, type = setmetatable, tonumber, tostring, type
local format, gmatch, log = string.format, string.gmatch, math.log
local rep, concat, sort, create, time = string.rep, table.concat, table.sort, coroutine.create, os.time
local call_nested, caught, charge = bounds.call_nested, bounds.caught, bounds.charge
local reserve, resume_nested = bounds.reserve, bounds.resume_nested

-- What takes time without instructions, in thousands of them, by its measured time.
local STEPS_OF_BYTE = 0.0002 -- looked through for a pattern
local STEPS_OF_MOVE = 0.0002 -- of an element of a list
local STEPS_OF_COMPARISON = 0.005

local function copy_of(from, names)
    local copy = {}
    for name in gmatch(names, "%S+") do
        copy[name] = from[name]
    end
    return copy
end

local function whole_copy_of(from)
    local copy = {}
    for name, value in pairs(from) do
        copy[name] = value
    end
    return copy
end

local environment = copy_of(
    _G,
    [[_VERSION assert error getmetatable ipairs next pairs rawequal rawget rawset select setmetatable tonumber
    tostring type unpack]]
)
environment._G = environment
environment.bit = whole_copy_of(bit)
environment.coroutine = whole_copy_of(coroutine)
environment.math = whole_copy_of(math)
environment.os = copy_of(os, "clock date difftime")
environment.string = whole_copy_of(string)
environment.string.dump = nil
environment.table = whole_copy_of(table)

local of_strings = getmetatable("")
of_strings.__index = environment.string
of_strings.__metatable = false

-- ---- errors and coroutines ----

function environment.pcall(called, ...)
    return caught(pcall(called, ...))
end

function environment.xpcall(called, handler, ...)
    -- The original runs its handler where no hook fires, so that a loop in it could not be ended.
    local function handle(succeeded, ...)
        if succeeded then
            return true, ...
        end
        return false, handler((...))
    end
    return handle(caught(pcall(called, ...)))
end

local function results_of(succeeded, ...)
    if not succeeded then
        error((...), 0)
    end
    return ...
end

environment.coroutine.resume = resume_nested

function environment.coroutine.wrap(called)
    if type(called) ~= "function" then
        error("bad argument #1 to 'wrap' (function expected)", 2)
    end
    local thread = create(called)
    return function(...)
        return results_of(resume_nested(thread, ...))
    end
end

-- ---- texts ----

-- Tail calls of the originals, so that their errors name the script's line.

local function capped(name)
    local original = string[name]
    return function(subject, ...)
        if type(subject) == "string" then
            -- Its length is what a pattern's cost grows with, as fast as its fourth power.
            if #subject > longest_subject then
                error(format("string.%s: more than %d bytes to look through", name, longest_subject), 2)
            end
            charge(#subject * STEPS_OF_BYTE)
        end
        return original(subject, ...)
    end
end

environment.string.find = capped("find")
environment.string.gmatch = capped("gmatch")
environment.string.match = capped("match")

local capped_gsub = capped("gsub")

function environment.string.gsub(subject, pattern, replacement, ...)
    if type(replacement) ~= "string" then
        return call_nested("gsub", capped_gsub, subject, pattern, replacement, ...)
    end
    if type(subject) == "string" and #subject <= longest_subject then
        reserve((#subject + 1) * #replacement)
    end
    return capped_gsub(subject, pattern, replacement, ...)
end

function environment.string.format(template, ...)
    local size, may_call = 0, false
    for index = 1, select("#", ...) do
        local value = select(index, ...)
        local kind = type(value)
        if kind == "string" then
            size = size + #value
        elseif kind == "table" then
            may_call = true
        end
    end
    reserve(size)
    if may_call then
        return call_nested("format", format, template, ...)
    end
    return format(template, ...)
end

function environment.string.rep(text, count, ...)
    local times = tonumber(count)
    text = type(text) == "number" and tostring(text) or text
    if type(text) == "string" and times then
        local between = ...
        reserve((#text + (type(between) == "string" and #between or 0)) * times)
    end
    return rep(text, count, ...)
end

-- ---- lists ----

function environment.table.concat(list, between, ...)
    if type(list) == "table" then
        local size = (type(between) == "string" and #between or 0) * #list
        for index = 1, #list do
            local part = rawget(list, index)
            size = size + (type(part) == "string" and #part or 0)
        end
        reserve(size)
    end
    return concat(list, between, ...)
end

local function moving(original)
    return function(list, ...)
        if select("#", ...) > 0 and type(list) == "table" then
            charge(#list * STEPS_OF_MOVE)
        end
        return original(list, ...)
    end
end

environment.table.insert = moving(table.insert)
environment.table.remove = moving(table.remove)

function environment.table.sort(list, ...)
    if type(list) == "table" then
        charge(#list * log(#list + 1) * STEPS_OF_COMPARISON)
    end
    return call_nested("sort", sort, list, ...)
end

function environment.os.time(date)
    if date == nil then
        return time()
    end
    return call_nested("time", time, date)
end

-- ---- what was taken away ----

local NO_FILES = "a script cannot read or write files; lookup.file reads tables below the script folder"
local NO_PROGRAMS = "a script cannot start programs or end the process"
local NO_LOADING = "put the code into the script itself, or into a module for require"
local NO_INTERNALS = "a script cannot look into the interpreter"

local REMOVED = {
    collectgarbage = "memory is bounded and freed by itself",
    debug = NO_INTERNALS,
    dofile = NO_LOADING,
    ffi = NO_INTERNALS,
    getfenv = NO_INTERNALS,
    io = NO_FILES,
    jit = NO_INTERNALS,
    load = NO_LOADING,
    loadfile = NO_LOADING,
    loadstring = NO_LOADING,
    module = NO_LOADING,
    newproxy = "use setmetatable",
    package = NO_LOADING,
    python = NO_INTERNALS,
    setfenv = NO_INTERNALS,
}
local REMOVED_FROM_OS = {
    execute = NO_PROGRAMS,
    exit = NO_PROGRAMS,
    getenv = "use settings.NAME, which the file of settings gives to a script",
    remove = NO_FILES,
    rename = NO_FILES,
    setlocale = "it would change how all scripts and Python write numbers",
    tmpname = NO_FILES,
}
local REMOVED_FROM_STRING = { dump = NO_INTERNALS }

local function refuse(of, removed, prefix)
    setmetatable(of, {
        __index = function(_, name)
            local advice = removed[name]
            if advice then
                error(format("%s%s is not there: %s", prefix, name, advice), 2)
            end
        end,
        __metatable = false,
    })
end

refuse(environment, REMOVED, "")
refuse(environment.os, REMOVED_FROM_OS, "os.")
refuse(environment.string, REMOVED_FROM_STRING, "string.")

return environment
