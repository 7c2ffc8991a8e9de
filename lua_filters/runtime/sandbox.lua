-- The sandbox: what scripts may use, and what bounds them. Runs once in each state, before anything else.
--
-- Gets the limits; returns `load(source, chunkname)`, `library(source, name, services…)` and `global(name)` to
-- Python. They keep what they need in locals, so that nothing that a script does to its environment reaches
-- them. Preludes have to do the same, and may call no methods of strings: `("x"):upper()` means what the
-- scripts of the state want it to mean.

local budget, memory_limit, longest_subject, find_module = ...

jit.off() -- hooks do not fire in compiled code

local error, loadstring, pcall, rawget, select = error, loadstring, pcall, rawget, select
local setfenv, setmetatable, tonumber, type = setfenv, setmetatable, tonumber, type
local byte, find, format, gmatch, gsub = string.byte, string.find, string.format, string.gmatch, string.gsub
local match, rep, sub = string.match, string.rep, string.sub
local concat, insert, remove, sort = table.concat, table.insert, table.remove, table.sort
local create, resume = coroutine.create, coroutine.resume
local collectgarbage, getinfo, sethook = collectgarbage, debug.getinfo, debug.sethook
local as_function, log, time = python.as_function, math.log, os.time

-- ---- bounds ----

local STEP = 1000 -- instructions between two looks at what a call has used
local STEPS = budget / STEP
-- What takes time without instructions, by its measured time.
local STEPS_OF_ERROR = 0.1 -- caught: ends a loop that stays where the stack has no room for the hook, too
local STEPS_OF_BYTE = 0.0002 -- looked through for a pattern
local STEPS_OF_MOVE = 0.0002 -- of an element of a list
local STEPS_OF_COMPARISON = 0.005
local MOST_COLLECTIONS = 4 -- in a call: one takes as long as 10 million instructions where 64 MiB are in use
local MOST_NESTED = 100 -- of calls out of C into Lua: gsub takes 9 KB of the C stack's 8 MB
local LARGE = 65536 -- bytes; smaller texts are made without a look at the memory
local LIMIT_KIB = memory_limit / 1024
local NO_MEMORY = "not enough memory" -- LuaJIT's own words

local steps, collections, nested = 0, 0, 0 -- of the call at hand
local stopped, stopped_words -- why the call is being ended: `instructions` or `memory`
local ours = setmetatable({}, { __mode = "k" }) -- functions that are not interrupted: they put an end to a call
local loaded, loading = {}, {} -- modules

local function place()
    -- Where the script is, though it may be some function of ours that it has called.
    local level = 2
    local frame = getinfo(level, "Sl")
    while frame do
        if byte(frame.source) == 64 then
            return sub(frame.source, 2) .. ":" .. frame.currentline .. ": "
        end
        level = level + 1
        frame = getinfo(level, "Sl")
    end
    return ""
end

local function stop(kind, words)
    if not stopped then
        stopped, stopped_words = kind, words
        stopped_words = place() .. words
    end
    -- Whatever could catch this throws it again, until the call has ended.
    error(stopped_words, 0)
end

local OUT_OF_INSTRUCTIONS = "more than " .. budget .. " instructions"
local OUT_OF_MEMORY = "more than " .. memory_limit .. " bytes of memory"

local function collect(enough_kib)
    -- LuaJIT halves its buffer for making texts each time, which may hold most of it.
    local before
    repeat
        before = collectgarbage("count")
        collectgarbage()
        local now = collectgarbage("count")
    until now <= enough_kib or now > 0.9 * before
end

local function has_room(more_kib)
    if collectgarbage("count") + more_kib <= LIMIT_KIB then
        return true
    end
    if collections >= MOST_COLLECTIONS then
        return false
    end
    collections = collections + 1
    collect(LIMIT_KIB - more_kib)
    return collectgarbage("count") + more_kib <= LIMIT_KIB
end

local function reserve(size)
    -- Refuses what would be too large before it is made.
    if size > LARGE and not has_room(size / 1024) then
        stop("memory", OUT_OF_MEMORY)
    end
end

local function charge(more)
    steps = steps + more
    if steps > STEPS then
        stop("instructions", OUT_OF_INSTRUCTIONS)
    end
end

local function on_step()
    steps = steps + 1
    local kind, words
    if steps > STEPS then
        kind, words = "instructions", OUT_OF_INSTRUCTIONS
    elseif collectgarbage("count") > LIMIT_KIB and not has_room(0) then
        kind, words = "memory", OUT_OF_MEMORY
    else
        return
    end
    local running = getinfo(2, "f")
    if not (running and ours[running.func]) then
        stop(kind, words)
    end
end

local function caught(succeeded, ...)
    -- What pcall and its like have returned: the end of a call is not to be caught.
    if succeeded then
        return true, ...
    end
    if stopped then
        error(stopped_words, 0)
    end
    if (...) == NO_MEMORY then
        stop("memory", NO_MEMORY)
    end
    charge(STEPS_OF_ERROR)
    return false, ...
end

-- ---- calls ----

local PLAIN = { ["nil"] = true, boolean = true, number = true, string = true }

local function describe(problem)
    -- Not by tostring: an error object may have a __tostring of the script's, outside of its budget.
    if type(problem) == "string" then
        return problem
    end
    return "an error object of type " .. type(problem)
end

local function failed(problem)
    loading = {}
    local kind, words = stopped, stopped_words
    if not kind then
        words = describe(problem)
        kind = words == NO_MEMORY and "memory" or "error"
    end
    if kind == "memory" then
        collect(0)
    end
    return false, kind, words
end

local function finish(succeeded, ...)
    if stopped or not succeeded then
        return failed((...))
    end
    if collectgarbage("count") > LIMIT_KIB and not has_room(0) then
        stopped, stopped_words = "memory", OUT_OF_MEMORY
        return failed()
    end
    local count = select("#", ...)
    if count == 0 then
        return
    end
    for index = 1, count do
        local kind = type((select(index, ...)))
        if not PLAIN[kind] then
            return false, "error", "a " .. kind .. " cannot be returned"
        end
    end
    return true, ...
end

ours[on_step], ours[failed], ours[finish] = true, true, true

local function bind(called)
    -- What Python calls: the function within its bounds.
    local function bounded(...)
        steps, collections, nested, stopped = 0, 0, 0, nil
        return finish(pcall(called, ...))
    end
    ours[bounded] = true
    return bounded
end

-- ---- what scripts see ----

local function copy_of(from, names)
    local copy = {}
    for name in gmatch(names or "", "%S+") do
        copy[name] = from[name]
    end
    if not names then
        for name, value in pairs(from) do
            copy[name] = value
        end
    end
    return copy
end

local environment = copy_of(
    _G,
    [[_VERSION assert error getmetatable ipairs next pairs rawequal rawget rawset select setmetatable tonumber
    tostring type unpack]]
)
environment._G = environment
environment.bit = copy_of(bit)
environment.coroutine = copy_of(coroutine)
environment.math = copy_of(math)
environment.os = copy_of(os, "clock date difftime time")
environment.string = copy_of(string)
environment.table = copy_of(table)

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

-- ---- what goes through C ----

local function all(...)
    return ...
end

local function direct(called, ...)
    -- No tail call, so that the errors of a function of C name this line, for `leave` to know them by.
    return all(called(...))
end

local function leave(before, name, succeeded, ...)
    nested = before
    if succeeded then
        return ...
    end
    local problem = ...
    local words = type(problem) == "string" and match(problem, "^%[sandbox%]:%d+: (.*)")
    if words then
        error((gsub(words, "'called'", "'" .. name .. "'")), 2)
    end
    error(problem, 0)
end

local function enter()
    if nested >= MOST_NESTED then
        error(place() .. "calls through gsub, sort, format, os.time or coroutines are nested too deeply", 0)
    end
    nested = nested + 1
end

local function call_nested(name, called, ...)
    -- A function of C that may call Lua. Each level is on the C stack, which nobody else watches.
    local before = nested
    enter()
    return leave(before, name, pcall(direct, called, ...))
end

local function resumed(before, ...)
    nested = before
    return caught(...)
end

local function resume_nested(thread, ...)
    local before = nested
    enter()
    return resumed(before, resume(thread, ...))
end

local function results_of(succeeded, ...)
    if not succeeded then
        error((...), 0)
    end
    return ...
end

environment.coroutine.resume = resume_nested

function environment.coroutine.wrap(called)
    local thread = create(called)
    return function(...)
        return results_of(resume_nested(thread, ...))
    end
end

-- Otherwise tail calls of the originals, so that their errors name the script's line.

local function capped(name)
    local original = string[name]
    return function(subject, ...)
        if type(subject) == "string" then
            -- Its length is what a pattern's cost grows with, as fast as its fourth power.
            if #subject > longest_subject then
                error(format("string.%s: more than %d bytes to look through", name, longest_subject), 2)
            end
            steps = steps + #subject * STEPS_OF_BYTE
        end
        return original(subject, ...)
    end
end

for _, name in ipairs({ "find", "gmatch", "match" }) do
    environment.string[name] = capped(name)
end

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
    for index = 1, select("#", ...) do
        if type((select(index, ...))) == "table" then
            return call_nested("format", format, template, ...)
        end
    end
    return format(template, ...)
end

function environment.string.rep(text, count, ...)
    local times = tonumber(count)
    if type(text) == "string" and times then
        local between = ...
        reserve((#text + (type(between) == "string" and #between or 0)) * times)
    end
    return rep(text, count, ...)
end

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
            steps = steps + #list * STEPS_OF_MOVE
        end
        return original(list, ...)
    end
end

environment.table.insert = moving(insert)
environment.table.remove = moving(remove)

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

environment.string.dump = nil
local of_strings = getmetatable("")
of_strings.__index = environment.string
-- A script that got hold of it would change what `s:match()` means to our preludes.
of_strings.__metatable = false

-- ---- modules ----

local function is_module_name(name)
    for part in gmatch(gsub(name, "[./]", "\n") .. "\n", "([^\n]*)\n") do
        if not find(part, "^[%w_-]+$") then
            return false
        end
    end
    return true
end

local function load(source, chunkname)
    if byte(source, 1) == 27 then
        return nil, sub(chunkname, 2) .. ":1: compiled Lua is not loaded, only its source"
    end
    local chunk, problem = loadstring(source, chunkname)
    if not chunk then
        return nil, problem
    end
    return setfenv(chunk, environment)
end

function environment.require(name)
    if type(name) ~= "string" or not is_module_name(name) then
        error(format("require: %s is no name of a module in the script folder", describe(name)), 2)
    end
    if loaded[name] ~= nil then
        return loaded[name]
    end
    if loading[name] then
        error(format("require: %s requires itself, by way of others", name), 2)
    end
    local file, source
    if find_module then
        file, source = find_module(name)
    end
    if not file then
        error(format("require: there is no module %s in the script folder", name), 2)
    end
    local chunk, problem = load(source, "@" .. file)
    if not chunk then
        error(problem, 0)
    end
    loading[name] = true
    local succeeded, value = pcall(chunk, name)
    loading[name] = nil
    if not succeeded then
        error(value, 0)
    end
    if value == nil then
        value = true
    end
    loaded[name] = value
    return value
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

python = nil

-- ---- what Python gets ----

local function bind_all(...)
    local bound = { ... }
    for index = 1, select("#", ...) do
        bound[index] = bind(bound[index])
    end
    return unpack(bound)
end

local function library(source, name, ...)
    steps = -math.huge
    local services = { ... }
    for index = 1, select("#", ...) do
        services[index] = as_function(services[index])
    end
    return bind_all(assert(loadstring(source, "=[" .. name .. "]"))(environment, unpack(services)))
end

local function load_and_bind(source, chunkname)
    local chunk, problem = load(source, chunkname)
    if not chunk then
        return nil, problem
    end
    return bind(chunk)
end

local function global(name)
    local owner, value = nil, environment
    for part in gmatch(name, "[^.:]+") do
        if type(value) ~= "table" then
            return nil
        end
        owner, value = value, rawget(value, part)
    end
    if type(value) ~= "function" then
        return nil
    end
    if not find(name, ":", 1, true) then
        return bind(value)
    end
    return bind(function(...)
        return value(owner, ...)
    end)
end

if find_module then
    find_module = as_function(find_module)
end
sethook(on_step, "", STEP)

return load_and_bind, library, global
