-- Drops what scanners send: by their User-Agent, and by how much they ask.
--
-- A call that a scanner was recognized in is dropped with its answers. Beyond that, an address outside of private
-- networks that sends more than `most` REGISTER and OPTIONS requests in `window` seconds is dropped until the window
-- is over; proxies of your own on public addresses belong into `trusted`. Counted by worker: with several, each sees
-- its part.
--
-- [filters.drop_scanners]
-- agents = "friendly-scanner, sipvicious"   parts of a User-Agent, in any case
-- most = 100                                requests; 0: no limit
-- window = 10                               seconds
-- trusted = "203.0.113.5, 2001:db8:1:"      addresses, or what they begin with
-- Drops with the reasons `scanner` and `scan_rate`.

local AGENTS = "friendly-scanner, friendly-request, sipvicious, sipcli, sip-scan, sundayddr, iwar, sipsak, vaxsipuseragent, pplsip"
local PRIVATE = "10., 127., 169.254., 192.168., ::1, fc, fd, fe80:"
local SCANNED = { OPTIONS = true, REGISTER = true }

local most = settings.most or 100
local window = settings.window or 10

local function list(text)
    local items = {}
    for item in text:gmatch("[^,%s]+") do
        items[#items + 1] = item:lower()
    end
    return items
end

local agents = list(settings.agents or AGENTS)
local trusted = list(PRIVATE .. ", " .. (settings.trusted or ""))

local function is_scanner(agent)
    agent = agent:sub(1, 200):lower()
    for _, part in ipairs(agents) do
        if agent:find(part, 1, true) then
            return true
        end
    end
    return false
end

local function is_trusted(address)
    local second = tonumber(address:match("^172%.(%d+)%."))
    if second and second >= 16 and second <= 31 then
        return true
    end
    for _, beginning in ipairs(trusted) do
        if address:sub(1, #beginning) == beginning then
            return true
        end
    end
    return false
end

local function is_too_much(message)
    if most == 0 or not message.is_request or not SCANNED[message.method] then
        return false
    end
    local source = message.source
    if not source or is_trusted(source) then
        return false
    end
    local key = "drop_scanners:" .. source .. ":" .. math.floor(message.time / window)
    local count = (cache.get(key) or 0) + 1
    cache.set(key, count, 2 * window)
    return count > most
end

function on_sip(message)
    local call = "drop_scanners:" .. (message.call_id or "")
    local reason = message.call_id and cache.get(call)
    if not reason then
        if message.user_agent and is_scanner(message.user_agent) then
            reason = "scanner"
        elseif is_too_much(message) then
            reason = "scan_rate"
        end
        if reason then
            -- The answers to come belong to it.
            cache.set(call, reason, 60)
        end
    end
    if reason then
        drop(reason)
    end
end
