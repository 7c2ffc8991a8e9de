-- The sandbox: what scripts may use, and what bounds them. Runs once in each state, before any script.
--
-- Gets the limits; returns `load(source, chunkname)`, `global(name)` and `run(function, ...)` to Python. They keep
-- what they need in locals, so that nothing that a script does to its environment reaches them.

local budget, longest_subject = ...

jit.off() -- hooks do not fire in compiled code

local error, loadstring, pcall, select, setfenv, type = error, loadstring, pcall, select, setfenv, type
local rawget, setmetatable = rawget, setmetatable
local byte, format = string.byte, string.format
local getinfo, sethook = debug.getinfo, debug.sethook

-- ---- instructions ----

local PLAIN = { ["nil"] = true, boolean = true, number = true, string = true }

local exhausted = false
local ours = {} -- functions that go on when the budget is used up, to put an end to the call

local function out_of_instructions()
    local running = getinfo(2, "f")
    if running and ours[running.func] then
        return
    end
    exhausted = true
    -- From now on at each instruction, or a pcall around the loop would go on.
    sethook(out_of_instructions, "", 1)
    error("more than " .. budget .. " instructions", 0)
end

local function describe(problem)
    -- Not by tostring: an error object may have a __tostring of the script's, outside of its budget.
    if type(problem) == "string" then
        return problem
    end
    return "an error object of type " .. type(problem)
end

local function finish(succeeded, ...)
    sethook()
    -- A pcall of the script may have swallowed the error, if it was at its last instruction.
    if exhausted then
        return "instructions", "more than " .. budget .. " instructions"
    end
    if succeeded then
        for index = 1, select("#", ...) do
            local kind = type((select(index, ...)))
            -- Python would have to make a reference to anything else, which takes memory where none may be left.
            if not PLAIN[kind] then
                return "error", "a " .. kind .. " cannot be returned"
            end
        end
        return "ok", ...
    end
    local problem = describe((...))
    return problem == "not enough memory" and "memory" or "error", problem
end

local function run(called, ...)
    exhausted = false
    sethook(out_of_instructions, "", budget)
    return finish(pcall(called, ...))
end

ours[out_of_instructions], ours[finish], ours[run] = true, true, true

-- ---- what scripts see ----

local function capped(name)
    local original = string[name]
    return function(subject, ...)
        -- Its length is what a pattern's cost grows with, as fast as its fourth power.
        if type(subject) == "string" and #subject > longest_subject then
            error(format("string.%s: more than %d bytes to look through", name, longest_subject), 2)
        end
        return original(subject, ...)
    end
end

for _, name in ipairs({ "find", "gmatch", "gsub", "match" }) do
    string[name] = capped(name)
end
string.dump = nil
-- Every string's metatable: a script that got hold of it would change what `s:match()` means to the others.
getmetatable("").__metatable = false

local function copy_of(from, names)
    local copy = {}
    for name in names:gmatch("%S+") do
        copy[name] = from[name]
    end
    return copy
end

local function xpcall(called, handler, ...)
    -- The original runs its handler where no hook fires, so that a loop in it could not be ended.
    local function handle(succeeded, ...)
        if succeeded then
            return true, ...
        end
        return false, handler((...))
    end
    return handle(pcall(called, ...))
end

local environment = copy_of(
    _G,
    [[_VERSION assert bit coroutine error getmetatable ipairs math next pairs pcall rawequal rawget rawset select
    setmetatable string table tonumber tostring type unpack]]
)
environment.xpcall = xpcall
environment.os = copy_of(os, "clock date difftime time")
environment._G = environment

-- ---- what was taken away ----

local NO_FILES = "a script cannot read or write files; lookup.file reads tables below the script folder"
local NO_PROGRAMS = "a script cannot start programs or end the process"
local NO_LOADING = "put the code into the script itself"
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
    require = NO_LOADING,
    setfenv = NO_INTERNALS,
}
local REMOVED_FROM_OS = {
    execute = NO_PROGRAMS,
    exit = NO_PROGRAMS,
    getenv = "settings of a script stand in the file of settings",
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
refuse(string, REMOVED_FROM_STRING, "string.")

-- The hook may still be set: where there was no memory left for it, a call has ended without taking it away.

local function load(source, chunkname)
    sethook()
    if byte(source, 1) == 27 then
        return nil, chunkname:sub(2) .. ":1: compiled Lua is not loaded, only its source"
    end
    local chunk, problem = loadstring(source, chunkname)
    if not chunk then
        return nil, problem
    end
    return setfenv(chunk, environment)
end

local function global(name)
    sethook()
    local value = rawget(environment, name)
    return type(value) == "function" and value or nil
end

ours[load], ours[global] = true, true

return load, global, run
