-- What ends a script of the new kind for the packet at hand, and what runs its entry points. docs/lua.md is the page
-- for who writes scripts.
--
-- Runs after message.lua and changes.lua, and takes away what they hand to each other. Returns to Python what runs a
-- script's functions: for SIP, RTCP, log lines and any other packet.

local environment, share_of = ...

local core, message, names = environment.__core, environment.__message, environment.__names
environment.__core, environment.__message = nil, nil

local error, rawequal, rawget, tostring, type = error, rawequal, rawget, tostring, type
local pcall, resume = environment.pcall, environment.coroutine.resume
local read, shown = core.read, names.shown
local begin, check_packet, new, text = message.begin, message.check_packet, message.new, message.text

local ENDED = {} -- thrown by a verdict; a pcall of the script does not catch it

local function pass_on(succeeded, ...)
    if not succeeded and rawequal((...), ENDED) then
        error(ENDED, 0)
    end
    return succeeded, ...
end

function environment.pcall(...)
    return pass_on(pcall(...))
end

function environment.xpcall(called, handler, ...)
    local function handle(succeeded, ...)
        if succeeded then
            return true, ...
        end
        return false, handler((...))
    end
    return handle(pass_on(pcall(called, ...)))
end

function environment.coroutine.resume(...)
    return pass_on(resume(...))
end

function environment.drop(reason)
    check_packet("drop")
    core.drop(reason == nil and "dropped" or text(reason, "drop: the reason"))
    error(ENDED, 0)
end

function environment.keep()
    check_packet("keep")
    error(ENDED, 0)
end

function environment.sample(share, key)
    check_packet("sample")
    if type(share) ~= "number" or not (share >= 0 and share <= 1) then
        error("sample: the share is a number from 0 to 1, not " .. shown(share), 2)
    end
    if key == nil then
        key = read("sid") or ""
    elseif type(key) == "boolean" then
        key = tostring(key)
    end
    if share_of(text(key, "sample: the key")) < share then
        return true
    end
    core.drop("sampled")
    error(ENDED, 0)
end

-- ---- entry points ----

local function went_on(succeeded, problem)
    if succeeded then
        return true
    elseif rawequal(problem, ENDED) then
        return false
    end
    error(problem, 0)
end

-- Whether the script goes on with this packet.
local function run(name, new_object)
    local entry_point = rawget(environment, name)
    if entry_point == nil then
        return true
    end
    local object = new_object()
    begin(object)
    return went_on(pcall(entry_point, object))
end

local function runner(name, new_object)
    return core.entry(function()
        if run("on_packet", new.packet) and name then
            run(name, new_object)
        end
        begin(nil)
    end)
end

return runner("on_sip", new.message), runner("on_rtcp", new.report), runner("on_log", new.line), runner()
