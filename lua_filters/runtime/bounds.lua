-- What bounds a call of a script: its instructions, the state's memory, and how deep it goes through C.
--
-- The first of a state's chunks, given the limits; returns the functions that the next ones are built of. A hook
-- looks every 1,000 instructions at what has been used. The end of a call is an error that nothing that a script
-- has can catch: each of them throws it again.

local budget, memory_limit = ...

jit.off() -- hooks do not fire in compiled code

local error, pcall, select, type = error, pcall, select, type
local byte, gsub, match, sub = string.byte, string.gsub, string.match, string.sub
local collectgarbage, getinfo, resume = collectgarbage, debug.getinfo, coroutine.resume
local UNBOUND = -math.huge -- steps while no call is under way

local STEP = 1000 -- instructions between two looks
local STEPS = budget / STEP
local STEPS_OF_ERROR = 0.1 -- caught: ends a loop that stays where the stack has no room for the hook, too
local MOST_COLLECTIONS = 4 -- in a call: one takes as long as 10 million instructions where 64 MiB are in use
local MOST_NESTED = 100 -- of calls out of C into Lua: gsub takes 9 KB of the C stack's 8 MB
local LARGE = 65536 -- bytes; smaller texts are made without a look at the memory
local LIMIT_KIB = memory_limit / 1024

local OUT_OF_INSTRUCTIONS = "more than " .. budget .. " instructions"
local OUT_OF_MEMORY = "more than " .. memory_limit .. " bytes of memory"
local TOO_DEEP = "calls through gsub, sort, format, os.time or coroutines are nested too deeply"
local SERVICE_FAILED = "a service could not be called, as the stack is full"
local NO_MEMORY = "not enough memory" -- LuaJIT's own words
local PLAIN = { ["nil"] = true, boolean = true, number = true, string = true }

local steps, collections, nested = UNBOUND, 0, 0 -- of the call at hand
local stopped, stopped_words -- why the call is being ended: a kind of error, and its words
local ours = setmetatable({}, { __mode = "k" }) -- functions that are not interrupted: they begin and end a call

-- ---- the end of a call ----

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
        stopped, stopped_words = kind, words -- first: where the stack is full, `place` fails
        stopped_words = place() .. words
    end
    error(stopped_words, 0)
end

local function charge(more)
    -- For what takes time without instructions, in steps.
    steps = steps + more
    if steps > STEPS then
        stop("instructions", OUT_OF_INSTRUCTIONS)
    end
end

local function caught(succeeded, ...)
    -- What pcall or resume has returned, but for the end of a call.
    if succeeded then
        return true, ...
    end
    if stopped then
        error(stopped_words, 0)
    end
    if (...) == NO_MEMORY then
        stop("memory", NO_MEMORY)
    end
    if type((...)) == "userdata" then
        -- An exception of Python's: raised by the door to a service itself, where the stack was full.
        stop("error", SERVICE_FAILED)
    end
    charge(STEPS_OF_ERROR)
    return false, ...
end

-- ---- memory ----

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

local function with_room(service)
    -- What a service returns is not to be refused memory: that error would go through Python's own frames.
    return function(...)
        if collectgarbage("count") > LIMIT_KIB and not has_room(0) then
            stop("memory", OUT_OF_MEMORY)
        end
        return service(...)
    end
end

local function on_step()
    steps = steps + 1
    local kind, words
    if steps > STEPS then
        kind, words = "instructions", OUT_OF_INSTRUCTIONS
    elseif steps > 0 and collectgarbage("count") > LIMIT_KIB and not has_room(0) then
        kind, words = "memory", OUT_OF_MEMORY
    else
        return
    end
    local running = getinfo(2, "f")
    if not (running and ours[running.func]) then
        stop(kind, words)
    end
end

-- ---- calls from Python ----

local function describe(problem)
    -- Not by tostring: an error object may have a __tostring of the script's, outside of its budget.
    if type(problem) == "string" then
        return problem
    end
    return "an error object of type " .. type(problem)
end

local function failed(problem)
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
    -- Returns nothing, or true and the results, or false, the kind of error and its words.
    steps = UNBOUND
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

local function bind(called)
    -- What Python calls: the function within its bounds.
    local function bounded(...)
        steps, collections, nested, stopped = 0, 0, 0, nil
        return finish(pcall(called, ...))
    end
    ours[bounded] = true
    return bounded
end

ours[finish] = true

-- ---- through C ----

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
    local words
    if type(problem) == "string" then
        words = match(problem, "^%[bounds%]:%d+: (.*)") or match(problem, "^attempt to compare .*")
    end
    if words then
        error((gsub(words, "'called'", "'" .. name .. "'")), 2)
    end
    error(problem, 0)
end

local function enter()
    if nested >= MOST_NESTED then
        error(place() .. TOO_DEEP, 0)
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
    if type(thread) ~= "thread" then
        error("bad argument #1 to 'resume' (coroutine expected)", 2)
    end
    local before = nested
    enter()
    return resumed(before, resume(thread, ...))
end

debug.sethook(on_step, "", STEP)

return {
    bind = bind,
    call_nested = call_nested,
    caught = caught,
    charge = charge,
    reserve = reserve,
    resume_nested = resume_nested,
    with_room = with_room,
}
